"""ImageNet-P: PERTURBATION/WNID/*.mp4, decoded by OpenCV. The videos differ in length."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.evaluate.suites.base import Part
from layermix_gen.evaluate.suites.batching import Images, decoded_ahead
from layermix_gen.evaluate.suites.folders import check_classes, class_folders
from layermix_gen.evaluate.video_files import EXTENSION, read_video
from layermix_gen.images import Image
from layermix_gen.sources.folder import scan
from layermix_gen.support.files import cannot_read
from layermix_gen.support.text import as_text

AHEAD = 2  # videos decoded ahead per thread, 5 MB each


def look(folder: Path, order: tuple[str, ...]) -> list[Path]:
    """The class folders of one perturbation. Raises `LayerMixError` unless they are the classes `order`."""
    found = class_folders(folder)
    check_classes(str(folder), tuple(as_text(path.name) for path in found), order)
    return found


def open_videos(folder: Path, order: tuple[str, ...], prepare: Callable[[Image], Image], threads: int) -> Part:
    """The videos of one perturbation, class folder after class folder, by name.

    Raises `LayerMixError` unless the class folders are the classes `order`, each with videos.
    """
    paths = []
    for class_folder in look(folder, order):
        found = sorted(entry.name for entry in scan(class_folder) if entry.name.endswith(EXTENSION))
        if not found:
            raise _no_videos(class_folder)
        paths += [class_folder / name for name in found]
    if not paths:
        raise _no_videos(folder)

    def pieces(_: int) -> Iterator[Images]:
        return decoded_ahead(lambda path: _prepared(path, prepare), paths, threads, AHEAD)

    return Part(pieces, None, len(paths), len(order))


def _no_videos(folder: Path) -> LayerMixError:
    return LayerMixError(f"expected videos WNID/*{EXTENSION} in {as_text(folder)}, found none; get the suite again")


def _prepared(path: Path, prepare: Callable[[Image], Image]) -> Images:
    try:
        return np.stack([prepare(frame) for frame in read_video(path)])
    except BadImage as fault:
        raise cannot_read(path, str(fault), "get the suite again") from fault
