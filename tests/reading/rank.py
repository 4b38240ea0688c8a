"""One of several processes that read a dataset together: python rank.py DATASET OUT RANK WORLD_SIZE"""

import json
import sys
from pathlib import Path

import torch.distributed
from torch.utils.data import DataLoader

from layermix_gen.reading.reader import LayerMixDataset


def main() -> None:
    root, out, rank, world_size = sys.argv[1:]
    ds = LayerMixDataset(root, 8, fields=("key",), remainder="exact")  # made before there are ranks, asked after
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{out}/meeting", rank=int(rank), world_size=int(world_size)
    )
    loader = DataLoader(ds, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    by_worker = [key for _, _, facts in loader for key in facts["key"]]
    direct = [key for _, _, facts in ds for key in facts["key"]]
    Path(out, f"{rank}.json").write_text(json.dumps({"direct": direct, "by worker": by_worker}))
    torch.distributed.barrier()  # no rank leaves, and no thread of gloo is at work, while another still is
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
