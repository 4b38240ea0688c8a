"""What reading costs, stored, virtual and fresh, against bare decoding, webdataset and a DataLoader over files.

    python benchmarks/reader.py [--photographs FOLDER] [--rounds 5] [--count 4096] [--only fresh|whole]

FOLDER holds JPEG photographs of about 500x375 (`benchmarks/photographs.py` cuts some). Everything is warm. The readers
take turns, and medians are printed; timings of one run can be compared with each other, those of two runs cannot.
"""

import argparse
import io
import os
import re
import struct
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import duckdb
import numpy as np
import simplejpeg
import torch
import webdataset
from isal import isal_zlib
from photographs import cut
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from layermix_gen import BuildSettings, build
from layermix_gen.dataset.dataset_files import LocalFiles
from layermix_gen.dataset.declaring import collect, write_manifest
from layermix_gen.dataset.index import COLUMNS, ShardSummary
from layermix_gen.dataset.manifest import Run, read_manifest
from layermix_gen.dataset.names import index_path, tar_path
from layermix_gen.dataset.plan import Inputs, Plan
from layermix_gen.dataset.tar import TarWriter
from layermix_gen.images.codec import Encoding, encode
from layermix_gen.reading.reader import LayerMixDataset
from layermix_gen.sources import open_source

BATCH, LARGE, SMALL = 256, 224, 32
SMALLER: dict[str, Any] = {"size": 256, "quality": 90, "subsampling": "420"}  # whole images in fewer bytes
STORED = ("clean", "variant", "variant")
TRIPLES = {"stored": STORED, "virtual": STORED, "fresh": ("clean", "fresh", "fresh")}
Reader = Callable[[], int]
"""Reads an epoch and returns how many images it held."""


def drain(batches: Iterable[Any]) -> int:
    """Read all batches; count the images."""
    return sum(len(batch[0]) for batch in batches)


# ------------------------------------------------------------------------------------------------ the readers


def ours(root: Path, threads: int, views: Any = "variant", *, memory: bool = False, **options: Any) -> Reader:
    """LayerMixDataset, epoch after epoch."""
    ds = LayerMixDataset(root, BATCH, threads=threads, views=views, remainder="exact", **options)
    held = ds.in_memory() if memory else ds
    return lambda: drain(held)


def bare(root: Path, threads: int) -> Reader:
    """The decoder in a loop, over images that lie in memory, into memory that is there: the limit."""
    ds = LayerMixDataset(root, BATCH)
    catalog, storage = ds.catalog, ds.storage
    images = []
    for i in np.random.default_rng(0).permutation(len(catalog.labels)).tolist():
        offset = int(catalog.offsets[0, i])
        tar = storage.tar(catalog.planes[0], int(catalog.shards[i]))
        images.append(bytes(tar[offset : offset + int(catalog.sizes[0, i])]))
    size = storage.manifest.size
    batch = np.zeros((BATCH, size, size, 3), np.uint8)

    def decode(part: int) -> None:
        for i in range(part, len(images), threads):
            simplejpeg.decode_jpeg(images[i], "RGB", buffer=batch[i % BATCH])

    def run() -> int:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(decode, range(threads)))
        return len(images)

    return run


def with_webdataset(root: Path, decode: Callable[[bytes], Tensor]) -> Reader:
    """webdataset with 2 worker processes that make the batches."""
    tars = sorted(map(str, root.glob("v00/*.tar")))
    samples = webdataset.WebDataset(tars, shardshuffle=len(tars), empty_check=False).shuffle(1000)
    samples = samples.to_tuple("jpg;png", "cls").map_tuple(decode, int)
    loader = DataLoader(
        samples.batched(BATCH, collation_fn=torch.utils.data.default_collate), batch_size=None, num_workers=2
    )
    return lambda: drain(loader)


