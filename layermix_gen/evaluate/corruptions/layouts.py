"""Corrupted images on disk in the two published layouts; each corruption is there completely or not at all.

    arrays     NAME.npy, uint8 (S N, H, W, 3): severity by severity, each in the order of the source; labels.npy (S N,)
    folders    NAME/SEVERITY/CLASS/FILE.JPEG, 224 px: the centre of the image resized to 256, quality 85

CIFAR-C and CIFAR-10-C-bar are arrays, ImageNet-C and ImageNet-C-bar are folders. Many processes write the images of one
corruption at once, in any order, to its draft (`.NAME.npy.part`, `.NAME.part`), which is renamed when it is complete.
"""

import io
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.evaluate.benchmarks import LABELS, RESIZE_AND_CENTER
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS
from layermix_gen.evaluate.video_files import Frames
from layermix_gen.images import Image
from layermix_gen.sources import Item, Source
from layermix_gen.support.files import remove_folder, replacing, sync

MadeImages: TypeAlias = Sequence[Image] | Frames  # of one image: at all severities, or its frames
LayoutName: TypeAlias = Literal["arrays", "folders"]
LAYOUTS: tuple[LayoutName, ...] = ("arrays", "folders")
PREPROCESSING, QUALITY = RESIZE_AND_CENTER, 85  # of folders, as published


class Layout(Protocol):
    """A way to store corruptions in a folder."""

    def path(self, name: str) -> Path:
        """The path of the corruption once it is complete."""

    def view(self, image: Image) -> Image:
        """The part of a source image, uint8 (H, W, 3), that is corrupted. Raises `BadImage` where it does not fit."""

    def begin(self, name: str) -> None:
        """Create an empty draft, in place of any that an earlier call left."""

    def write(self, name: str, numbers: range, images: list[MadeImages]) -> None:
        """Write images `numbers` of the source to the draft, each at all severities, or all its frames."""

    def finish(self, name: str) -> None:
        """Rename the draft, which is complete now, to the corruption's path."""


@dataclass(frozen=True, slots=True)
class ArrayLayout(Layout):
    """One array for each corruption."""

    root: Path
    count: int  # images of the source
    severities: tuple[int, ...]
    shape: tuple[int, ...]  # (H, W, 3)

    def path(self, name: str) -> Path:
        return self.root / f"{name}.npy"

    def view(self, image: Image) -> Image:
        if image.shape != self.shape:
            height, width = image.shape[:2]
            raise BadImage(f"{width}x{height} px, where the first image has {self.shape[1]}x{self.shape[0]}")
        return image

    def begin(self, name: str) -> None:
        whole = self._whole(name)
        header = {"descr": "|u1", "fortran_order": False, "shape": whole}
        self._draft(name).unlink(missing_ok=True)  # or a link there would be written through
        with self._draft(name).open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            size = file.tell() + math.prod(whole)
            file.flush()
            if hasattr(os, "posix_fallocate"):  # so that a full disk is noticed now
                os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)

    def write(self, name: str, numbers: range, images: list[MadeImages]) -> None:
        array = np.lib.format.open_memmap(self._draft(name), "r+")
        blocks = array.reshape(len(self.severities), self.count, *self.shape)
        blocks[:, numbers.start : numbers.stop] = np.swapaxes(np.array(images), 0, 1)

    def finish(self, name: str) -> None:
        sync(self._draft(name))
        self._draft(name).rename(self.path(name))
        sync(self.root)

    def _whole(self, name: str) -> tuple[int, ...]:
        """The shape of the array."""
        return len(self.severities) * self.count, *self.shape

    def _draft(self, name: str) -> Path:
        return self.root / f".{name}.npy.part"


