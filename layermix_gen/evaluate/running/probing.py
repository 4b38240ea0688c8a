"""What is asked of a model before hours are spent: logits, the same for an image whenever it is asked, and no change.

Flags alone do not tell that a model evaluates: dropout may be called with `training=True`, and BatchNorm may have no
running statistics.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models.asking import memory_faults
from layermix_gen.evaluate.models.modes import evaluating
from layermix_gen.evaluate.models.weights import weight_digests
from layermix_gen.evaluate.running.forward import Forward, as_pixels, check_classes
from layermix_gen.evaluate.suites.base import Part
from layermix_gen.evaluate.suites.batching import Images

# Shares of the range of all logits by which two answers may differ: several times the last place of TF32, fp16 and
# bf16. Batches of one size take the same kernels, so most answers are equal to the last bit.
TOLERANCE = {"float32": 0.001, "fp16": 0.003, "bf16": 0.01}
OFFSET = 0.1  # of the tolerance: what counts of the logits' distance from 0, to which rounding is relative
DARKER = 0.25  # what the image beside the first one is multiplied by


def probe(model: nn.Module, firsts: Iterable[tuple[Part, Images]], forward: Forward) -> int:
    """Ask a model about the first one or two images (B, H, W, 3) of each part; return how many classes it has.

    Raises `LayerMixError` where its logits do not fit the part, where it answers otherwise when it is asked twice or
    about an image beside another one, and where its weights are others afterwards.
    """
    with evaluating(model), torch.no_grad():
        before = weight_digests(model)
        n_classes = max(_probe(model, part, images, forward) for part, images in firsts)
        after = weight_digests(model)
    if changed := [name for name in after if before.get(name) != after[name]]:
        raise LayerMixError(
            f"expected a model that stays as it is in evaluation mode, got one that changes its {changed[0]} when it "
            "is asked; mend its forward"
        )
    return n_classes


def _probe(model: nn.Module, part: Part, images: Images, forward: Forward) -> int:
    pixels = as_pixels(torch.from_numpy(images), forward)
    # Batch statistics differ beside a darker copy, even where the images are two frames of one video.
    beside = torch.cat([pixels[:1], DARKER * pixels[:1]])
    pixels = pixels if len(pixels) > 1 else pixels.repeat(2, 1, 1, 1)
    with memory_faults(len(pixels)):
        first, again, other = (forward.logits(model, batch) for batch in (pixels, pixels, beside))
    check_classes(first.shape[1], part)
    tolerance = TOLERANCE[forward.precision]
    if differ := _difference(first, again, tolerance):
        raise LayerMixError(
            f"expected the same logits in evaluation mode, got others by {differ:.1%} of their range when the model "
            "was asked twice; mend what is random in it or counts, as dropout that is always on"
        )
    if differ := _difference(first[:1], other[:1], tolerance):
        raise LayerMixError(
            f"expected the same logits in evaluation mode, got others by {differ:.1%} of their range for an image "
            "beside another one; mend what looks at the whole batch, as BatchNorm without running statistics"
        )
    return int(first.shape[1])


def _difference(one: Tensor, other: Tensor, tolerance: float) -> float:
    """By how much of their range logits (B, classes) differ, or 0 where that is tolerable."""
    both = torch.stack([one, other])
    spread = float(both.max() - both.min())
    greatest = float((one - other).abs().max())
    return greatest / spread if greatest > tolerance * (spread + OFFSET * float(both.abs().max())) else 0.0
