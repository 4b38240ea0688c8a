"""What other people's training loops would do wrong without a word."""

import sys
from typing import Any

from layermix_gen.errors import LayerMixError


def refuse_dispatch(dataset: Any) -> None:
    """Raise `LayerMixError` where Accelerate is about to have one process read `dataset`, and to send parts to others.

    It does so with every `IterableDataset` that is prepared for several processes, and tells which loader is being
    iterated over. They would get a share of one rank's images, and those with their pixels out of place: the memory of
    a batch is sent as it lies, channels last, and taken for channels first.
    """
    accelerate = sys.modules.get("accelerate")
    loader = accelerate and accelerate.state.GradientState().active_dataloader
    if accelerate is None or not isinstance(loader, accelerate.data_loader.DataLoaderDispatcher):
        return
    if loader.dataset is dataset and loader.state.num_processes > 1:
        raise LayerMixError(
            f"expected a loader that each of the {loader.state.num_processes} processes reads its share from, got one "
            "prepared by Accelerate, which would deal out the share of the first; leave it out of prepare()"
        )
