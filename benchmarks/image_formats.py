"""What a format of stored images costs: bytes, time to encode and to decode, and what it changes of LayerMix variants.

    python benchmarks/image_formats.py PHOTOGRAPHS [--count 200]

PHOTOGRAPHS is a folder of JPEGs. Variants of the `none` and the `layermix` method at 224 px are encoded; those whose
recipe mixes by a mask, pixel by pixel or value by value, are also counted apart. Times are CPU times, medians.
"""

import argparse
import re
import time
from pathlib import Path
from statistics import fmean, median

import numpy as np

from layermix_gen import BuildSettings
from layermix_gen.dataset.samples import SampleMaker
from layermix_gen.images import Image
from layermix_gen.images.codec import Encoding, decode, encode
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.sources import open_source

SIZE = 224
ENCODINGS = {
    "JPEG 95 4:4:4": Encoding("jpg", 95, "444"),
    "JPEG 95 4:2:0": Encoding("jpg", 95, "420"),
    "JPEG 90 4:4:4": Encoding("jpg", 90, "444"),
    "JPEG 85 4:2:0": Encoding("jpg", 85, "420"),
    "WebP 90": Encoding("webp", 90),
    "PNG": Encoding("png"),
}


def variants(photographs: Path, count: int) -> dict[str, list[Image]]:
    """Variants without mixing, of LayerMix, and those of them that mix by a mask."""
    source = open_source(photographs)
    mixing_set, items = resolve_mixing_set(None, SIZE), source.items()[:count]
    found: dict[str, list[Image]] = {"none": [], "layermix": [], "by a mask": []}
    for method in ("none", "layermix"):
        maker = SampleMaker(BuildSettings(method=method, size=SIZE).resolve(SIZE), mixing_set)
        for item in items:
            for sample in maker.make(source.read(item), item, [0]):
                found[method].append(sample.pixels)
                if re.search("pixel|element", str(sample.drawn.recipe.expression)):
                    found["by a mask"].append(sample.pixels)
    return found


def error(before: Image, after: Image) -> float:
    """The root mean square difference of two images, in levels of 255."""
    return float(np.sqrt(np.mean((before.astype(float) - after) ** 2)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    made = variants(arguments.photographs, arguments.count)
    print(f"{'':<16}{'kB':>8}{'encode µs':>11}{'decode µs':>11}" + "".join(f"{name:>12}" for name in made) + "   RMS")
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ENCODINGS}
    sizes: dict[str, list[int]] = {name: [] for name in ENCODINGS}
    errors: dict[tuple[str, str], list[float]] = {}
    for kind, images in made.items():
        for pixels in images:
            for name, encoding in ENCODINGS.items():  # in turn, so that all meet the same machine
                begin = time.process_time()
                data = encode(pixels, encoding)
                encoded = time.process_time()
                errors.setdefault((name, kind), []).append(error(pixels, decode(data)))
                if kind == "layermix":
                    decoding = time.process_time()
                    decode(data)
                    times[name][0].append(encoded - begin)
                    times[name][1].append(time.process_time() - decoding)
                    sizes[name].append(len(data))
    for name in ENCODINGS:
        cost = [median(seconds) * 1e6 for seconds in times[name]]
        lost = "".join(f"{fmean(errors[name, kind]):12.1f}" for kind in made)
        print(f"{name:<16}{fmean(sizes[name]) / 1000:8.1f}{cost[0]:11.0f}{cost[1]:11.0f}{lost}")


if __name__ == "__main__":
    main()
