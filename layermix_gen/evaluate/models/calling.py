"""Call a model: its code may raise or return anything, and each fault becomes a `LayerMixError` of one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.support.text import first_line

CHECK = "check the checkpoint and --mean and --std"
OTHERS = "give a model for such images, and for any number of them"


def call_model(model: nn.Module, images: Tensor, remedy: str = CHECK) -> Tensor:
    """The logits (B, classes), as float32, that a model gives for images (B, 3, H, W).

    `remedy` is the error's advice about logits that are not finite. Raises `LayerMixError` where the model fails, and
    where it does not return finite floating-point logits of at least one class; running out of memory is left to
    `memory_faults`.
    """
    with _failures(f"on images {tuple(images.shape)}", lambda error: _other_precision(error, model, images) or OTHERS):
        outputs = model(images)
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point():
        found = str(outputs.dtype) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise LayerMixError(f"expected logits from the model, as a tensor of floats, got {found}; return them alone")
    if outputs.ndim != 2 or len(outputs) != len(images) or not outputs.shape[1]:
        raise LayerMixError(
            f"expected logits ({len(images)}, classes) from the model, got {tuple(outputs.shape)}; return them alone"
        )
    logits = outputs.float()
    if not bool(logits.isfinite().all()):
        bad = int((~logits.isfinite().all(1)).sum())
        raise LayerMixError(f"expected finite logits, got NaN or infinity for {bad} of {len(images)} images; {remedy}")
    return logits


def gradient(total: Tensor, wanted: Tensor) -> Tensor | None:
    """The gradient of `total`, a sum over a model's outputs, with respect to `wanted`; None where there is none.

    Raises `LayerMixError` where it cannot be computed or is not finite.
    """
    if not total.requires_grad:
        return None
    remedy = "give a model that torch.autograd.grad can differentiate"
    with _failures(f"at the gradient with respect to {tuple(wanted.shape)}", lambda _: remedy):
        found: Tensor | None = torch.autograd.grad(total, wanted, allow_unused=True)[0]
    if found is not None and not bool(found.isfinite().all()):
        raise LayerMixError("expected finite gradients, got NaN or infinity; mend what has none, as a root at 0")
    return found


def check_images(images: Tensor) -> None:
    """Raise `LayerMixError` unless `images` holds at least one image, as a tensor of floats (B, 3, H, W)."""
    check_type("images", images, Tensor, "use torch.from_numpy")
    if images.ndim != 4 or not images.is_floating_point() or not images.numel():
        raise LayerMixError(
            f"expected images (B, 3, H, W) in [0, 1], got {images.dtype} {tuple(images.shape)}; divide pixels by 255"
        )


def check_pixels(images: Tensor) -> None:
    """Raise `LayerMixError` unless `images` is what `check_images` wants, with all numbers in [0, 1]."""
    check_images(images)
    low, high = (float(one) for one in images.detach().aminmax())
    if not (low >= 0 and high <= 1):  # for NaN neither is true
        raise LayerMixError(
            f"expected pixels in [0, 1], got some in [{low:g}, {high:g}]; divide them by 255, and leave normalization "
            "to the model (Normalized)"
        )


@contextmanager
def memory_faults(images: int, remedy: str = "lower --batch-size") -> Iterator[None]:
    """Turn running out of memory, the host's or the device's, into a `LayerMixError` that names the batch size."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # for a GPU, PyTorch raises a RuntimeError
        if not _is_memory(error):
            raise
        raise LayerMixError(f"there is no memory for {images} images at a time; {remedy}") from error


@contextmanager
def _failures(place: str, remedy: Callable[[BaseException], str]) -> Iterator[None]:
    """Turn what a model raises into a one-line `LayerMixError`, but leave running out of memory to `memory_faults`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if _is_memory(error):
            raise
        raise LayerMixError(f"the model failed {place}: {first_line(error)}; {remedy(error)}") from error


def _other_precision(error: BaseException, model: nn.Module, images: Tensor) -> str:
    """Advice for an error about types, if some weights have another precision than the images; else ""."""
    for weight in model.parameters() if "type" in str(error) and isinstance(model, nn.Module) else ():
        if weight.is_floating_point() and weight.dtype != images.dtype:
            kinds = [str(dtype).removeprefix("torch.") for dtype in (weight.dtype, images.dtype)]
            amp = ", or evaluate with --amp" if weight.dtype in (torch.float16, torch.bfloat16) else ""
            return f"its weights are {kinds[0]} and the images {kinds[1]}: call float() on the model{amp}"
    return ""


def _is_memory(error: BaseException) -> bool:
    """Whether memory ran out; for the host's memory only the text of PyTorch's error tells."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )
