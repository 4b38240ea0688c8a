"""How a dataset is divided among processes: by torch.distributed, and not by Accelerate, which would do it wrongly."""

import sys
from typing import Any

import torch.distributed

from layermix_gen.errors import LayerMixError


def distributed_share() -> tuple[int, int]:
    """Rank and world size from torch.distributed, or (0, 1) if it is not initialized."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def refuse_dispatch(dataset: Any) -> None:
    """Raise `LayerMixError` if Accelerate is about to read `dataset` in one process and send parts to the others.

    Accelerate does so with every `IterableDataset` that is prepared for several processes; its state names the loader
    that is being iterated. The other processes would get a share of one rank's images, with wrong pixels: the memory of
    a batch is sent as it is, channels last, and read as channels first.
    """
    accelerate = sys.modules.get("accelerate")
    loader = accelerate and accelerate.state.GradientState().active_dataloader
    if accelerate is None or not isinstance(loader, accelerate.data_loader.DataLoaderDispatcher):
        return
    if loader.dataset is dataset and loader.state.num_processes > 1:
        raise LayerMixError(
            f"expected a loader that each of the {loader.state.num_processes} processes reads its share from, got one "
            "prepared by Accelerate, which would divide the share of the first among all; leave it out of prepare()"
        )
