"""Sequences on disk in the two published layouts; each perturbation is there completely or not at all.

    arrays     NAME.npy, uint8 (N, F, H, W, 3), in the order of the source
    folders    NAME/CLASS/FILE.mp4, 224 px: the centre of the image resized to 256

CIFAR-10-P is arrays, ImageNet-P is folders of videos. Its videos are H.264; OpenCV's wheels cannot encode that, and
what else they encode with losses smooths the noise away. So ours are FFV1, which loses nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from layermix_gen.evaluate.benchmarks import Scale
from layermix_gen.evaluate.corruptions.layouts import (
    ArrayLayout,
    FolderLayout,
    Layout,
    LayoutName,
    MadeImages,
    check_labels,
    class_folders,
    file_names,
)
from layermix_gen.evaluate.corruptions.perturbations.published_sequences import sequence_parameters
from layermix_gen.evaluate.preprocessing import resize_short_side
from layermix_gen.evaluate.video_files import EXTENSION, write_video
from layermix_gen.images import Image
from layermix_gen.sources import Item, Source


@dataclass(frozen=True, slots=True)
class FrameArrayLayout(ArrayLayout):
    """One array for each perturbation, with the frames of an image after each other."""

    scale: Scale

    def write(self, name: str, numbers: range, images: list[MadeImages]) -> None:
        array = np.lib.format.open_memmap(self._draft(name), "r+")
        array[numbers.start : numbers.stop] = images

    def _whole(self, name: str) -> tuple[int, ...]:
        return self.count, int(sequence_parameters(name, self.scale)[0]), *self.shape


@dataclass(frozen=True, slots=True)
class VideoLayout(FolderLayout):
    """One video for each image, in a folder for each perturbation and class."""

    def view(self, image: Image) -> Image:
        return resize_short_side(image)

    def write(self, name: str, numbers: range, images: list[MadeImages]) -> None:
        for number, frames in zip(numbers, images, strict=True):
            write_video(self._draft(name) / self.files[number], np.asarray(frames))

    def _folders(self) -> Iterator[str]:
        return iter(self.classes)


def make_sequence_layout(
    kind: LayoutName, root: Path, source: Source, items: list[Item], scale: Scale, shape: tuple[int, ...]
) -> Layout:
    """The layout `kind` for a source's images. Raises `LayerMixError` where an image needs a class and has none."""
    if kind == "arrays":
        return FrameArrayLayout(root, len(items), (), shape, scale)
    check_labels(items)
    classes = class_folders(source.classes, max(item.label for item in items))
    return VideoLayout(root, (), classes, file_names(items, classes, EXTENSION))
