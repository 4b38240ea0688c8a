"""A script that makes golden/fractals.npz, the thumbnails of pictures that hardly change with the processor.

Run it only where a change of the pictures is meant, after VERSION is raised:

    .venv/bin/python -m tests.mixing_sets.fractals.make_golden

It takes the first picture of seed 0 that stays within two gray levels, both where NumPy and OpenCV use no instructions
but those that every processor has, and where its parameters move by half a unit in the last place.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from layermix_gen.mixing_sets.fractals import KINDS, make_fractal, render_fractal, render_record

GOLDEN = Path(__file__).parent / "golden" / "fractals.npz"
COUNT = 12  # pictures of each kind that are tried
HALF_A_UNIT = 2.0**-24  # of float32, relative


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """The picture at 16 px."""
    return cv2.resize(picture, (16, 16), interpolation=cv2.INTER_AREA)


def difference(one: np.ndarray, other: np.ndarray) -> int:
    """The largest difference of two thumbnails, in gray levels."""
    return int(np.abs(one.astype(int) - other).max())


def thumbnails() -> dict[str, np.ndarray]:
    """The thumbnails of the first pictures of each kind, by KIND-INDEX."""
    return {f"{kind}-{n}": thumbnail(render_fractal(0, n, 256, (kind,))) for kind in KINDS for n in range(COUNT)}


def of_another_processor() -> dict[str, np.ndarray]:
    """The same thumbnails, by the instructions that every processor has."""
    dispatched = [name.strip("*?") for name in cv2.getCPUFeaturesLine().split() if name.startswith("*")]
    without = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", ())),
        "OPENCV_CPU_DISABLE": ",".join(dispatched),
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.mixing_sets.fractals.make_golden", f"{folder}/made.npz"]
        subprocess.run(command, check=True, env=os.environ | without)
        return dict(np.load(f"{folder}/made.npz"))


def moved(value: Any, rng: np.random.Generator) -> Any:
    """A picture's parameters with each fraction moved by half a unit in the last place."""
    if isinstance(value, dict):
        return {name: moved(one, rng) for name, one in value.items()}
    if isinstance(value, list):
        return [moved(one, rng) for one in value]
    return value * (1 + HALF_A_UNIT * rng.choice([-1, 1])) if isinstance(value, float) else value


def is_steady(kind: str, index: int) -> bool:
    """Whether a picture stays as it is while its parameters move."""
    made = make_fractal(0, index, 256, (kind,))
    records = [
        made.record | {"parameters": moved(made.record["parameters"], np.random.default_rng(n))} for n in range(4)
    ]
    return all(difference(thumbnail(made.pixels), thumbnail(render_record(one, 256))) <= 2 for one in records)


def main() -> None:
    """Write the thumbnails."""
    here, there = thumbnails(), of_another_processor()
    golden = {}
    for kind in KINDS:
        names = (f"{kind}-{n}" for n in range(COUNT) if difference(here[f"{kind}-{n}"], there[f"{kind}-{n}"]) <= 2)
        name = next(name for name in names if is_steady(kind, int(name.rpartition("-")[2])))
        golden[name] = here[name]
    np.savez(GOLDEN, **golden)  # type: ignore[arg-type]
    print(*golden)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        np.savez(sys.argv[1], **thumbnails())  # type: ignore[arg-type]
    else:
        main()