class Files(Dataset[tuple[Tensor, int]]):
    """A folder of class folders, as torchvision's ImageFolder reads it."""

    def __init__(self, root: Path) -> None:
        self.paths = sorted(root.glob("*/*.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return by_pillow(self.paths[i].read_bytes()), int(self.paths[i].parent.name)


def with_files(folder: Path) -> Reader:
    """A DataLoader with 2 worker processes over files."""
    loader = DataLoader(Files(folder), BATCH, shuffle=True, num_workers=2)
    return lambda: drain(loader)


def by_pillow(data: bytes) -> Tensor:
    """Decode with Pillow."""
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("RGB"))).movedim(-1, 0)


def by_simplejpeg(data: bytes) -> Tensor:
    """Decode with libjpeg-turbo."""
    return torch.from_numpy(simplejpeg.decode_jpeg(data, "RGB")).movedim(-1, 0)


# ------------------------------------------------------------------------------------------------ what is read


def write_files(root: Path, folder: Path) -> Path:
    """Extract the images of the shards to FOLDER/LABEL/KEY.jpg."""
    for path in sorted(root.glob("v00/*.tar")):
        with tarfile.open(path) as tar:
            data = {member.name: tar.extractfile(member) for member in tar}
            for name, file in data.items():
                label = data[name.replace(".jpg", ".cls")]
                if name.endswith(".jpg") and file and label:
                    (folder / label.read().decode()).mkdir(parents=True, exist_ok=True)
                    label.seek(0)
                    (folder / label.read().decode() / name).write_bytes(file.read())
    return folder


def write_small(folder: Path, photographs: Path, count: int) -> Path:
    """An IDX set of 32 px squares in colour, cut from photographs."""
    rng, source = np.random.default_rng(0), open_source(photographs)
    items = source.items()[: max(1, count // 500)]
    pictures = [cv2.resize(source.read(item), (160, 120), interpolation=cv2.INTER_AREA) for item in items]
    squares = []
    for i in range(count):
        top, left = rng.integers(0, 120 - SMALL), rng.integers(0, 160 - SMALL)
        squares.append(pictures[i % len(pictures)][top : top + SMALL, left : left + SMALL])
    folder.mkdir()
    header = struct.pack(">HBBIIII", 0, 8, 4, count, SMALL, SMALL, 3)
    (folder / "train-images-idx3-ubyte").write_bytes(header + np.stack(squares).tobytes())
    labels = bytes(i % 10 for i in range(count))
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, count) + labels)
    return folder


GIVEN = {  # the columns of a simulated index that matter, in SQL; the others have one value
    "plane": "plane",
    "shard": "{shard}",
    "key": "printf('%09d-%s', number, plane)",
    "offset": "$1",
    "size": "$2",
    "image_crc32": "$3",
    "source_crc32": "hash(number) % 4294967296",
    "json_crc32": "hash(number, plane) % 4294967296",
    "source": "printf('n%08d/%09d.jpg', number % 1000, number)",
    "label": "number % 1000",
    "layer": "hash(plane, number) % 3 + 1",
    "recipe": "'rotate(multiply(image, picture, 0.83, 0.' || hash(number, plane) || '), 4.2)'",
}
INDEX = """
    SELECT {columns} FROM range({begin}, {end}) AS numbers(number), unnest({planes}) AS planes(plane)
    ORDER BY plane, key
"""


