"""Measure the memory that decoding takes: `python -m tests.images.peaks FILE ...` prints JSON, a pair for each file.

The pair is the peak in bytes beyond what the process held before, and what `decode` expected from the header.
"""

import json
import sys
from pathlib import Path
from unittest import mock

from layermix_gen.images import codec


def status(name: str) -> int:
    """A figure of the process in bytes, such as `VmRSS`."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def measured(path: str) -> tuple[int, int]:
    """The peak of decoding a file, and the most that was expected."""
    data = Path(path).read_bytes()
    expected = []

    def check(width: int, height: int, per_pixel: int, max_pixels: int) -> None:
        expected.append(width * height * per_pixel)

    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins anew
    before = status("VmRSS")
    with mock.patch.object(codec, "_check_memory", check):
        codec.decode(data)
    return status("VmHWM") - before, max(expected)


if __name__ == "__main__":
    measured(sys.argv[1])  # which loads Pillow's decoders
    print(json.dumps([measured(path) for path in sys.argv[1:]]))
