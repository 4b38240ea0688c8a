"""Videos in files: read whole by OpenCV, and written without losses."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.support.text import as_text

Frames: TypeAlias = npt.NDArray[np.uint8]  # (F, H, W, 3)

MAX_FRAMES, MAX_SIDE = 1000, 4096  # limits of a video; the benchmark's videos have about 30 frames of 224 px
MAX_BYTES = 1 << 28  # of all its frames, which are held twice: the benchmark's have 5 MB
EXTENSION = ".mp4"
CODEC = "FFV1"
PER_SECOND = 1  # frames, as published


def read_video(path: Path) -> Frames:
    """All frames of a video, uint8 (F, H, W, 3), RGB. Raises `BadImage` with the reason."""
    _silence()
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


def write_video(path: Path, frames: Frames) -> None:
    """Write frames as a video, without losses. Raises `LayerMixError` where they do not read back."""
    _silence()
    height, width = frames.shape[1:3]
    code = cv2.VideoWriter.fourcc(*CODEC)
    writer = cv2.VideoWriter(str(path.absolute()), cv2.CAP_FFMPEG, code, PER_SECOND, (width, height), isColor=True)
    try:
        if not writer.isOpened():
            raise LayerMixError(
                f"cannot write {as_text(path)}: OpenCV {cv2.__version__} opens no {CODEC} video there; make room, "
                "or give --layout arrays"
            )
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()
    if not _reads_back(path, frames):  # OpenCV does not notice when a full disk truncates its file
        raise LayerMixError(
            f"cannot write {as_text(path)}: it does not read back as it was written; make room, then run the same "
            "command to resume"
        )


def _reads_back(path: Path, frames: Frames) -> bool:
    try:
        return np.array_equal(read_video(path), frames)
    except BadImage:
        return False


def _silence() -> None:
    """Keep OpenCV and FFmpeg from writing lines of their own: ours says enough about a damaged video."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