def simulate(root: Path, images: int, variants: int, shards: int) -> Path:
    """A dataset whose index has a row for each of `images` in each plane, while its tars hold one image each."""
    image = encode(np.zeros((SMALL, SMALL, 3), np.uint8), Encoding("png"))
    settings = BuildSettings(variants, size=SMALL, view_mode="shared").resolve(None)
    summaries, samples = {}, images // shards
    values = {name: GIVEN.get(name, "[0]" if kind.endswith("[]") else "0") for name, kind in COLUMNS.items()}
    columns = ", ".join(f'({value})::{COLUMNS[name]} AS "{name}"' for name, value in values.items())
    (root / "index").mkdir(parents=True)
    with duckdb.connect() as db:
        for shard in range(shards):
            tars = {}
            for plane in settings.planes:
                path = tar_path(root, plane, shard)
                path.parent.mkdir(exist_ok=True)
                tar = TarWriter(path)
                offset = tar.add("0.png", image)
                written = tar.close()
                os.truncate(path, written.bytes + samples)  # a tar has a byte for each sample at least
                tars[plane] = replace(written, bytes=written.bytes + samples)
            summaries[shard] = ShardSummary(shard, samples, samples, (), tars)
            rows = INDEX.format(
                columns=columns.replace("{shard}", str(shard)),
                begin=samples * shard,
                end=samples * (shard + 1),
                planes=list(settings.planes),
            )
            db.execute(
                f"COPY ({rows}) TO '{index_path(root, shard)}' (FORMAT parquet, COMPRESSION zstd)",
                [offset, len(image), isal_zlib.crc32(image)],
            )
    inputs = Inputs("folder", "/nowhere", "0" * 64, images, 0, ())
    write_manifest(collect(Plan(root, inputs, settings, None, shards), summaries, Run(0, 0.0, 0.0, 1)))
    return root


# ------------------------------------------------------------------------------------------------ measuring


