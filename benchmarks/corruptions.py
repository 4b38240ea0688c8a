"""How fast each corruption is on one core, and what it looks like.

    python benchmarks/corruptions.py [--seconds 0.5] [--sheets FOLDER]

Prints the last column of the tables in docs/corruptions.md: images per second of CPU time at severity 3, at CIFAR's
scale on 32 px and at ImageNet's on 224 px. `--sheets` draws the page's pictures instead. The photographs are those in
scikit-image's wheel (the extra `demo`).
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from skimage import data

from layermix_gen.evaluate.benchmarks import SEVERITIES, Scale
from layermix_gen.evaluate.corruptions import CORRUPTIONS, corrupted, names_of
from layermix_gen.evaluate.corruptions.effects.frost import LOOKS, picture_of_frost
from layermix_gen.images import Image
from layermix_gen.support.seeds import corruption_generator

PHOTOGRAPHS = ("astronaut", "cat", "coffee", "rocket")
SIDES: dict[Scale, int] = {"cifar": 32, "imagenet": 224}
GROWING = ("glass_blur", "snow", "frost", "elastic_transform", "spatter", "caustic_refraction", "plasma_noise")
MARGIN, CAPTION = 4, 16


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each measurement")
    parser.add_argument("--sheets", type=Path, help="draw contact sheets to this folder, measure nothing")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.sheets:
        draw(arguments.sheets)
        return
    for number in range(len(LOOKS)):
        picture_of_frost(number)
    print("| corruption | images/s, 32 px | images/s, 224 px |\n|---|---|---|")
    for name, row in CORRUPTIONS.items():
        speeds = [f"{speed(name, s, arguments.seconds):,.0f}" if getattr(row, s) else "" for s in SIDES]
        print(f"| `{name}` | {' | '.join(speeds)} |", flush=True)


def speed(name: str, scale: Scale, seconds: float) -> float:
    """Images per second of CPU time at severity 3."""
    views = [photograph(photo, SIDES[scale]) for photo in PHOTOGRAPHS]
    corrupted(views[0], name, 3, scale, corruption_generator(0, "", name, 3))  # which makes its tables
    count, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        corrupted(views[count % len(views)], name, 3, scale, corruption_generator(0, str(count), name, 3))
        count += 1
    return count / spent


def photograph(name: str, side: int) -> Image:
    """The centre square of one of scikit-image's photographs."""
    pixels = getattr(data, name)()
    height, width = pixels.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = pixels[top : top + short, left : left + short]
    return np.ascontiguousarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA))


def draw(folder: Path) -> None:
    """Write a sheet of each suite and scale at severity 3, and one of a few corruptions at all severities."""
    for scale, side in SIDES.items():
        view = photograph("cat", side)
        for suite in ("c", "cbar"):
            cells = [(name, 3) for name in names_of(suite, scale)]
            sheet(view, scale, cells, columns=5).save(folder / f"corruptions-{scale}-{suite}.jpg", quality=82)
    cells = [(name, severity) for name in GROWING for severity in SEVERITIES]
    sheet(photograph("cat", 224), "imagenet", cells, columns=5).save(folder / "corruptions-severities.jpg", quality=82)


def sheet(view: Image, scale: Scale, cells: list[tuple[str, int]], columns: int, side: int = 164) -> PillowImage.Image:
    """The corruptions and severities of `cells`, captioned, each picture at `side` px."""
    rows = -(-len(cells) // columns)
    size = (columns * (side + MARGIN) - MARGIN, rows * (side + CAPTION + MARGIN) - MARGIN)
    canvas = PillowImage.new("RGB", size, "white")
    drawing = ImageDraw.Draw(canvas)
    resample = PillowImage.Resampling.NEAREST if len(view) < side else PillowImage.Resampling.LANCZOS
    for number, (name, severity) in enumerate(cells):
        row, column = divmod(number, columns)
        left, top = column * (side + MARGIN), row * (side + CAPTION + MARGIN)
        made = corrupted(view, name, severity, scale, corruption_generator(2, "cat", name, severity))
        canvas.paste(PillowImage.fromarray(made).resize((side, side), resample), (left, top))
        text = f"{name} {severity}"
        fonts = (ImageFont.load_default(size) for size in (11, 10, 9))
        font = next((font for font in fonts if drawing.textlength(text, font) < side), ImageFont.load_default(8))
        drawing.text((left + 1, top + side + 1), text, fill="black", font=font)
    return canvas


if __name__ == "__main__":
    main()
