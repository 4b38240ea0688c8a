"""Copy batches to a device while the next one is decoded, and normalize images there; what fits into its memory."""

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from layermix_gen.errors import LayerMixError
from layermix_gen.support.processes import usable_memory

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
FEWER = "read them from the shards, or choose fewer by planes=, where= or classes="


def as_device(device: str | torch.device) -> torch.device:
    """Return a device that exists here, as `torch.device`. Raises `LayerMixError` for any other."""
    try:
        made = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise LayerMixError(f"expected a device like 'cuda' or 'cuda:1', got {device!r}; change the device") from error
    try:
        torch.empty(1, device=made)
    except Exception as error:  # each missing back end raises an error of its own
        raise LayerMixError(
            f"expected a GPU for the device {str(device)!r}, found none; name another device, such as 'cpu'"
        ) from error
    return made


def refuse_worker(device: torch.device | None) -> None:
    """Raise `LayerMixError` in a worker process of a DataLoader that would have to copy to a device."""
    if device and device.type != "cpu" and get_worker_info():
        raise LayerMixError("a worker process cannot copy to a device; drop device= or num_workers=")


def on_device(batches: Iterable[tuple[Any, ...]], device: torch.device) -> Iterator[tuple[Any, ...]]:
    """Yield the batches with their tensors on `device`; to a GPU they are copied one batch ahead, while it computes."""
    return _overlapped(batches, device) if device.type == "cuda" else (_moved(batch, device) for batch in batches)


def _overlapped(batches: Iterable[tuple[Any, ...]], device: torch.device) -> Iterator[tuple[Any, ...]]:
    """Copy batches on a separate CUDA stream, one batch ahead of the one that is yielded."""
    stream, copying = torch.cuda.Stream(device), None
    for batch in batches:
        with torch.cuda.stream(stream):
            begun = (batch, _moved(batch, device), stream.record_event())
        if copying:
            yield _arrived(*copying, device)
        copying = begun
    if copying:
        yield _arrived(*copying, device)


def _arrived(
    source: tuple[Any, ...], batch: tuple[Any, ...], event: torch.cuda.Event, device: torch.device
) -> tuple[Any, ...]:
    """Wait until a copy is complete. `source` is held until then, so that its memory is not used again too early."""
    event.synchronize()
    current = torch.cuda.current_stream(device)
    for tensor in _tensors(batch):
        tensor.record_stream(current)  # so that the copying stream does not get its memory back while it is in use
    return batch


def _moved(batch: tuple[Any, ...], device: torch.device) -> tuple[Any, ...]:
    return tuple(part.to(device, non_blocking=True) if isinstance(part, Tensor) else part for part in batch)


def _tensors(batch: tuple[Any, ...]) -> list[Tensor]:
    return [part for part in batch if isinstance(part, Tensor)]


def check_memory(
    shape: Sequence[int], device: torch.device, name: str = "decoded samples", remedy: str = FEWER
) -> None:
    """Raise `LayerMixError` where uint8 images of a shape need more memory than this process may use on a device."""
    if device.type not in ("cpu", "cuda"):
        return
    needed, there = prod(shape), usable_memory() if device.type == "cpu" else torch.cuda.mem_get_info(device)[0]
    if needed > there:
        raise LayerMixError(
            f"expected {needed / 1e9:.3g} GB of memory on {device} for {shape[0]} {name}, found "
            f"{there / 1e9:.3g} GB; {remedy}"
        )


def take(images: Tensor, places: Tensor) -> Tensor:
    """The images at `places`; on the CPU by NumPy, as torch would start threads and wait for a core for each."""
    if images.device.type == "cpu":
        return torch.from_numpy(images.numpy()[places.numpy()])
    return images[places]


def normalize(
    images: Tensor,
    mean: Sequence[float] | float,
    std: Sequence[float] | float,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Normalize uint8 images (..., 3, H, W): (images / 255 - mean) / std, on their device and in their memory layout.

    `mean` and `std` are for pixels in [0, 1], one for each channel or one for all. Raises `LayerMixError` for images of
    another type or shape, a mean outside of [0, 1], a standard deviation outside of (0, 1], or another `dtype`
    than float16, bfloat16, float32 or float64.
    """
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.shape[-3:-2] != (3,):
        found = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise LayerMixError(
            f"expected uint8 images (..., 3, H, W) as a reader yields them, got {found}; give these, without .float() "
            "/ 255 before: normalize divides by 255 itself"
        )
    if dtype not in FLOATS:
        raise LayerMixError(f"expected one of {', '.join(map(str, FLOATS))} as the dtype, got {dtype!r}; change dtype=")
    means, deviations = _statistics("mean", mean), _statistics("std", std)
    scale = 1 / (255 * torch.tensor(deviations, dtype=torch.float32))
    shift = -torch.tensor(means, dtype=torch.float32) * 255 * scale
    scale, shift = (one.to(images.device, dtype).reshape(-1, 1, 1) for one in (scale, shift))
    return images.to(dtype).mul_(scale).add_(shift)


def _statistics(name: str, value: Any) -> list[float]:
    """The one or three numbers of a mean or standard deviation. Raises `LayerMixError` for others than pixels have."""
    if isinstance(value, Tensor | np.ndarray):  # of any number of dimensions: one without any cannot be iterated over
        value = value.flatten().tolist()
    try:
        numbers = [float(one) for one in (value if isinstance(value, Iterable) else [value])]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (1, 3) or not all(0 <= one <= 1 for one in numbers) or (name == "std" and 0 in numbers):
        raise LayerMixError(
            f"expected one {name} or three in {'(' if name == 'std' else '['}0, 1], for pixels in [0, 1], got "
            f"{value!r}; change {name}=, divided by 255 if it is for pixels in [0, 255]"
        )
    return numbers