def take_turns(
    readers: dict[str, Reader], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Images per second of each reader by a clock, the median of `rounds` after one that is not counted."""
    rates: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for name, reader in readers.items():
            begin = clock()
            images = reader()
            if number:
                rates[name].append(images / (clock() - begin))
    return {name: median(values) for name, values in rates.items()}


def large(root: Path, files: Path, rounds: int) -> None:
    """Print how fast images of 224 px are read."""
    readers = {
        "bare decoding, 1 thread": bare(root, 1),
        "bare decoding, 2 threads": bare(root, 2),
        "LayerMixDataset, 1 thread": ours(root, 1),
        "LayerMixDataset, 2 threads": ours(root, 2),
        "webdataset, simplejpeg, 2 workers": with_webdataset(root, by_simplejpeg),
        "webdataset, Pillow, 2 workers": with_webdataset(root, by_pillow),
        "files, Pillow, 2 workers": with_files(files),
    }
    rates = take_turns(readers, rounds)
    slow = rates["webdataset, Pillow, 2 workers"]
    print(f"\n{f'{LARGE} px JPEG':<36}{'images/s':>10}{'x webdataset':>14}{'of the limit':>14}")
    for name, rate in rates.items():
        limit = rates["bare decoding, 1 thread" if "1 thread" in name else "bare decoding, 2 threads"]
        print(f"{name:<36}{rate:10.0f}{rate / slow:13.2f}x{rate / limit:14.1%}")


def small(root: Path, rounds: int) -> None:
    """Print how fast images of 32 px are read, decoded and from memory."""
    memory = LayerMixDataset(root, BATCH, remainder="exact").in_memory()
    readers: dict[str, Reader] = {
        "LayerMixDataset, 1 thread": ours(root, 1),
        "LayerMixDataset, 2 threads": ours(root, 2),
        "in memory": lambda: drain(memory),
    }
    print(f"\n{f'{SMALL} px PNG':<36}{'images/s':>10}")
    for name, rate in take_turns(readers, rounds).items():
        print(f"{name:<36}{rate:10.0f}")


def fresh(large_root: Path, small_root: Path, rounds: int) -> None:
    """Print how fast virtual and fresh variants are read, one view and triples, against stored ones in the same run."""
    readers: dict[str, Reader] = {}
    for size, root in ((LARGE, large_root), (SMALL, small_root)):
        for kind, views in TRIPLES.items():
            place = virtual_of(root) if kind == "virtual" else root
            for threads in (1, 2) if size == LARGE else (1,):
                many = f"{threads} thread{'s' if threads > 1 else ''}"
                readers[f"{size} px, {kind}, {many}"] = ours(place, threads, views[1])
                readers[f"{size} px, {kind} triple, {many}"] = ours(place, threads, views)
    for kind in ("stored", "fresh"):
        readers[f"{SMALL} px, {kind} in memory, 1 thread"] = ours(small_root, 1, TRIPLES[kind][1], memory=True)
    rates = take_turns(readers, rounds)
    print(f"\n{'stored, virtual and fresh variants':<36}{'images/s':>10}{'to stored':>14}")
    for name, rate in rates.items():
        stored = rates[re.sub("fresh|virtual", "stored", name)]
        print(f"{name:<36}{rate:10.0f}{rate / stored:13.2f}x")


def virtual_of(root: Path) -> Path:
    """The dataset with the recipes of the variants of another."""
    return root.with_name(f"{root.name}-virtual")


def whole(root: Path, roots: dict[str, Path], rounds: int) -> None:
    """Print how fast crops are read that the reader cuts out of whole images, against the stored crops of `root`."""
    asked: dict[str, Any] = {"clean": "clean", "fresh": "fresh", "fresh triple": TRIPLES["fresh"]}
    readers = {f"{kind}, stored crops": ours(root, 1, views) for kind, views in asked.items()}
    for name, folder in roots.items():
        for kind, views in asked.items():
            readers[f"{kind}, {name}"] = ours(folder, 1, views, view="rrc", size=LARGE)
    rates = take_turns(readers, rounds, time.process_time)  # of CPU: other work takes no part of it
    print(f"\n{f'rrc views of {LARGE} px, a core':<36}{'images/s':>10}{'to stored':>14}")
    for name, rate in rates.items():
        print(f"{name:<36}{rate:10.0f}{rate / rates[name.partition(',')[0] + ', stored crops']:13.2f}x")
    for name, folder in {"stored crops": root, **roots}.items():
        sizes = [path.stat().st_size for path in folder.glob("clean/*.tar")]
        print(f"{name:<36}{sum(sizes) / read_manifest(LocalFiles(folder)).written / 1e3:10.1f} kB an image")


def first_batch(root: Path, rounds: int) -> None:
    """Print how long it takes to the first batch."""
    planes: dict[str, Any] = {
        "4 variants": {},
        "clean and 2 of 4 variants": {"views": ("clean", "variant", "variant")},
        "4 variants, layer = 3": {"where": "layer = 3"},
    }
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, options in planes.items():
            begin = time.perf_counter()
            next(iter(LayerMixDataset(root, BATCH, **options)))
            seconds[name].append(time.perf_counter() - begin)
    print(f"\n{'an index of 5 million rows':<36}{'seconds to the first batch':>28}")
    for name, values in seconds.items():
        print(f"{name:<36}{median(values):28.2f}")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="default: cut from those of scikit-image")
    parser.add_argument("--count", type=int, default=4096, help="photographs to cut")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["fresh", "whole"], help="measure that alone")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photographs = arguments.photographs or folder / "photographs"
        if not arguments.photographs:
            cut(photographs, None, arguments.count)
        planes = BuildSettings(variants=2, view_mode="shared", shard_size="64MB")
        build(photographs, folder / "large", planes)
        if arguments.only != "fresh":
            roots: dict[str, dict[str, Any]] = {"as they are": {}, "256 px": {"size": 256}, "256 px, 90 4:2:0": SMALLER}
            for name, more in roots.items():
                build(photographs, folder / name, BuildSettings(variants=0, view="source", **more))
            whole(folder / "large", {name: folder / name for name in roots}, arguments.rounds)
        if arguments.only == "whole":
            return
        build(write_small(folder / "squares", photographs, 5 * arguments.count), folder / "small", planes)
        for source, name in ((photographs, "large"), (folder / "squares", "small")):
            build(source, virtual_of(folder / name), replace(planes, store="recipes"))
        fresh(folder / "large", folder / "small", arguments.rounds)
        if arguments.only == "fresh":
            return
        files = write_files(folder / "large", folder / "files")
        simulate(folder / "index", 1_000_000, 4, 128)
        large(folder / "large", files, arguments.rounds)
        small(folder / "small", arguments.rounds)
        first_batch(folder / "index", arguments.rounds)


if __name__ == "__main__":
    main()
