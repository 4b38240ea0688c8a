"""Cut photographs of ImageNet's size, 500x375 JPEGs, out of larger ones: the input of the benchmarks.

    python benchmarks/photographs.py OUT [--from FOLDER] [--count 512]

Without --from the photographs of scikit-image are cut up, which are few; any folder of large photographs does better.
"""

import argparse
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (500, 375)
NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "retina.jpg", "ihc.png")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def cut(out: Path, folder: Path | None, count: int, seed: int = 0) -> None:
    """Write `count` cuttings to OUT/CLASS/NAME.jpg, the class being the photograph they come from."""
    if folder:
        sources = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    else:
        sources = [Path(str(files("skimage") / "data" / name)) for name in NAMES]
    rng = np.random.default_rng(seed)
    for n, paths in enumerate(np.array_split(np.arange(count), min(count, len(sources)))):
        photograph = Image.open(sources[n]).convert("RGB")
        directory = out / f"{n:03d}-{sources[n].stem}"
        directory.mkdir(parents=True, exist_ok=True)
        for i in paths:
            picture = photograph.resize(SIZE, Image.Resampling.LANCZOS, box=window(rng, *photograph.size))
            picture.save(directory / f"{i:05d}.jpg", quality=90)


def window(rng: np.random.Generator, width: int, height: int) -> tuple[float, float, float, float]:
    """A box of the cuttings' aspect, between half of the photograph and all of it."""
    share = rng.uniform(0.5, 1.0)
    box_width = share * min(width, height * SIZE[0] / SIZE[1])
    box_height = box_width * SIZE[1] / SIZE[0]
    left, top = rng.uniform(0, width - box_width), rng.uniform(0, height - box_height)
    return left, top, left + box_width, top + box_height


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--from", dest="folder", type=Path)
    parser.add_argument("--count", type=int, default=512)
    arguments = parser.parse_args()
    cut(arguments.out, arguments.folder, arguments.count)


if __name__ == "__main__":
    main()
