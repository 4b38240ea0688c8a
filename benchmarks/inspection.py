"""How long questions to the index of a million samples take, from a program and from the command line.

    python benchmarks/inspection.py [--images 250000] [--rounds 5]

The index is a real one: recipes, views and pictures are drawn as a build draws them, and written as it writes them.
Only the images are left out, which no question looks at. Medians over the rounds; everything is warm.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from layermix_gen import BuildSettings, open_shards
from layermix_gen.dataset.declaring import collect, write_manifest
from layermix_gen.dataset.index import ShardSummary, write_index
from layermix_gen.dataset.manifest import Run
from layermix_gen.dataset.names import index_path
from layermix_gen.dataset.plan import Inputs, MixingSetFacts, Plan
from layermix_gen.dataset.samples import Drawn, lengths_of, metadata
from layermix_gen.dataset.tar import TarSummary
from layermix_gen.images import Image
from layermix_gen.images.views import VIEWS
from layermix_gen.mixing.methods import METHODS
from layermix_gen.sources import Item
from layermix_gen.support.seeds import generator

SHARDS, CLASSES, SIDE = 64, 1000, (375, 500)
SETTINGS = BuildSettings(clean=False).resolve(None)
CHECKSUMS = ("image_crc32", "pixels_crc32", "source_crc32", "json_crc32")
NO_PIXELS: Image = None  # type: ignore[assignment] # nothing looks at them
QUESTIONS = {
    "layer = 3 and op = 'rotate' and list_contains(blends, 'pixel')": (["key", "op", "size"], "size DESC", 20),
    "source = 'n00000007/000007.jpg'": (None, None, None),
    "key = '000123456-v02'": (None, None, None),
    "label = 7 and layer = 2": (None, "size", 100),
    "size > 2 * (SELECT avg(size) FROM samples)": (["key", "size"], None, 20),
    "recipe LIKE '%element(%element(%'": (["key", "recipe"], "key", 20),
}


def write_dataset(root: Path, images: int) -> None:
    """Write manifest and index of a dataset of so many images in four planes, and nothing else."""
    inputs = Inputs("folder", "/imagenet", "0" * 64, images, 0, tuple(f"n{label:08d}" for label in range(CLASSES)))
    plan = Plan(root, inputs, SETTINGS, MixingSetFacts("/pool.npy", "0" * 64, 384, 256, color=False), SHARDS)
    drawing, draw_view = SETTINGS.drawing(384, 256), VIEWS[SETTINGS.view or ""]
    (root / "index").mkdir(parents=True)
    summaries = {}
    for number in tqdm(range(SHARDS), "drawing", unit="shard", disable=None):
        rows, (start, stop) = [], plan.bounds(number)
        for plane, variant in SETTINGS.planes.items():
            offset = 512
            for ordinal in range(start, stop):
                label = ordinal % CLASSES
                source = f"n{label:08d}/{ordinal:06d}.jpg"
                rng = generator(SETTINGS.seed, source, variant)
                view = draw_view(rng, *SIDE, SETTINGS.size or 0)
                sample = Drawn(variant, view, METHODS[SETTINGS.method].draw(rng, drawing))
                size, checksums = rng.integers(10_000, 60_000), rng.integers(2**32, size=4).tolist()
                place = {"plane": plane, "shard": number, "key": f"{ordinal:09d}-{plane}", "offset": offset}
                place |= {"size": int(size)} | dict(zip(CHECKSUMS, checksums, strict=True))
                rows.append(
                    json.dumps(
                        place
                        | metadata(sample, Item(source, label, 0), inputs.classes[label], lengths_of(SETTINGS.options))
                    )
                )
                offset += int(size) + 2048
        tars = {plane: TarSummary(offset, f"{number:064x}") for plane in SETTINGS.planes}
        summaries[number] = ShardSummary(number, stop - start, stop - start, (), tars)
        listing = root / "rows.jsonl"
        listing.write_text("".join(f"{row}\n" for row in rows), "utf-8")
        write_index(index_path(root, number), listing, summaries[number])
        listing.unlink()
    write_manifest(collect(plan, summaries, Run(0, 0.0, 0.0, 1)))


def seconds(run: Callable[[], Any], rounds: int) -> float:
    """The median time of a run, after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return median(times[1:])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=250_000, help="in four planes")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_dataset(root, arguments.images)
        shards = open_shards(root)
        size = sum(path.stat().st_size for path in shards.index) / 1e6
        print(f"{shards.count()} samples in {SHARDS} shards, index of {size:.0f} MB\n")
        for where, (columns, order_by, limit) in QUESTIONS.items():
            found = shards.count(where)
            took = seconds(lambda: open_shards(root).query(where, columns, order_by, limit), arguments.rounds)  # noqa: B023
            print(f"{took:6.3f} s  {found:7d} meet  {where}")
        print(f"{seconds(lambda: open_shards(root).summary(), arguments.rounds):6.3f} s  summary")
        cli = Path(__file__).parents[1] / "cli.py"
        command = [sys.executable, str(cli), "inspect", folder, "--where", next(iter(QUESTIONS))]
        took = seconds(lambda: subprocess.run(command, check=True, capture_output=True), arguments.rounds)  # noqa: S603
        print(f"{took:6.3f} s  on the command line, with the start of Python: {next(iter(QUESTIONS))}")


if __name__ == "__main__":
    main()
