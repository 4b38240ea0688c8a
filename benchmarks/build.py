"""What a build costs: each operation, blend, stage and method, and whole builds against the same build unmixed.

    python benchmarks/build.py [--photographs FOLDER] [--rounds 3] [--count 512] [--peer COMMAND]

FOLDER holds JPEG photographs of about 500x375 (`benchmarks/photographs.py` cuts some). Whole builds are run in
alternation, and medians are printed; timings of one run can be compared with each other, those of two runs cannot.
"""

import argparse
import json
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from isal import isal_zlib
from photographs import cut

from layermix_gen import BuildSettings, build
from layermix_gen.building.native_size import LOOKED_AT, native_size
from layermix_gen.dataset.index import ShardSummary, write_index
from layermix_gen.dataset.listings.listing import list_items
from layermix_gen.dataset.samples import SampleMaker, lengths_of, metadata_json
from layermix_gen.dataset.tar import TarWriter
from layermix_gen.images import Image
from layermix_gen.images.codec import encode
from layermix_gen.images.views import draw_center, render_view
from layermix_gen.mixing.blends import DRAWN_BLENDS
from layermix_gen.mixing.methods import METHODS, DrawSettings
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call
from layermix_gen.mixing.renderer import render
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.sources import open_source

LARGE, SMALL = 224, 32


def microseconds(function: Callable[[], Any], seconds: float = 0.05) -> float:
    """The median time of a call."""
    function()
    times: list[float] = []
    while sum(times) < seconds:
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return median(times) * 1e6


def kernels(photograph: Image) -> None:
    """Print the cost of each operation and blend."""
    rng = np.random.default_rng(0)
    print(f"\n{'µs a call':<16}{f'{SMALL} px':>10}{f'{LARGE} px':>10}")
    sizes = (SMALL, LARGE)
    x = {
        side: render_view(photograph, draw_center(rng, photograph.shape[0], photograph.shape[1], side), side)
        for side in sizes
    }
    y = {side: np.ascontiguousarray(np.rot90(pixels)) for side, pixels in x.items()}
    for name, row in OPERATIONS.items():
        if row.paper:
            calls = {size: Call(name, (IMAGE,), row.paper(8, size)(rng)) for size in x}
            times = [microseconds(partial(render, calls[size], x[size])) for size in x]
            print(f"{name:<16}{times[0]:10.1f}{times[1]:10.1f}")
    for name, draw in DRAWN_BLENDS.items():
        call = Call(name, (IMAGE, PICTURE), draw(rng, 3))
        times = [microseconds(partial(render, call, x[size], y[size])) for size in x]
        print(f"{name:<16}{times[0]:10.1f}{times[1]:10.1f}")


