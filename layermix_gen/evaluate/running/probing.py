"""Check before hours are spent that a model gives logits, always the same ones for an image, and does not change.

Flags alone do not show that a model is in evaluation mode: dropout may be called with `training=True`, and BatchNorm
may have no running statistics.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models.calling import memory_faults
from layermix_gen.evaluate.models.eval_mode import evaluating
from layermix_gen.evaluate.models.weights import weight_digests
from layermix_gen.evaluate.running.predicting import as_pixels, check_classes, logits_of
from layermix_gen.evaluate.running.run_options import Forward
from layermix_gen.evaluate.suites.base import Part
from layermix_gen.evaluate.suites.batching import Images

# By which share of the range of all logits two outputs may differ: several times the last place of TF32, fp16 and
# bf16. Batches of one size run the same kernels, so most outputs are equal to the last bit.
TOLERANCE = {"float32": 0.001, "fp16": 0.003, "bf16": 0.01}
OFFSET = 0.1  # weight of the greatest absolute logit in the tolerance, as rounding errors are relative to it
DARKER = 0.25  # factor of the darker copy that is put into a batch with the first image


def probe(model: nn.Module, firsts: Iterable[tuple[Part, Images]], forward: Forward) -> int:
    """Run a model on the first one or two images (B, H, W, 3) of each part; return how many classes it has.

    Raises `LayerMixError` where its logits do not fit the part, where they differ in a second pass or when another
    image is in the batch, and where its weights have changed afterwards.
    """
    with evaluating(model), torch.no_grad():
        before = weight_digests(model)
        n_classes = max(_probe(model, part, images, forward) for part, images in firsts)
        after = weight_digests(model)
    if changed := [name for name in after if before.get(name) != after[name]]:
        raise LayerMixError(
            f"expected a model that stays as it is in evaluation mode, got one that changes its {changed[0]} when it "
            "is called; mend its forward"
        )
    return n_classes


def _probe(model: nn.Module, part: Part, images: Images, forward: Forward) -> int:
    pixels = as_pixels(torch.from_numpy(images), forward)
    # With a darker copy in the batch its statistics differ, even where the images are two frames of one video.
    darkened = torch.cat([pixels[:1], DARKER * pixels[:1]])
    pixels = pixels if len(pixels) > 1 else pixels.repeat(2, 1, 1, 1)
    with memory_faults(len(pixels)):
        first, again, other = (logits_of(model, batch, forward) for batch in (pixels, pixels, darkened))
    check_classes(first.shape[1], part)
    tolerance = TOLERANCE[forward.precision]
    if differ := _difference(first, again, tolerance):
        raise LayerMixError(
            f"expected the same logits in evaluation mode, got others by {differ:.1%} of their range when the model "
            "was called twice; mend what is random in it or counts, as dropout that is always on"
        )
    if differ := _difference(first[:1], other[:1], tolerance):
        raise LayerMixError(
            f"expected the same logits in evaluation mode, got others by {differ:.1%} of their range with another "
            "image in the batch; mend what looks at the whole batch, as BatchNorm without running statistics"
        )
    return int(first.shape[1])


def _difference(one: Tensor, other: Tensor, tolerance: float) -> float:
    """The greatest difference of two logits (B, classes) as a share of their range; 0 where it is tolerable."""
    both = torch.stack([one, other])
    spread = float(both.max() - both.min())
    greatest = float((one - other).abs().max())
    return greatest / spread if greatest > tolerance * (spread + OFFSET * float(both.abs().max())) else 0.0