@dataclass(frozen=True, slots=True)
class FolderLayout(Layout):
    """One file for each image, in a folder for each corruption, severity and class."""

    root: Path
    severities: tuple[int, ...]
    classes: tuple[str, ...]
    files: tuple[str, ...]  # CLASS/FILE.JPEG of each image of the source

    def path(self, name: str) -> Path:
        return self.root / name

    def view(self, image: Image) -> Image:
        return PREPROCESSINGS[PREPROCESSING](image)

    def begin(self, name: str) -> None:
        if self._draft(name).is_symlink():
            self._draft(name).unlink()
        remove_folder(self._draft(name))
        for folder in self._folders():
            (self._draft(name) / folder).mkdir(parents=True)

    def write(self, name: str, numbers: range, images: list[MadeImages]) -> None:
        for number, views in zip(numbers, images, strict=True):
            for severity, view in zip(self.severities, views, strict=True):
                encoded = io.BytesIO()  # Pillow does not notice when a full disk truncates its file
                PillowImage.fromarray(view).save(encoded, "JPEG", quality=QUALITY, optimize=True)
                (self._draft(name) / str(severity) / self.files[number]).write_bytes(encoded.getbuffer())

    def finish(self, name: str) -> None:
        if hasattr(os, "sync"):  # once for all: the files of a corruption are many and small; Windows has none
            os.sync()
        self._draft(name).rename(self.path(name))
        sync(self.root)

    def _folders(self) -> Iterator[str]:
        """The folders in that of a corruption."""
        return (f"{severity}/{class_name}" for severity in self.severities for class_name in self.classes)

    def _draft(self, name: str) -> Path:
        return self.root / f".{name}.part"


def make_layout(
    kind: LayoutName, root: Path, source: Source, items: list[Item], severities: tuple[int, ...], shape: tuple[int, ...]
) -> Layout:
    """The layout `kind` for a source's images. Raises `LayerMixError` where an image has no class."""
    check_labels(items)
    if kind == "arrays":
        return ArrayLayout(root, len(items), severities, shape)
    classes = class_folders(source.classes, max(item.label for item in items))
    return FolderLayout(root, severities, classes, file_names(items, classes))


def check_labels(items: list[Item]) -> None:
    """Raise `LayerMixError` where an image has no class."""
    unlabelled = next((item.id for item in items if item.label < 0), None)
    if unlabelled is not None:
        raise LayerMixError(
            f"expected a class for every image, found none for {unlabelled}; put the images into class folders"
        )


def class_folders(classes: tuple[str, ...], last: int) -> tuple[str, ...]:
    """The folder name of each class; the sorted names are in the order of the labels.

    These are the classes' own names if they sort so already; if not, the label is put in front.
    """
    width = len(str(max(last, len(classes) - 1)))
    if not classes:
        return tuple(f"{label:0{width}d}" for label in range(last + 1))
    names = [re.sub(r"[/\\\0]", "_", name) for name in classes]
    is_usable = all(name and not name.startswith(".") for name in names) and len(set(names)) == len(names)
    if is_usable and names == sorted(names):
        return tuple(names)
    return tuple(f"{label:0{width}d}-{name}" for label, name in enumerate(names))


def file_names(items: list[Item], classes: tuple[str, ...], end: str = ".JPEG") -> tuple[str, ...]:
    """CLASS/FILE.JPEG for each image: the last part of its id, and its number where two in a class share that part."""
    names = [f"{classes[item.label]}/{_stem(item.id)}" for item in items]
    often = Counter(names)
    return tuple(f"{name}-{number}{end}" if often[name] > 1 else f"{name}{end}" for number, name in enumerate(names))


def _stem(source_id: str) -> str:
    """The file name in an id without its extension, leading dots, and characters that no file name may have."""
    name = source_id.rpartition("/")[2]
    return re.sub(r"[\\\0]", "_", name.rpartition(".")[0] or name).lstrip(".") or "image"


def write_labels(root: Path, items: list[Item], severities: tuple[int, ...]) -> None:
    """Write the labels.npy of arrays: the labels once for each severity, uint8 where they fit."""
    labels = np.array([item.label for item in items])
    with replacing(root / LABELS) as draft, draft.open("wb") as file:
        np.save(file, np.tile(labels.astype(np.uint8 if labels.max() < 256 else np.int64), len(severities)))