class Stopwatch:
    """Adds up the time of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - begin


def stages(location: Path, settings: BuildSettings, folder: Path, count: int) -> None:
    """Print what each stage takes for one variant, building `count` sources by hand."""
    source = open_source(location)
    settings = settings.resolve(native_size(source, list_items(source.found(), settings.seed).spread(LOOKED_AT)))
    size = settings.size or 0
    maker = SampleMaker(settings, resolve_mixing_set(None, size))
    clock, rows = Stopwatch(), []
    tar = TarWriter(folder / f"stages-{size}.tar")
    items = source.items()[:count]
    for item in items:
        with clock("decode"):
            pixels = source.read(item)
        for variant in range(settings.variants):
            with clock("draw"):
                (drawn,) = maker.draw(pixels, item, [variant])
            with clock("view"):
                cropped = render_view(pixels, drawn.view, size)
            with clock("render"):
                mixed = maker.mixed(drawn.recipe, cropped)
            with clock("encode"):
                image = encode(mixed, settings.encoding)
            with clock("tar and JSON"):
                facts = metadata_json(drawn, item, "", lengths_of(settings.options))
                place = {"plane": "v00", "shard": 0, "key": item.id, "offset": tar.add("image.jpg", image)}
                checks = {"image_crc32": isal_zlib.crc32(image), "pixels_crc32": isal_zlib.crc32(mixed)}
                tar.add("image.cls", b"0")
                tar.add("image.json", facts.encode())
                rows.append(json.dumps(place | checks)[:-1] + ", " + facts[1:])
    with clock("index"):
        summary = tar.close()
        listing = folder / f"{size}.jsonl"
        listing.write_text("".join(f"{row}\n" for row in rows), "utf-8")
        write_index(folder / f"{size}.parquet", listing, ShardSummary(0, count, count, (), {"v00": summary}))
    variants, total = len(items) * settings.variants, sum(clock.seconds.values())
    encoding = clock.seconds["encode"]
    print(f"\n{f'{size} px':<16}{'µs a variant':>14}{'share':>8}{'of an encode':>14}")
    for stage, seconds in clock.seconds.items():
        print(f"{stage:<16}{seconds / variants * 1e6:14.1f}{seconds / total:8.1%}{seconds / encoding:14.2f}")
    print(f"{'all':<16}{total / variants * 1e6:14.1f}")


def rate_of(peer: str, location: Path) -> float:
    """The rate that a command prints for a source and the size of its samples: the number before `variants/s`."""
    size = SMALL if location.name == "small" else LARGE
    command = [*shlex.split(peer), str(location.resolve()), str(size)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return float(re.findall(r"([\d.]+) variants/s", shown)[-1])


def builds(location: Path, folder: Path, rounds: int, peer: str | None) -> None:
    """Print the rate of whole builds, mixed and unmixed, on one worker and on two, and of a peer, in alternation."""
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    others: list[float] = []
    for number in range(rounds):
        if peer:
            others.append(rate_of(peer, location))
        for method in ("layermix", "none"):
            for workers in (1, 2):
                out = folder / f"{location.name}-{method}-{workers}-{number}"
                settings = BuildSettings(method=method, clean=False, shard_size=SHARD[location.name])
                rates[method, workers].append(build(location, out, settings, workers=workers).run.images_per_second)
    rate = {case: median(values) for case, values in rates.items()}
    print(f"\n{location.name:<16}{'1 worker':>12}{'2 workers':>12}{'speed-up':>10}   variants/s, medians of {rounds}")
    for method in ("layermix", "none"):
        one, two = rate[method, 1], rate[method, 2]
        print(f"{method:<16}{one:12.0f}{two:12.0f}{two / one:10.2f}")
    ratios = [median(rates["none", w][i] / rates["layermix", w][i] for i in range(rounds)) for w in (1, 2)]
    print(f"{'cost of mixing':<16}{ratios[0]:11.2f}x{ratios[1]:11.2f}x   the floor's time is 1")
    if others:
        times = [median(rates["layermix", w][i] / others[i] for i in range(rounds)) for w in (1, 2)]
        print(f"{'times the peer':<16}{times[0]:11.1f}x{times[1]:11.1f}x   which makes {median(others):.0f}")


def methods(location: Path, folder: Path, rounds: int) -> None:
    """Print what each method costs: its calls, mixing one view, and the rate of whole builds on one worker."""
    source = open_source(location)
    items = source.items()
    size = SMALL if location.name == "small" else LARGE
    rates: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for name in METHODS:
            out, settings = folder / f"{location.name}-of-{name}-{number}", BuildSettings(method=name, clean=False)
            rates[name].append(build(location, out, settings, workers=1, progress=False).run.images_per_second)
            shutil.rmtree(out)
    print(f"\n{f'{size} px':<18}{'calls':>8}{'draw µs':>10}{'render µs':>11}{'of layermix':>13}{'variants/s':>12}")
    times = {name: _mixing(name, [source.read(item) for item in items[:8]], size) for name in METHODS}
    for name, (calls, drawing, rendering) in times.items():
        share = (drawing + rendering) / sum(times["layermix"][1:])
        rate = median(rates[name])
        print(f"{name:<18}{calls:8.1f}{drawing:10.1f}{rendering:11.1f}{share:12.2f}x{rate:12.0f}")


def _mixing(name: str, sources: list[Image], size: int) -> tuple[float, float, float]:
    """The mean number of a recipe's calls, and microseconds to draw and to render one."""
    method, rng = METHODS[name], np.random.default_rng(0)
    mixing_set = resolve_mixing_set(None, size)
    drawing = DrawSettings(size, len(mixing_set), mixing_set.size, method.options_of(None))
    views = [render_view(one, draw_center(rng, one.shape[0], one.shape[1], size), size) for one in sources]
    begin = time.perf_counter()
    recipes = [method.draw(rng, drawing) for _ in range(RECIPES)]
    drawn = time.perf_counter() - begin
    pictures = [mixing_set.view(recipe.picture, size) if recipe.picture else None for recipe in recipes]
    begin = time.perf_counter()
    for number, (recipe, picture) in enumerate(zip(recipes, pictures, strict=True)):
        view, other = (views[(number + shift) % len(views)] for shift in (0, 1))
        render(recipe.expression, view, picture, other)
    rendered = time.perf_counter() - begin
    calls = sum(str(recipe.expression).count("(") for recipe in recipes)
    return calls / RECIPES, drawn / RECIPES * 1e6, rendered / RECIPES * 1e6


RECIPES = 1000  # of each method, drawn and rendered to time its mixing
SHARD = {"photographs": "128", "small": "1000"}  # samples: small enough for the workers to finish together


def write_small(folder: Path, photographs: Path, count: int) -> None:
    """An IDX set of 32 px squares in colour, cut from photographs."""
    rng = np.random.default_rng(0)
    source = open_source(photographs)
    items = source.items()
    squares = []
    for i in range(count):
        if i % 40 == 0:
            picture = cv2.resize(source.read(items[(i // 40) % len(items)]), (160, 120), interpolation=cv2.INTER_AREA)
        top, left = rng.integers(0, 120 - 32), rng.integers(0, 160 - 32)
        squares.append(picture[top : top + 32, left : left + 32])
    folder.mkdir()
    header = struct.pack(">HBBIIII", 0, 8, 4, count, 32, 32, 3)
    (folder / "train-images-idx3-ubyte").write_bytes(header + np.stack(squares).tobytes())
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, count) + bytes(count))


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="default: cut from those of scikit-image")
    parser.add_argument("--count", type=int, default=512, help="photographs to cut")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--peer",
        metavar="COMMAND",
        help="run beside our builds: it gets a source and a size, in px, as "
        "arguments, and prints a rate as `100 variants/s`",
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photographs, small = folder / "photographs", folder / "small"
        if arguments.photographs:
            photographs.symlink_to(arguments.photographs.resolve())
        else:
            cut(photographs, None, arguments.count)
        write_small(small, photographs, 10_000)
        source = open_source(photographs)
        kernels(source.read(source.items()[0]))
        stages(small, BuildSettings(), folder, 2000)
        stages(photographs, BuildSettings(), folder, 200)
        builds(small, folder, arguments.rounds, arguments.peer)
        builds(photographs, folder, arguments.rounds, arguments.peer)
        methods(small, folder, arguments.rounds)
        methods(photographs, folder, arguments.rounds)


if __name__ == "__main__":
    main()
