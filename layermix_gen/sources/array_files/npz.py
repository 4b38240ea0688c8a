"""Arrays of images and labels in an `.npz` file, or in an `.npy` file with one of labels next to it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources.array_files.base import ArraySource, LabelledImages, check_counts, checked_range, chosen_split
from layermix_gen.sources.array_files.npy_format import NpyHeader, header_of, is_npy, load_array, names_in
from layermix_gen.sources.base import Source, class_names
from layermix_gen.sources.folder import scan
from layermix_gen.sources.labels import labels_of
from layermix_gen.support.text import as_text

SPLITS = ("train", "test", "val")
_PAIRS = {  # images -> labels, in lower case
    "images": "labels",
    "image": "label",
    "x": "y",
    "data": "labels",
    "arr_0": "arr_1",
}
_SHAPES = "(N, H, W), (N, H, W, 3) or (N, 3, H, W)"
_WORD = r"(?<![a-z]){0}|{0}(?![a-z])"  # in a file's name: `x` in `x_train` and `trainX`, and not in `exact`
_SAMPLE = 64  # images, at least, whose values tell the range
_SAVE = "save them by np.savez(FILE, images=..., labels=...)"


class NpzSource(ArraySource):
    """One split of the arrays in a file.

    Raises `LayerMixError` where there is none, where it is damaged or of another form, and where it holds pickles.
    """

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        path = Path(location)
        kind, part = chosen_split("npz", SPLITS, split)
        if not path.is_file():
            raise LayerMixError(f"expected an .npz or .npy file, found none at {as_text(path)}; check the path")
        images, labels = _pair(path, part)
        header = header_of(*images)
        is_first = _layout_of(header, path) == "CHW"
        height, width = header.shape[2:4] if is_first else header.shape[1:3]
        super().__init__(location, kind, part, (height, width), max_pixels, lambda: _load(images, labels, is_first))


def files(source: Source) -> list[Path]:
    """The file, and that of the labels."""
    path = Path(source.location)
    return sorted([path, *_labels_beside(path)] if path.is_file() and is_npy(path) else [path])


def _pair(path: Path, split: str) -> tuple[tuple[Path, str], tuple[Path, str]]:
    """Where the images of a split are, and their labels: a file, and a name in it that is "" for an `.npy`."""
    if is_npy(path):
        beside = _labels_beside(path)
        if not beside:
            wanted = as_text(" or ".join(_names_of_labels(path)))
            raise LayerMixError(f"expected {wanted} next to {as_text(path)}, found none; save the labels there")
        if len(beside) > 1:
            both = " and ".join(as_text(one.name) for one in beside[:2])
            raise LayerMixError(
                f"expected one file of labels for {as_text(path)}, found {both}, which may both be meant; take one out"
            )
        return (path, ""), (beside[0], "")
    names: dict[str, list[str]] = {}
    for name in names_in(path):
        names.setdefault(name.lower(), []).append(name)
    pairs = {one: [pair for pair in _names_of(one) if set(pair) <= names.keys()] for one in ("", *SPLITS)}
    found = pairs[split] or pairs[""]
    for place, what in enumerate(("images", "labels")):
        meant = [name for one in sorted({pair[place] for pair in found}) for name in names[one]]
        if len(meant) > 1:
            both = " and ".join(map(as_text, meant[:2]))
            raise LayerMixError(
                f"expected one array of {what} in {as_text(path)}, found {both}, which may both be meant; {_SAVE}"
            )
    if found:
        ((images, labels),) = found
        return (path, names[images][0]), (path, names[labels][0])
    splits = [one for one in SPLITS if pairs[one]]
    if splits:
        raise LayerMixError(
            f"expected the split {split} in {as_text(path)}, found {', '.join(splits)}; give --kind npz:{splits[0]}"
        )
    listed = as_text(", ".join(sorted(names_in(path)))[:200]) or "nothing"
    raise LayerMixError(
        f"expected images and labels in {as_text(path)}, under these names or x and y, x_train and y_train, "
        f"train_images and train_labels, found {listed}; {_SAVE}"
    )


def _names_of(split: str) -> list[tuple[str, str]]:
    """The names that the images and labels of a split may have; "" for a file with one split."""
    forms = (f"{{}}_{split}", f"{split}_{{}}") if split else ("{}",)
    return [(form.format(images), form.format(labels)) for form in forms for images, labels in _PAIRS.items()]


def _labels_beside(path: Path) -> list[Path]:
    """The files that may hold the labels of an `.npy` file; capitals are the same."""
    wanted = _names_of_labels(path)
    return sorted(Path(entry.path) for entry in scan(path.parent) if entry.name.lower() in wanted)


def _names_of_labels(path: Path) -> list[str]:
    """Names of files of labels, in lower case: like that of the images, as for CIFAR-10.1, or as for CIFAR-10-C."""
    name = path.name.lower()
    words = [(re.finditer(_WORD.format(images), name), labels) for images, labels in _PAIRS.items()]
    alike = {name[: one.start()] + labels + name[one.end() :] for found, labels in words for one in found}
    return [*sorted(alike - {"labels.npy"}), "labels.npy"]


def _layout_of(header: NpyHeader, path: Path) -> str:
    """The axes of an image: "HW", "HWC" or "CHW". Raises `LayerMixError` where the array is of no images."""
    shape, dtype = header.shape, header.dtype
    if dtype != np.uint8 and dtype.kind != "f":
        raise LayerMixError(
            f"expected images as uint8, or as floats in [0, 1], in {as_text(path)}, found {dtype.name} {shape}; {_SAVE}"
        )
    fitting = _fitting_layouts(shape)
    if len(fitting) != 1:
        why = ", which may be two of them" if fitting else ", which may be one image" if len(shape) == 3 else ""
        raise LayerMixError(f"expected images {_SHAPES} in {as_text(path)}, found {shape}{why}; {_SAVE}")
    return fitting[0]


def _fitting_layouts(shape: tuple[int, ...]) -> list[str]:
    if 0 in shape or len(shape) not in (3, 4):
        return []
    if len(shape) == 3:
        return ["HW"] if shape[2] != 3 else []
    return [layout for layout, channels in (("HWC", shape[3]), ("CHW", shape[1])) if channels in (1, 3)]


def _load(images: tuple[Path, str], labels: tuple[Path, str], is_first: bool) -> LabelledImages:
    pixels, (given, classes) = load_array(*images), _labels(*labels)
    check_counts(len(given), len(pixels), labels[0], "save both again")
    # Black images are in any range, and a few damaged ones are left to `image`.
    sample = [one for one in pixels[:: max(1, len(pixels) // _SAMPLE)] if one.any()]
    if sample and not any(map(_is_unit, sample)):
        raise LayerMixError(f"expected floats in [0, 1] in {as_text(images[0])}, found others; divide them by 255")

    def image(number: int) -> Image:
        stored = pixels[number]
        if not _is_unit(stored):
            raise BadImage("values outside of [0, 1]")
        whole = stored if stored.dtype == np.uint8 else np.rint(stored.astype(np.float64) * 255).astype(np.uint8)
        upright = np.moveaxis(whole, 0, -1) if is_first else whole
        planes = upright[:, :, None] if upright.ndim == 2 else upright
        return np.repeat(planes, 3, axis=2) if planes.shape[2] == 1 else np.array(planes, order="C")

    return LabelledImages(image, given, classes, pixels[0].nbytes)


def _is_unit(stored: npt.NDArray[Any]) -> bool:
    """Whether the values of an image are bytes, or floats in [0, 1]."""
    return stored.dtype == np.uint8 or bool(stored.min() >= 0 and stored.max() <= 1)  # NaN is neither


def _labels(path: Path, name: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """The labels (N,), stored as (N,) or (N, 1), and the names of the classes."""
    stored = load_array(path, name)
    labels = stored[:, 0] if stored.ndim == 2 and stored.shape[1] == 1 else stored
    if labels.ndim != 1:
        raise LayerMixError(f"expected labels (N,) in {as_text(path)}, found {stored.shape}; {_SAVE}")
    if labels.dtype.kind in "US":
        array, file = as_text(name or "labels"), as_text(path)
        numbers, names = labels_of(_texts(labels, path), lambda place: f"{array}[{place}] of {file}", gaps=True)
        return np.array(numbers, np.int64), names or class_names(numbers)
    expected = f"expected whole numbers or names as labels in {as_text(path)}"
    if labels.dtype.kind not in "iuf":
        raise LayerMixError(f"{expected}, found {labels.dtype.name}; {_SAVE}")
    fractions = labels[labels != np.trunc(labels)]  # NaN is one, too
    if fractions.size:
        raise LayerMixError(f"{expected}, found {fractions[0]}; {_SAVE}")
    checked = checked_range(labels, path)
    return checked, class_names(checked.tolist())


def _texts(labels: npt.NDArray[Any], path: Path) -> list[str]:
    """Labels (N,) of text, or of bytes in UTF-8, as texts."""
    try:
        return [text.decode() if isinstance(text, bytes) else text for text in labels.tolist()]
    except UnicodeDecodeError as fault:
        raise LayerMixError(f"expected labels in UTF-8 in {as_text(path)}, found {fault.object!r}; {_SAVE}") from fault
