"""What fresh variants are mixed by: a method with its options, and a mixing set, by default the dataset's own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.dataset.virtual.found_mixing_set import found_mixing_set
from layermix_gen.errors import LayerMixError
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.mixing.methods import METHODS, UNMIXED, DrawSettings, Method, MethodOptions
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.support.checks import check_choice
from layermix_gen.support.parsing import jsonable


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """A method, the settings for drawing its recipes, and its mixing set, None where it needs none."""

    method: Method
    drawing: DrawSettings
    mixing_set: MixingSet | None

    def identity(self) -> list[str]:
        """What decides which variants are drawn, in texts: the method, its options, the digest of the mixing set."""
        options = jsonable(self.drawing.options.chosen(self.drawing.size))
        return [
            self.method.name,
            json.dumps(options, sort_keys=True),
            self.mixing_set.digest if self.mixing_set else "",
        ]


def method_of(mix: Any, own: BuildSettings) -> tuple[Method, MethodOptions]:
    """The method with this name, or of these options; with None that of the dataset itself, with its options.

    Raises `LayerMixError` for anything else, and where the dataset itself has the method none.
    """
    if mix is None:
        if own.method == UNMIXED:
            raise LayerMixError("expected mix= for fresh views of a dataset of the method none; give mix='layermix'")
        return METHODS[own.method], METHODS[own.method].options_of(own.options.chosen(own.side))  # open choices stay so
    if isinstance(mix, str):
        check_choice("mix", mix, METHODS, change="mix=")
        return METHODS[mix], METHODS[mix].options()
    for method in METHODS.values():
        if isinstance(mix, method.options):
            return method, mix
    raise LayerMixError(
        f"expected the name of a method or its options as mix, got {mix!r:.80}; give 'layermix' or LayerMixOptions(...)"
    )


def settle_mix(
    method: Method, options: MethodOptions, mixing_set: Any, files: DatasetFiles, manifest: Manifest, size: int
) -> Mix:
    """Find or make the mixing set that a method needs for images of `size` px.

    Raises `LayerMixError` where there is none or does not fit.
    """
    say_if_not_compiled()
    options, found = options.resolve(size), None
    if method.mixes_pictures:
        found = _given(mixing_set, options, size) if mixing_set is not None else _own(files, manifest, size)
        _check_fits(found, options, size)
    elif mixing_set is not None:
        raise LayerMixError(f"expected no mixing set with the method {method.name}; leave out mixing_set=")
    pictures = (len(found), found.size) if found else (0, 0)
    return Mix(method, DrawSettings(size, *pictures, options), found)


def unmixed(size: int) -> Mix:
    """What mixes nothing into images of `size` px."""
    return Mix(METHODS[UNMIXED], DrawSettings(size, 0, 0, METHODS[UNMIXED].options()), None)


def _given(mixing_set: Any, options: MethodOptions, size: int) -> MixingSet:
    if isinstance(mixing_set, MixingSet):
        return mixing_set
    if not isinstance(mixing_set, str | Path):
        raise LayerMixError(f"expected a mixing set or its path, got {mixing_set!r:.80}; change mixing_set=")
    return resolve_mixing_set(mixing_set, size, color=options.color)


def _check_fits(mixing_set: MixingSet, options: MethodOptions, size: int) -> None:
    """Raise `LayerMixError` if the pictures are smaller than the images, or not in the colours that were asked for."""
    if mixing_set.size < size:
        raise LayerMixError(
            f"expected a mixing set of at least {size} px, got {mixing_set.size} px; give one with larger pictures"
        )
    asked, found = options.chosen(size).get("pictures"), "color" if mixing_set.color else "gray"
    if asked not in (None, found):
        raise LayerMixError(
            f"expected pictures in {asked}, but those of the mixing set are in {found}; give mixing_set= a folder of "
            "pictures to pack, or leave out pictures="
        )


def _own(files: DatasetFiles, manifest: Manifest, size: int) -> MixingSet:
    """The set that the dataset was built with, or else the fractals that its build would have rendered."""
    seed, facts = manifest.settings.seed, manifest.mixing_set
    if facts is None:
        return resolve_mixing_set(None, size, seed)
    return found_mixing_set(files, manifest.settings, facts, "restore it, or give mixing_set=")
