"""What AugMix, PixMix and IPMix share: options, operations with their strengths, and the weighted mean of chains."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from layermix_gen.images import SMALL
from layermix_gen.images.views import PictureView, draw_picture_view
from layermix_gen.mixing.methods.base import Draft, DrawSettings, drawn_of
from layermix_gen.mixing.methods.option_fields import MethodOptions, number, switch
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call, Expression
from layermix_gen.mixing.strengths import ArgumentSampler, rounded, settled
from layermix_gen.support.seeds import Random

OPS = (
    "autocontrast",
    "equalize",
    "posterize",
    "rotate",
    "solarize",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
OVERLAPPING = ("color", "contrast", "brightness", "sharpness")  # with the corruptions that robustness is measured on
STRENGTHS = {name: row.augmix for name, row in OPERATIONS.items() if row.augmix}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationOptions(MethodOptions):
    """The options of methods that draw operations as AugMix does."""

    severity: float | None = number(
        None, 0.1, 10, f"Upper bound of the operations' strengths; default: 3 up to {SMALL} px, else 1."
    )
    all_ops: bool = switch(False, "Also draw the operations that overlap with the corruptions of ImageNet-C.")

    def resolve(self, size: int) -> Self:
        return replace(self, severity=self.severity or (3.0 if size <= SMALL else 1.0))

    @property
    def ops(self) -> tuple[str, ...]:
        """The operations to draw from."""
        return OPS + OVERLAPPING if self.all_ops else OPS


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions(OperationOptions):
    """The options of methods that also blend with pictures of a mixing set, as PixMix does."""

    beta: float | None = number(
        None, 0.01, 100, f"Parameter of the blends' beta distributions; default: 3 up to {SMALL} px, else 4."
    )

    def resolve(self, size: int) -> Self:
        return replace(OperationOptions.resolve(self, size), beta=self.beta or (3.0 if size <= SMALL else 4.0))

    @property
    def color(self) -> bool:
        return True


def augment(rng: Random, draft: Draft, x: Expression, settings: DrawSettings) -> Call:
    """One operation on `x`, all equally likely, at a strength drawn for the severity."""
    name = drawn_of(rng, settings.options.ops)
    return draft.operation(name, x, settled(STRENGTHS[name], settings.options.severity, settings.size)(rng))


def strengths_of(settings: DrawSettings) -> dict[str, ArgumentSampler]:
    """How the strength of each operation is drawn."""
    severity, size = settings.options.severity, settings.size
    return {name: settled(STRENGTHS[name], severity, size) for name in settings.options.ops}


def mean_of_chains(rng: Random, draft: Draft, count: int, alpha: float, chain: Callable[[], Expression]) -> Call:
    """(1 - m) image + m (w1 chain1 + w2 chain2 + ...), with w of Dirichlet(alpha) and m of Beta(alpha, alpha).

    It consists of means of two. Only the last one, of the image and all chains, is noted in the draft.
    """
    weights: Sequence[float] = rng.dirichlet([alpha] * count).tolist()
    of_image = rounded(1 - rng.beta(alpha, alpha))
    mix, total = chain(), weights[0]
    for weight in weights[1:]:
        total += weight
        share = weight / total if total else 0.0  # all weights so far may be 0 if alpha is small
        mix = Call("mean", (mix, chain()), (rounded(1 - share),))
    return draft.blend("mean", IMAGE, mix, (of_image,))


def draw_picture_of(rng: Random, expression: Expression, settings: DrawSettings) -> PictureView | None:
    """The crop of a picture, never mirrored, where the expression uses one."""
    if not _uses_picture(expression):
        return None
    return draw_picture_view(rng, settings.pictures, settings.picture_size, settings.size, flips=False)


def _uses_picture(expression: Expression) -> bool:
    return expression == PICTURE or (isinstance(expression, Call) and any(map(_uses_picture, expression.operands)))
