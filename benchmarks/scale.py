"""What a large dataset takes on 1, 16 and 256 cores: hours, bytes, requests and money, from rates measured here.

    python benchmarks/scale.py [FOLDER] [--images 1281167] [--variants 8] [--cores 1 16 256] [--core-hour 0.05] ...

FOLDER is where the output would lie, such as on the file system that a cluster shares; it is tested with files of its
own, which are removed. Rates that are given, as `--rates '{"images_per_second": 500, ...}'`, are not measured.
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from photographs import cut

from layermix_gen import BuildSettings, build
from layermix_gen.sources import open_source
from layermix_gen.support.files import sync
from layermix_gen.support.text import count

KEYS_PER_PAGE = 1000  # of a listing of an object store
SINGLE_PUT, PART = 32 << 20, 16 << 20  # bytes up to which a file is one PUT, and of a part of a larger one


@dataclass(frozen=True, slots=True)
class Rates:
    """What one core, and the file system of the output, do here."""

    images_per_second: float  # of all planes, on one core
    bytes_per_image: float  # of a sample in its tar
    files_listed_per_second: float
    files_written_per_second: float  # empty ones: created, synced and renamed
    bytes_written_per_second: float  # one large file, synced


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in dollars, and what an object store takes a second from all together; see docs/scale.md for sources."""

    core_hour: float = 0.05
    put_1000: float = 0.005
    get_1000: float = 0.0004
    gb_month: float = 0.023
    pages_per_second: float = 5.0  # of a listing, one after the other
    gets_per_second: float = 5500.0  # of a prefix
    puts_per_second: float = 3500.0


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is to be built. `source_bytes` is the mean size of a source image, `shard_images` the images of a shard."""

    images: int = 1_281_167
    source_bytes: int = 110_000
    variants: int = 8
    shard_images: int = 1000
    classes: int = 1000  # folders of the source, of about the same size

    @property
    def pages(self) -> int:
        """The requests that list a bucket: one for its folders in thousands, then the pages of each folder."""
        of_folders = math.ceil(self.classes / KEYS_PER_PAGE)
        return of_folders + self.classes * math.ceil(self.images / self.classes / KEYS_PER_PAGE)

    @property
    def planes(self) -> int:
        return self.variants + 1

    @property
    def shards(self) -> int:
        return math.ceil(self.images / self.shard_images)


def measured(folder: Path, dataset: Dataset, photographs_built: int, rounds: int) -> Rates:
    """Measure all rates; the best of some rounds, since others may use the machine."""
    photographs = folder / "photographs"
    cut(photographs, None, photographs_built)
    settings = BuildSettings(variants=dataset.variants, size=224, shard_size=str(photographs_built))
    reports = [build(photographs, folder / f"out-{n}", settings, workers=1, progress=False) for n in range(rounds)]
    return Rates(
        images_per_second=max(one.run.images_per_second for one in reports),
        bytes_per_image=round(reports[0].bytes / reports[0].images),
        files_listed_per_second=round(_listed(folder / "listed", photographs)),
        files_written_per_second=round(max(_small_files(folder / f"small-{n}") for n in range(rounds))),
        bytes_written_per_second=round(max(_large_file(folder / f"large-{n}") for n in range(rounds))),
    )


def _listed(folder: Path, photographs: Path, classes: int = 10, files: int = 2000) -> float:
    """Files a second of a folder of links that is listed as a source."""
    origin = next(photographs.rglob("*.jpg"))
    for number in range(classes):
        (folder / f"{number:03d}").mkdir(parents=True)
        for name in range(files):
            os.link(origin, folder / f"{number:03d}" / f"{name:05d}.jpg")
    begin = time.perf_counter()
    found = len(open_source(folder).items())
    return found / (time.perf_counter() - begin)


def _small_files(folder: Path, files: int = 200) -> float:
    """Files a second that are created, synced and renamed."""
    folder.mkdir()
    begin = time.perf_counter()
    for number in range(files):
        draft = folder / f".{number}"
        draft.touch()
        sync(draft)
        draft.rename(folder / f"{number}")
    return files / (time.perf_counter() - begin)


def _large_file(path: Path, blocks: int = 32) -> float:
    """Bytes a second of a file that is written and synced."""
    block = os.urandom(8 << 20)
    begin = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(blocks):
            file.write(block)
    sync(path)
    seconds = time.perf_counter() - begin
    path.unlink()
    return blocks * len(block) / seconds


def puts(dataset: Dataset, rates: Rates) -> int:
    """The requests that write the dataset to an object store: for each tar and each index of a shard."""
    size = dataset.images * rates.bytes_per_image / dataset.shards
    of_tar = 1 if size < SINGLE_PUT else 2 + math.ceil(size / PART)
    return dataset.shards * (dataset.planes * of_tar + 1)


def table(dataset: Dataset, rates: Rates, prices: Prices, cores: Sequence[int]) -> str:
    """The table of docs/scale.md, in Markdown."""
    columns = [column(dataset, rates, prices, number) for number in cores]
    lines = [f"| | {' | '.join(count(number, 'core') for number in cores)} |", f"|---|{'---|' * len(cores)}"]
    lines += [f"| {name} | {' | '.join(one[name] for one in columns)} |" for name in columns[0]]
    return "\n".join(lines)


def column(dataset: Dataset, rates: Rates, prices: Prices, cores: int) -> dict[str, str]:
    """What the dataset takes on so many cores. Each core builds whole shards: the one with the most ends last."""
    images = dataset.images * dataset.planes
    planning = dataset.images / rates.files_listed_per_second
    shard = images / dataset.shards / rates.images_per_second
    building = math.ceil(dataset.shards / cores) * shard
    read, written = dataset.images * dataset.source_bytes, images * rates.bytes_per_image
    gets, pages, writes = dataset.images, dataset.pages, puts(dataset, rates)
    used = images / rates.images_per_second / 3600
    held = cores * (planning + building) / 3600
    requests = (gets * prices.get_1000 + (pages + writes) * prices.put_1000) / 1000
    return {
        "listing a folder, before all else": seconds(planning),
        "listing a bucket": f"{seconds(pages / prices.pages_per_second)}, {pages:,} pages",
        "building": seconds(building),
        "core hours, at work and held": f"{used:.1f}, {held:.1f}",
        "read from the source": f"{read / 1e9:.0f} GB, {read / building / 1e6:.1f} MB/s",
        "written": f"{written / 1e9:.0f} GB, {written / building / 1e6:.1f} MB/s",
        "of what one writer reaches here": f"{written / building / rates.bytes_written_per_second:.1%}",
        "files made on a file system": f"{dataset.shards * (dataset.planes + 1):,}, "
        f"{dataset.shards * (dataset.planes + 1) / building:.2f} a second",
        "GET requests": f"{gets:,}, {gets / building:.0f} a second",
        "PUT requests": f"{writes:,}, {writes / building:.2f} a second",
        "of what a prefix takes": f"{gets / building / prices.gets_per_second:.1%} of GET, "
        f"{writes / building / prices.puts_per_second:.2%} of PUT",
        "cores": f"${held * prices.core_hour:.2f}",
        "requests": f"${requests:.2f}",
        "a month of storage": f"${written / 1e9 * prices.gb_month:.2f}",
    }


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def named(parser: argparse.ArgumentParser, values: Prices | Dataset) -> Iterator[str]:
    """Add an option for each field of some values, and yield the names."""
    for name, value in asdict(values).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
        yield name


def main() -> None:
    """Measure, compute, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--count", type=int, default=128, help="photographs that are built to measure the rate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rates", type=json.loads)
    of_prices, of_dataset = list(named(parser, Prices())), list(named(parser, Dataset()))
    arguments = parser.parse_args()
    prices = Prices(**{name: getattr(arguments, name) for name in of_prices})
    dataset = Dataset(**{name: getattr(arguments, name) for name in of_dataset})
    if arguments.rates:
        rates = Rates(**arguments.rates)
    else:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            rates = measured(Path(name), dataset, arguments.count, arguments.rounds)
    print(json.dumps(asdict(rates)))
    print(f"\n{table(dataset, rates, prices, arguments.cores)}")


if __name__ == "__main__":
    main()
