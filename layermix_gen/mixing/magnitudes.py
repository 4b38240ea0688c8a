"""Magnitudes in even steps, as torchvision 0.28 has them for AutoAugment, RandAugment and TrivialAugment.

At level 0 an operation changes nothing or little, at the last level it has the largest magnitude of its kind. Where an
operation can go both ways, its sign is drawn. Strengths are rounded to four decimals. torchvision computes the steps in
float32, where TrivialAugment's shift of 16 pixels, at level 15, falls just below and is cut to 15; here it is 16.
"""

from collections.abc import Callable
from dataclasses import dataclass

from layermix_gen.mixing.strengths import rounded
from layermix_gen.support.seeds import Random

_KINDS = {
    **dict.fromkeys(("shear_x", "shear_y"), "slope"),
    **dict.fromkeys(("translate_x", "translate_y"), "pixels"),
    "rotate": "degrees",
    **dict.fromkeys(("brightness", "color", "contrast", "sharpness"), "change"),
    "posterize": "bits",
    "solarize": "tones",
}
_SIGNED = ("slope", "pixels", "degrees", "change")

_ARGUMENTS: dict[str, Callable[[float], float]] = {
    "slope": rounded,
    "pixels": lambda pixels: float(int(pixels)),
    "degrees": rounded,
    "change": lambda change: rounded(1 + change),
    "bits": lambda fewer: 8 - round(fewer),
    "tones": lambda more: rounded(max(254.5 - int(more), 0) / 255),  # half a step below the lowest that is inverted
}


@dataclass(frozen=True, slots=True)
class Magnitudes:
    """How far the operations of a method go: the last of its levels, and the magnitude there for each kind."""

    last: int
    slope: float
    pixels: float
    degrees: float
    change: float  # of a factor, up or down from 1
    bits: int  # that posterize takes off 8
    tones: int = 255  # that solarize inverts, besides white

    def strength(self, rng: Random, name: str, level: int) -> tuple[float, ...]:
        """Return an operation's arguments at a level in [0, last]; its sign is drawn, if it has one."""
        kind = _KINDS.get(name)
        if kind is None:
            return ()
        magnitude = getattr(self, kind) * level / self.last
        is_negative = kind in _SIGNED and rng.random() < 0.5
        return (_ARGUMENTS[kind](-magnitude if is_negative else magnitude),)


def narrow(size: int, last: int) -> Magnitudes:
    """The magnitudes of AutoAugment and RandAugment, for images of `size` px."""
    return Magnitudes(last, slope=0.3, pixels=150 * size / 331, degrees=30, change=0.9, bits=4)


WIDE = Magnitudes(last=30, slope=0.99, pixels=32, degrees=135, change=0.99, bits=6)  # of TrivialAugment
