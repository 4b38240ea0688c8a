"""What metrics cost: of results as large as ImageNet's, the time and the memory of all of them.

    python benchmarks/metrics.py [--images 50000] [--classes 1000]

Predictions at random stand for clean, C (15 corruptions at 5 severities), C-bar (10) and P (10, of 20 frames a video).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from layermix_gen.evaluate.benchmarks import SEVERITIES, P, mean_list
from layermix_gen.evaluate.metrics.measuring import measure
from layermix_gen.evaluate.results.predictions import Predictions, SequencePredictions, predicted
from layermix_gen.evaluate.results.results_folder import begin_results, save_part
from layermix_gen.evaluate.results.signature import Signature, Suite

FRAMES = 20


def some_images(rng: np.random.Generator, severities: tuple[int, ...], images: int, classes: int) -> Predictions:
    """Predictions as sharp as those of an ImageNet model, a quarter of them wrong."""
    shape = (len(severities), images)
    best = rng.integers(0, classes, (*shape, 1))
    labels = np.where(rng.random(shape) < 0.75, best[..., 0], rng.integers(0, classes, shape))
    probabilities = -np.sort(-rng.dirichlet(np.full(5, 0.3), shape).astype(np.float32), 2)
    return Predictions(
        labels=labels,
        classes=((best + np.arange(5)) % classes).astype(np.int32),
        probabilities=np.minimum(probabilities, 1),
        log_likelihoods=np.log(rng.uniform(1e-6, 1, shape)).astype(np.float32),
        n_classes=classes,
        severities=severities,
    )


def some_videos(rng: np.random.Generator, videos: int, classes: int) -> SequencePredictions:
    """Videos of which every tenth frame is another than the one before."""
    jumps = (rng.random((videos, FRAMES, 1)) < 0.1).cumsum(1)
    best = (rng.integers(0, classes, (videos, 1, 1)) + jumps + np.arange(5)) % classes
    return SequencePredictions(best.reshape(-1, 5).astype(np.int32), np.full(videos, FRAMES), classes)


def make(root: Path, images: int, classes: int) -> None:
    """Write the results."""
    rng = np.random.default_rng(0)
    suites = {name: Suite(images, SEVERITIES) for name in ("c", "cbar")} | {"clean": Suite(images), "p": Suite(images)}
    signature = Signature(
        "none",
        "",
        "",
        "",
        "unknown",
        "imagenet",
        "imagenet",
        classes,
        "mean 0, std 1",
        "float32",
        0,
        versions={},
        suites=suites,
    )
    begin_results(root, signature)
    save_part(root, signature, "clean", "clean", some_images(rng, (0,), images, classes))
    for suite in ("c", "cbar"):
        for part in mean_list(suite, "imagenet"):
            save_part(root, signature, suite, part, some_images(rng, SEVERITIES, images, classes))
    for part in P:
        save_part(root, signature, "p", part, some_videos(rng, images, classes))


def report(root: Path) -> None:
    """Measure, in a process that does nothing else."""
    before = peak()
    begin = time.perf_counter()
    run = measure(root)
    seconds = time.perf_counter() - begin
    sizes = [path.stat().st_size / 1e6 for path in root.rglob("*.npz")]
    print(f"{len(run.numbers)} metrics of {sum(sizes):.0f} MB of predictions: {seconds:.1f} s")
    print(f"at most {peak():.0f} MB of memory, {before:.0f} before; the largest part is of {max(sizes):.0f} MB")


def peak() -> float:
    """The most memory that this process has had, in MB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


def keeping(classes: int) -> None:
    """The cost of what is kept of a batch: the only thing that prediction adds to a forward pass, but for reading."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(256, classes)).astype(np.float32), rng.integers(0, classes, 256)
    begin, rounds = time.perf_counter(), 50
    for _ in range(rounds):
        predicted(logits, labels)
    print(f"{(time.perf_counter() - begin) / rounds / 256 * 1e6:.1f} µs an image to keep of {classes} classes")


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        report(options.measure)
        return
    for classes in (10, 100, 1000):
        keeping(classes)
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.images, options.classes)
        subprocess.run([sys.executable, __file__, "--measure", folder], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
