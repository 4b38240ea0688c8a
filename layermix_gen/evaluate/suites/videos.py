"""ImageNet-P: PERTURBATION/WNID/*.mp4, decoded by OpenCV. The videos differ in length."""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.evaluate.suites.base import Part
from layermix_gen.evaluate.suites.batching import Images, decoded_ahead
from layermix_gen.evaluate.suites.folders import check_classes, class_folders
from layermix_gen.images import Image
from layermix_gen.sources.folder import scan
from layermix_gen.support.files import cannot_read
from layermix_gen.support.text import as_text

MAX_FRAMES, MAX_SIDE = 1000, 4096  # limits of a video; the benchmark's videos have about 30 frames of 224 px
MAX_BYTES = 1 << 28  # of all its frames, which are held twice: the benchmark's have 5 MB
EXTENSION = ".mp4"
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
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # our own line says enough about a damaged video
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
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


def read_video(path: Path) -> Images:
    """All frames of a video, uint8 (F, H, W, 3), RGB. Raises `BadImage` with the reason."""
    if path.is_symlink():
        raise BadImage("a link, which is not followed")
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise BadImage("not a video, or truncated")
        width, height = (int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if max(width, height) > MAX_SIDE:
            raise BadImage(f"too large: {width}x{height} pixels exceed the bound of {MAX_SIDE} a side")
        most = MAX_BYTES // max(3 * width * height, 1)
        frames = list(islice(_frames(capture), min(MAX_FRAMES, most) + 1))
        claimed = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        capture.release()
    if len(frames) > MAX_FRAMES:
        raise BadImage(f"too long: more than {MAX_FRAMES} frames")
    if len(frames) > most:
        raise BadImage(f"too large: more than {most} frames of {width}x{height} pixels, {MAX_BYTES} bytes")
    if len(frames) < 2 or len(frames) < claimed:
        raise BadImage(f"expected {max(claimed, 2)} frames, found {len(frames)}")
    return np.stack(frames)


def _frames(capture: cv2.VideoCapture) -> Iterator[Image]:
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def _prepared(path: Path, prepare: Callable[[Image], Image]) -> Images:
    try:
        return np.stack([prepare(frame) for frame in read_video(path)])
    except BadImage as fault:
        raise cannot_read(path, str(fault), "get the suite again") from fault
