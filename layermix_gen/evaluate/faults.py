"""What goes wrong in a user's model, as one line: its code may raise anything, and memory may run out in it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from layermix_gen.errors import LayerMixError
from layermix_gen.text import first_line


@contextmanager
def memory_faults(images: int) -> Iterator[None]:
    """Turn memory that runs out, the machine's or the device's, with so many images at a time into one line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # of which PyTorch's for a GPU is one
        if not _is_memory(error):
            raise
        raise LayerMixError(f"there is no memory for {images} images at a time; lower --batch-size") from error


@contextmanager
def model_faults(shape: tuple[int, ...]) -> Iterator[None]:
    """Turn what a model raises for images of this shape into one line; but for memory, which is another's to mend."""
    try:
        yield
    except Exception as error:
        if _is_memory(error):
            raise
        raise LayerMixError(
            f"the model failed on images {shape}: {first_line(error)}; give a model for such images, and for any "
            "number of them"
        ) from error


def _is_memory(error: Exception) -> bool:
    """Whether memory ran out: PyTorch says so of the machine's own in words alone."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )
