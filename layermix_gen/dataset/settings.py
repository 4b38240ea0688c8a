"""The settings of a build: every choice that changes a byte of the result, checked as soon as it is made.

How the work is done (workers, partitions, progress) is not a setting: it cannot change the result.
"""

import re
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Any

from layermix_gen.dataset.names import CLEAN_PLANE, KEYS, plane_name
from layermix_gen.errors import LayerMixError
from layermix_gen.images import SMALL
from layermix_gen.images.codec import MAX_PIXELS, Encoding
from layermix_gen.images.views import VIEWS
from layermix_gen.images.whole_images import SOURCE
from layermix_gen.mixing.methods import METHODS, DrawSettings
from layermix_gen.support.checks import check_choice, check_seed, check_whole
from layermix_gen.support.text import shown

CLEAN = -1  # the variant number of the view before mixing
VIEW_MODES = ("independent", "shared")
STORES = ("images", "recipes")
MIN_SIZE, MAX_SIZE = 8, 4096  # px
DEFAULT_SIZE = 224  # px; squares of one size up to this keep it
_CHOICES = ("size", "view", "format", "store")  # what may be left open
MAX_VARIANTS = 100  # two digits in the names of planes
LONGEST = 50  # characters of an option's value that are shown
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """The settings of a build. `None` leaves a choice open: `resolve` makes it to suit the source.

    What is made:

    - `variants` is the number of variants of each image, 0 to 100; with `clean`, the view before mixing is written,
      too.
    - `method` makes the variants, by default LayerMix; `options` are the method's: its class of options, such as
      `LayerMixOptions`, or a mapping of their names. None: the defaults.
    - `seed` of every random choice: 0 or a larger whole number.

    How images are cut:

    - `size` is the side of all views, in px. None: that of the images, if all are squares of one size from 8 to 224 px,
      otherwise 224.
    - `view` is "rrc" (a random resized crop), "pad-crop" or "center". None: pad-crop up to 64 px, rrc above. With
      "source", whole images are stored, for a reader that cuts views out and mixes them; then there are no variants,
      and `size` is what a longer short side is reduced to. None: images stay as they are.
    - `view_mode` is "independent" (each variant has a view of its own) or "shared" (all planes of an image show the
      same view, as the Jensen-Shannon loss needs them).
    - `max_pixels`: larger source images are skipped.

    How they are written:

    - `format` is "jpg", "png" or "webp". None: png up to 64 px, jpg above. `quality`, 1 to 100, is that of jpg and
      webp, where 100 is lossless; `subsampling` of a jpg's chroma is "444", "422" or "420".
    - `keys` is "unique" (a key for each sample) or "shared" (one for all planes of an image).
    - `shard_size` bounds each tar: bytes with a unit, as "256MB", or a plain number of samples.
    - `store` is "images" or, for virtual variants, "recipes": their rows of the index alone, from which they are
      rendered on the clean plane when they are read. None: as the dataset has it that is gone on with, else images.

    Raises `LayerMixError` for what is out of its range.
    """

    variants: int = 8
    clean: bool = True
    size: int | None = None
    view: str | None = None
    view_mode: str = "independent"
    method: str = "layermix"
    options: Any = None
    format: str | None = None
    quality: int = 95
    subsampling: str = "444"
    keys: str = "unique"
    shard_size: str = "256MB"
    seed: int = 0
    max_pixels: int = MAX_PIXELS
    store: str | None = None

    def __post_init__(self) -> None:
        if type(self.clean) is not bool:
            raise LayerMixError(f"clean must be True or False, got {self.clean!r}")
        check_whole("variants", self.variants, 0, MAX_VARIANTS)
        if self.variants == 0 and not self.clean:
            raise LayerMixError(
                "nothing to build: no variants and no clean plane; give --variants 1 or more, or --clean"
            )
        if self.size is not None:
            check_whole("size", self.size, MIN_SIZE, MAX_SIZE)
        check_choice("view", self.view, (*VIEWS, SOURCE, None))
        if self.view == SOURCE and self.variants:
            raise LayerMixError(
                "expected no variants of whole images, which a reader cuts and mixes (view source), got "
                f"{self.variants}; give --variants 0, or another --view"
            )
        check_choice("view mode", self.view_mode, VIEW_MODES)
        check_choice("method", self.method, METHODS)
        check_choice("keys", self.keys, KEYS)
        check_choice("store", self.store, (*STORES, None))
        self._check_virtual()
        check_seed(self.seed)
        check_whole("max-pixels", self.max_pixels, 1, 2**40)
        Encoding(self.format or "png", self.quality, self.subsampling)
        parse_size(self.shard_size)
        # Settings that mean the same compare equal, however they were typed.
        object.__setattr__(self, "options", METHODS[self.method].options_of(self.options))
        object.__setattr__(self, "shard_size", "".join(str(self.shard_size).split()).upper())

    def _check_virtual(self) -> None:
        """Refuse virtual variants where there is no clean view of what they show."""
        if self.store == "recipes" and not self.clean:
            raise LayerMixError(
                "expected the clean plane with --store recipes, whose variants are rendered from it, got --no-clean; "
                "leave that out"
            )
        if self.store == "recipes" and not self.one_view:
            raise LayerMixError(
                "expected --view-mode shared with --store recipes, whose variants are rendered from the clean view, "
                f"got {self.view_mode}; add --view-mode shared"
            )

    def resolve(self, native_size: int | None) -> "BuildSettings":
        """Make every open choice for a source whose images are all squares of `native_size` px (None: they are not)."""
        is_kept = native_size is not None and MIN_SIZE <= native_size <= DEFAULT_SIZE
        size = self.size or (native_size if is_kept else None)
        side = size or DEFAULT_SIZE
        view = self.view or ("pad-crop" if side <= SMALL else "rrc")
        image_format = self.format or ("png" if side <= SMALL else "jpg")
        size, store = size if view == SOURCE else side, self.store or "images"
        return replace(self, size=size, view=view, format=image_format, store=store, options=self.options.resolve(side))

    def filled(self, begun: "BuildSettings") -> "BuildSettings":
        """Make every open choice as in `begun`, the settings of a build that goes on."""
        given = {name: getattr(begun, name) for name in _CHOICES if getattr(self, name) is None}
        store = given.pop("store", self.store)
        filled = replace(self, **given)
        return replace(filled, store=store) if filled.clean and filled.one_view else filled

    @property
    def is_resolved(self) -> bool:
        """Whether no choice is open any more."""
        is_open = {name for name in _CHOICES if getattr(self, name) is None} - {"store"}  # older plans are without
        return not is_open or (is_open == {"size"} and self.view == SOURCE)

    @property
    def side(self) -> int:
        """The side of what is mixed, in px: that of the samples; for whole images as they are, the usual one."""
        return self.size or DEFAULT_SIZE

    @property
    def mixed_side(self) -> int:
        """The side of the squares that are mixed, in px: of whole images, of those that a reader cuts by default."""
        return min(self.side, DEFAULT_SIZE) if self.view == SOURCE else self.side

    def drawing(self, pictures: int, picture_size: int) -> DrawSettings:
        """The settings for drawing recipes, with a mixing set of `pictures` pictures of `picture_size` px."""
        return DrawSettings(self.side, pictures, picture_size, self.options)

    @property
    def samples(self) -> str:
        """What the samples are, for people; for resolved settings."""
        virtual = ", variants as recipes" if self.virtual_planes else ""
        return f"{self.form}, as {self.format}{virtual}"

    @property
    def form(self) -> str:
        """What the images are, for people: `224 px, rrc views, independent`; for resolved settings."""
        if self.view != SOURCE:
            return f"{self.size} px, {self.view} views, {self.view_mode}"
        return f"whole images, the short side up to {self.size} px" if self.size else "whole images as they are"

    @property
    def one_view(self) -> bool:
        """Whether all planes of an image show the same part of it."""
        return self.view_mode == "shared" or self.view in ("center", SOURCE)

    @property
    def views(self) -> str:
        """For people, in which loss the planes cannot be compared because their views differ; "" where that is none."""
        if self.one_view or not self.variants or self.method == "none" or METHODS[self.method].mixes_labels:
            return ""
        return "each plane has its own; the Jensen-Shannon loss needs --view-mode shared"

    @property
    def largest_tar(self) -> str:
        """How large a tar may be, for people: `256MB` or `10000 samples`."""
        return self.shard_size if parse_size(self.shard_size)[1] else f"{self.shard_size} samples"

    @property
    def mixing(self) -> str:
        """The method with the options that were chosen, for people: `layermix, magnitude 5`."""
        chosen = self.options.chosen(self.side)
        return ", ".join([self.method, *(_in_words(name.replace("_", " "), value) for name, value in chosen.items())])

    @property
    def encoding(self) -> Encoding:
        """How samples are encoded; for resolved settings."""
        return Encoding(self.format or "png", self.quality, self.subsampling)

    @property
    def planes(self) -> dict[str, int]:
        """Name and variant number of each plane, in order; the clean plane is variant -1."""
        names = {CLEAN_PLANE: CLEAN} if self.clean else {}
        return names | {plane_name(variant): variant for variant in range(self.variants)}

    @property
    def stored_planes(self) -> dict[str, int]:
        """Those of the planes whose images are in tars."""
        virtual = self.virtual_planes
        return {plane: variant for plane, variant in self.planes.items() if plane not in virtual}

    @property
    def virtual_planes(self) -> tuple[str, ...]:
        """Those of the planes that have rows of the index alone, and are rendered when they are read."""
        return tuple(map(plane_name, range(self.variants))) if self.store == "recipes" else ()

    @property
    def planes_in_words(self) -> str:
        """The planes for people: `clean v00 v01`, or `clean; virtual: v00 v01`."""
        virtual = self.virtual_planes
        return " ".join(self.stored_planes) + (f"; virtual: {' '.join(virtual)}" if virtual else "")


def _in_words(name: str, value: Any) -> str:
    """A chosen option for people: `magnitude 5`, `all ops`, `no picture flips`."""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {shorten(shown(value), LONGEST)}"


def has_same_planes(one: BuildSettings, other: BuildSettings) -> bool:
    """Whether two settings ask for the same planes, stored or virtual alike."""
    return (one.stored_planes, one.virtual_planes) == (other.stored_planes, other.virtual_planes)


def plane_options(settings: BuildSettings) -> str:
    """The options of `build` that ask for the planes of `settings`: `--variants 2 --no-clean`."""
    store = " --store recipes" if settings.virtual_planes else ""
    return f"--variants {settings.variants}{'' if settings.clean else ' --no-clean'}{store}"


def parse_size(text: str) -> tuple[int, bool]:
    """Parse a shard size, `256MB` or `1GiB` (bytes: True), or `10000` (samples: False)."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d+)?)\s*([KMG]I?B|)", str(text).strip().upper())
    if match is None or float(match[1]) <= 0 or (not match[2] and "." in match[1]):
        raise LayerMixError(
            f"shard size must be bytes like 256MB or a number of samples like 10000, got {text!r}; change --shard-size"
        )
    return int(float(match[1]) * UNITS[match[2]]), bool(match[2])


DEFAULTS = BuildSettings()
