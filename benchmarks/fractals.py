"""How fast each kind of fractal is rendered, and how its pictures compare with photographs.

    python benchmarks/fractals.py [--count 100] [--sheets FOLDER]

Prints the table of docs/fractals.md: pictures per second of one process at 256 px, the share that was refused on the
way, and the means of the measures of `mixing_sets.fractals.measures` (of photographs also their range). The
photographs are those in scikit-image's wheel (the extra `demo`), each its centre square reduced to 256 px. Takes about
a minute.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from layermix_gen.images import Pictures
from layermix_gen.mixing_sets.fractals import KINDS, diversity, make_fractal, measure, write_sheet
from layermix_gen.mixing_sets.fractals.measures import NAMES

SIZE = 256
TEXTURES = ("brick", "grass", "gravel", "hubble_deep_field", "moon")
SCENES = ("astronaut", "camera", "cat", "coffee", "coins", "rocket", "stereo_motorcycle")
HEADINGS = ("", "pictures/s", "refused", *NAMES, "diversity")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="pictures of each kind")
    parser.add_argument("--sheets", type=Path, help="write a contact sheet of each kind to this folder")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print("| " + " | ".join(HEADINGS) + " |\n" + "|---" * len(HEADINGS) + "|")
    photographs = list(_photographs())
    print(_row("photographs", "", "", photographs))
    print(_row("their range", "", "", photographs, ranges=True))
    for kind in KINDS:
        start = time.perf_counter()
        fractals = [make_fractal(0, index, SIZE, (kind,)) for index in range(arguments.count)]
        speed = arguments.count / (time.perf_counter() - start)
        attempts = sum(fractal.record["attempt"] + 1 for fractal in fractals)
        pictures = [fractal.pixels for fractal in fractals]
        print(_row(kind, f"{speed:.1f}", f"{1 - arguments.count / attempts:.0%}", pictures), flush=True)
        if arguments.sheets:
            write_sheet(np.stack(pictures), arguments.sheets / f"fractals-{kind}.jpg", count=100, side=80)


def _row(name: str, speed: str, refused: str, pictures: Sequence[Pictures], ranges: bool = False) -> str:
    """A row of the table: the means of the pictures' measures, or their least and greatest values."""
    cells = []
    for measured in NAMES:
        values = [getattr(measure(picture), measured) for picture in pictures]
        low, high, mean = (_short(value) for value in (min(values), max(values), float(np.mean(values))))
        cells.append(f"{low} to {high}" if ranges else mean)
    cells.append("" if ranges else f"{diversity(pictures):.2f}")
    return "| " + " | ".join((name, speed, refused, *cells)) + " |"


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"


def _photographs() -> Iterator[Pictures]:
    for name in TEXTURES + SCENES:
        photograph = getattr(data, name)()
        pixels = photograph[0] if isinstance(photograph, tuple) else photograph
        gray = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        side = min(gray.shape)
        top, left = (gray.shape[0] - side) // 2, (gray.shape[1] - side) // 2
        square = gray[top : top + side, left : left + side]
        yield np.asarray(cv2.resize(square, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
