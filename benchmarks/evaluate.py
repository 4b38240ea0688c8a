"""What evaluating costs against the bare forward passes, and how much memory: on the CPU, with a small model.

    python benchmarks/evaluate.py [--images 50000] [--rounds 5] [--batch-size 256]

A corruption of CIFAR-C has 50,000 images of 32 px. Of a file laid out like it, with `--images` of them, all predictions
are made and saved; the bare passes run the same model as often over one batch that is ready in memory. The two take
turns, and medians are printed. Both run with an allocator that keeps what is freed: else half of either's time would go
into pages that are given back to the system and asked for again, or not, as the heap happens to lie. Memory is measured
on a file of all 50,000 images, with a model that is next to nothing, so that reading is as far ahead as it may be: the
peak of what the process holds for itself, without the pages of the mapped file, which the system takes back as it
likes; and with the usual allocator.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn

from layermix_gen.evaluate.results.archive import save_predictions
from layermix_gen.evaluate.running.predicting import predict
from layermix_gen.evaluate.running.run_options import Forward
from layermix_gen.evaluate.suites.arrays import open_corruption

WHOLE = 50_000
KEEPING = {f"MALLOC_{name}_": str(2**32) for name in ("TRIM_THRESHOLD", "MMAP_THRESHOLD")}  # bytes, of glibc


class Block(nn.Module):
    """Two convolutions with a shortcut."""

    def __init__(self, width: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = nn.Conv2d(width, channels, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features of a block."""
        return torch.relu(self.body(x) + self.shortcut(x))


def small_model(classes: int = 100) -> nn.Module:
    """A residual network of 8 layers, 0.09 M weights."""
    blocks = [Block(8, 8, 1), Block(8, 16, 2), Block(16, 32, 2)]
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes)
    )


def trifling_model(classes: int = 100) -> nn.Module:
    """A linear model of 4x4 pixels."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, classes))


def write_corruption(folder: Path, images: int) -> None:
    """A file like those of CIFAR-100-C, of noise."""
    array = np.lib.format.open_memmap(folder / "fog.npy", "w+", np.uint8, (images, 32, 32, 3))
    rng = np.random.default_rng(0)
    for begin in range(0, images, 1000):
        array[begin : begin + 1000] = rng.integers(0, 256, array[begin : begin + 1000].shape, np.uint8)
    array.flush()
    np.save(folder / "labels.npy", np.tile(np.arange(images // 5) % 100, 5))


def bare(model: nn.Module, images: int, batch_size: int) -> float:
    """Seconds of the forward passes alone."""
    batch = torch.rand(batch_size, 3, 32, 32)
    model.eval()
    begin = time.perf_counter()
    with torch.inference_mode():
        for start in range(0, images, batch_size):
            model(batch[: images - start])
    return time.perf_counter() - begin


def evaluated(model: nn.Module, folder: Path, batch_size: int) -> float:
    """Seconds of an evaluation, from the opened folder to the saved file."""
    begin = time.perf_counter()
    said = predict(model, open_corruption(folder, 100, "fog"), Forward(batch_size=batch_size))
    save_predictions(folder / "fog.npz", said)
    return time.perf_counter() - begin


def anonymous_bytes() -> int:
    """The memory that this process holds and that belongs to no file."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


@contextmanager
def peak_memory(found: list[int]) -> Iterator[None]:
    """Append by how many bytes memory grew at most in the block."""
    before, peak, done = anonymous_bytes(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], anonymous_bytes() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        found.append(peak[0])


def times(images: int, rounds: int, batch_size: int) -> None:
    """Print seconds, and what evaluating adds."""
    torch.manual_seed(0)
    model = small_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corruption(folder, images)
        bare(model, batch_size, batch_size)
        pairs = [(bare(model, images, batch_size), evaluated(model, folder, batch_size)) for _ in range(rounds)]
    passes, whole = (median(column) for column in zip(*pairs, strict=True))
    added = median(evaluation / forward - 1 for forward, evaluation in pairs)
    print(f"{images} images of 32 px, batches of {batch_size}, {torch.get_num_threads()} threads")
    print(f"bare forward passes  {passes:6.2f} s  {images / passes:7.0f} images/s")
    print(f"evaluate             {whole:6.2f} s  {images / whole:7.0f} images/s  added {added:.1%}")


def memory(batch_size: int) -> None:
    """Print by how much memory grows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corruption(folder, 1000)
        evaluated(trifling_model(), folder, batch_size)  # what PyTorch itself needs
        write_corruption(folder, WHOLE)
        found: list[int] = []
        with peak_memory(found):
            seconds = evaluated(trifling_model(), folder, batch_size)
        file, kept = (folder / "fog.npy").stat().st_size, (folder / "fog.npz").stat().st_size
    print(
        f"{WHOLE} images, {file / 1e6:.0f} MB mapped: memory grew by {found[0] / 1e6:.0f} MB, {kept / 1e6:.1f} MB "
        f"of it predictions, at {WHOLE / seconds:.0f} images/s"
    )


def main() -> None:
    """Measure times and memory, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=WHOLE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--only", choices=("times", "memory"), help="in this process")
    options = parser.parse_args()
    if options.only == "times":
        times(options.images, options.rounds, options.batch_size)
    elif options.only == "memory":
        memory(options.batch_size)
    else:
        for part, surroundings in (("times", os.environ | KEEPING), ("memory", os.environ)):
            command = [sys.executable, *sys.argv, "--only", part]
            subprocess.run(command, env=surroundings, check=True)  # noqa: S603


if __name__ == "__main__":
    main()
