"""Compare training with and without LayerMix on Fashion-MNIST: two small networks, on plain and on mixed shards.

    python evaluate_fashion_mnist.py OUT [--data /usr/share/datasets/fashion-mnist] [--epochs 5]

Builds the shards, trains on the CPU, corrupts the test set by the 15 corruptions of C, evaluates clean, C, PGD and
calibration, and writes the report with its plots, and Grad-CAM of a few test images by both networks, to OUT/report.
If it is stopped, run the same command again: every step continues where it was. The data are the IDX files of Debian's
dataset-fashion-mnist.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from training import Recipe, errors_in_one_line, train

from layermix_gen import BuildSettings, build
from layermix_gen.evaluate import corrupt, load_model, make_report, run, write_gradcam_sheet, write_report
from layermix_gen.evaluate.benchmarks import C
from layermix_gen.sources import open_source

METHODS = {"Baseline": "none", "LayerMix": "layermix"}
MEAN = STD = 0.5
SHOWN_CLASSES, SHOWN_CORRUPTIONS, SHOWN_SEVERITY = (0, 9), ("fog", "gaussian_noise"), 3


def small_cnn() -> nn.Module:
    """Four convolutions, 61,000 weights, for images (B, 3, 28, 28) of 10 classes."""
    layers: list[nn.Module] = []
    before = 3
    for width, stride in ((16, 2), (32, 2), (64, 1), (64, 1)):
        layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def fit(data: str, out: Path, name: str, epochs: int) -> Path:
    """Build the shards of a method and train on them; return the checkpoint of the last epoch."""
    shards = out / "shards" / name
    build(data, shards, BuildSettings(variants=2, clean=False, method=METHODS[name]))
    torch.manual_seed(0)
    recipe = Recipe(
        epochs=epochs,
        batch_size=128,
        rate=0.1,
        weight_decay=5e-4,
        soft_labels=False,
        jsd=0,
        outliers="",
        seed=0,
        mean=(MEAN,),
        std=(STD,),
        save_every=100,
        out=out / "trained" / name,
    )
    train(lambda classes: (small_cnn(), f"{__file__}:small_cnn"), str(shards), None, recipe)
    return recipe.out / "checkpoint.pt"


def look(data: str, out: Path, checkpoints: dict[str, Path]) -> Path:
    """Draw Grad-CAM of the first test image of some classes, clean and corrupted, by all networks."""
    source, corrupted = open_source(data, "idx:test"), out / "fashion-mnist-c"
    items, labels = source.items(), np.load(corrupted / "labels.npy")
    shown = out / "shown"
    shown.mkdir(exist_ok=True)
    paths = []
    for label in SHOWN_CLASSES:
        first = int(np.flatnonzero(labels == label)[0])
        images = {"clean": source.read(items[first])}
        for name in SHOWN_CORRUPTIONS:
            severities = np.load(corrupted / f"{name}.npy", mmap_mode="r").reshape(5, len(items), 28, 28, 3)
            images[f"{name} {SHOWN_SEVERITY}"] = severities[SHOWN_SEVERITY - 1, first]
        for name, image in images.items():
            paths.append(shown / f"class {label}, {name}.png".replace("_", " "))
            Image.fromarray(image).save(paths[-1])
    models = [
        (name, load_model(f"{__file__}:small_cnn", checkpoint, mean=(MEAN,), std=(STD,)))
        for name, checkpoint in checkpoints.items()
    ]
    return write_gradcam_sheet(models, paths, out / "report" / "gradcam.png", preprocessing="none")


@errors_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Read the command line; build, train, corrupt, evaluate, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="a folder of IDX files")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args(arguments)
    out: Path = options.out
    corrupt(options.data, out / "fashion-mnist-c", "c", corruptions=C, kind="idx:test")
    results, checkpoints = {}, {}
    for name in METHODS:
        checkpoints[name] = fit(options.data, out, name, options.epochs)
        results[name] = out / "results" / name
        run(
            f"{__file__}:small_cnn",
            {"clean": options.data, "c": out / "fashion-mnist-c"},
            results[name],
            ("clean", "c", "pgd", "calibration"),
            checkpoint=checkpoints[name],
            checkpoint_rule="last",
            mean=(MEAN,),
            std=(STD,),
        )
    report = make_report(list(results.items()))
    write_report(report, out / "report")
    look(options.data, out, checkpoints)
    print(report.text())


if __name__ == "__main__":
    main()
