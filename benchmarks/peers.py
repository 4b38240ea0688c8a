"""Other readers of the same tars beside ours, stored and fresh, and a loader that mixes online, in one run.

    python benchmarks/peers.py [--photographs FOLDER] [--rounds 5] [--count 4096] [--peer COMMAND]

FOLDER holds JPEG photographs of about 500x375 (`benchmarks/photographs.py` cuts some). Each peer is used as its own
documentation recommends, with two threads or worker processes; one that is not installed, or that does not work here,
is named and left out. SPDL needs the shared libraries of FFmpeg. Everything is warm, the readers take turns, and
medians are printed; timings of one run can be compared with each other, those of two runs cannot.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import cv2
import torch
from build import rate_of
from photographs import cut
from reader import (
    BATCH,
    LARGE,
    SMALL,
    TRIPLES,
    Reader,
    by_pillow,
    by_simplejpeg,
    drain,
    ours,
    take_turns,
    with_webdataset,
    write_small,
)
from torch import Tensor

from layermix_gen import BuildSettings, build

THREADS = 2
IMAGES = (".jpg", ".png")


class Peer(NamedTuple):
    """Another reader: its package, what it does otherwise than ours, and how it reads a dataset."""

    package: str
    otherwise: str
    reader: Callable[[Path, int], Reader]
    decodes: tuple[int, ...] = (LARGE, SMALL)


# ------------------------------------------------------------------------------------------------ the readers


def with_turboloader(root: Path, size: int) -> Reader:
    """TurboLoader, whose pool of threads decodes one tar after the other."""
    turboloader: Any = import_module("turboloader")
    loaders = [
        turboloader.DataLoader(str(tar), batch_size=BATCH, image_size=size, output_format="pytorch", shuffle=True)
        for tar in tars_of(root)
    ]

    epochs = count()

    def batches(epoch: int) -> Iterator[tuple[Tensor, dict[str, Any]]]:
        for loader in loaders:
            loader.set_epoch(epoch)
            for images, facts in loader:
                if facts["decode_failures"]:  # which it gives as zeros
                    raise RuntimeError(f"it cannot decode {facts['decode_failures']} of {len(images)} images")
                yield torch.from_numpy(images), facts

    return lambda: drain(batches(next(epochs)))


def with_spdl(root: Path, size: int) -> Reader:
    """A pipeline of SPDL: tars in random order, the samples of each shuffled, and threads that make whole batches."""
    io: Any = import_module("spdl.io")
    pipeline: Any = import_module("spdl.pipeline")
    rng, tars = random.Random(0), tars_of(root)  # noqa: S311

    def samples() -> Iterator[tuple[memoryview, int]]:
        for tar in rng.sample(tars, len(tars)):
            files = dict(io.iter_tarfile(tar.read_bytes()))
            names = [name for name in files if name.endswith(IMAGES)]
            rng.shuffle(names)
            for name in names:
                yield files[name], int(bytes(files[str(Path(name).with_suffix(".cls"))]))

    def decode(batch: list[tuple[memoryview, int]]) -> tuple[Tensor, Tensor]:
        images = io.load_image_batch([image for image, _ in batch], width=None, height=None, pix_fmt="rgb24")
        return io.to_torch(images).movedim(-1, 1), torch.tensor([label for _, label in batch])

    def run() -> int:
        stages = pipeline.PipelineBuilder().add_source(samples()).aggregate(BATCH).pipe(decode, concurrency=THREADS)
        batches = stages.add_sink(THREADS).build(num_threads=THREADS)
        with batches.auto_stop():
            return drain(batches)

    io.demux_image(next(samples())[0])  # says so where FFmpeg is missing
    return run


def with_workers(root: Path, size: int) -> Reader:
    """webdataset, with the decoder that is faster for these images."""
    return with_webdataset(root, by_simplejpeg if size == LARGE else by_pillow)


PEERS = {
    "TurboLoader": Peer("turboloader", "float32 in [0, 1], no labels", with_turboloader, (LARGE,)),
    "SPDL": Peer("spdl", "shuffles within a tar", with_spdl),
    "webdataset": Peer("webdataset", "2 processes; shuffles in a buffer of 1,000", with_workers),
}


def tars_of(root: Path) -> list[Path]:
    """The tars of the first variants."""
    return sorted(root.glob("v00/*.tar"))


# ------------------------------------------------------------------------------------------------ measuring


def peers_of(root: Path, size: int, images: int) -> dict[str, Reader]:
    """The peers that read this dataset whole, by name and version; the others are named on a line each."""
    readers: dict[str, Reader] = {}
    for name, peer in PEERS.items():
        try:
            if size not in peer.decodes:
                raise RuntimeError("it decodes JPEG only")
            reader = peer.reader(root, size)
            if (read := reader()) != images:
                raise RuntimeError(f"it read {read} of {images} images")
            readers[f"{name} {version(peer.package)}: {peer.otherwise}"] = reader
        except (ImportError, RuntimeError, ValueError) as error:
            print(f"{size} px: {name} is left out: {(str(error) or repr(error)).splitlines()[0][:80]}")
    return readers


def compare(root: Path, size: int, images: int, rounds: int) -> None:
    """Print how fast each reader is, in samples per second and as a multiple of our stored variants."""
    readers: dict[str, Reader] = {}
    for kind in ("stored", "fresh"):
        readers[kind] = ours(root, THREADS, TRIPLES[kind][1])
        readers[f"{kind} triple"] = ours(root, THREADS, TRIPLES[kind])
        if size == SMALL:
            readers[f"{kind}, 1 thread"] = ours(root, 1, TRIPLES[kind][1])
    if size == SMALL:
        readers["fresh in memory, 1 thread"] = ours(root, 1, "fresh", memory=True)
    rates = take_turns(readers | peers_of(root, size, images), rounds)
    print(f"\n{f'{size} px':<64}{'samples/s':>10}{'to stored':>12}")
    for name, rate in rates.items():
        stored = "stored triple" if "triple" in name else "stored, 1 thread" if "1 thread" in name else "stored"
        print(f"{name:<64}{rate:10.0f}{rate / rates[stored]:11.2f}x")


def online(peer: str, photographs: Path, root: Path, rounds: int) -> None:
    """Print how many times faster fresh variants are read than a peer makes them from photographs, in alternation."""
    fresh = ours(root, THREADS, "fresh")
    fresh()
    rates, others = [], []
    for _ in range(rounds):
        others.append(rate_of(peer, photographs))
        begin = time.perf_counter()
        images = fresh()
        rates.append(images / (time.perf_counter() - begin))
    times = median(rate / other for rate, other in zip(rates, others, strict=True))
    print(f"\n{'online, 224 px':<64}{'variants/s':>10}{'to the peer':>12}")
    print(f"{'fresh':<64}{median(rates):10.0f}{times:11.2f}x\n{'the peer':<64}{median(others):10.0f}{1:11.2f}x")


def main() -> None:
    """Build two datasets, and read them with everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="default: cut from those of scikit-image")
    parser.add_argument("--count", type=int, default=4096, help="photographs to cut; five times as many 32 px squares")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--peer",
        metavar="COMMAND",
        help="a loader that mixes online: it gets a folder of photographs and a size, in px, as arguments, and prints "
        "a rate as `100 variants/s`",
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photographs = arguments.photographs or folder / "photographs"
        if not arguments.photographs:
            cut(photographs, None, arguments.count)
        planes = BuildSettings(variants=2, view_mode="shared", shard_size="64MB")
        large = build(photographs, folder / "large", planes).written
        squares = write_small(folder / "squares", photographs, 5 * arguments.count)
        small = build(squares, folder / "small", planes).written
        compare(folder / "large", LARGE, large, arguments.rounds)
        compare(folder / "small", SMALL, small, arguments.rounds)
        if arguments.peer:
            online(arguments.peer, photographs, folder / "large", arguments.rounds)


if __name__ == "__main__":
    main()
