"""What other people's training loops would do wrong without a word."""

import sys
from typing import Any


def deals_out_batches(dataset: Any) -> bool:
    """Whether Accelerate is about to have one rank read `dataset`, and to deal its batches out among all ranks.

    It does so with every `IterableDataset` that is prepared. It tells which loader is being iterated over.
    """
    accelerate = sys.modules.get("accelerate")
    if accelerate is None:
        return False
    loader = accelerate.state.GradientState().active_dataloader
    return isinstance(loader, accelerate.data_loader.DataLoaderDispatcher) and loader.dataset is dataset
