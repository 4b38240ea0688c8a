"""Fixtures of whole builds: small pieces of real photographs, a few pictures to mix with, and a cache of their own."""

import compileall
import gzip
import os
import signal
import struct
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

# Threads of PyTorch and NumPy wait for each other in loops: where a process tests on each CPU already, two threads in
# each made the tests of attacks take three times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image as PillowImage

import layermix_gen

settings.register_profile("patient", deadline=None)  # how long an example takes depends on what else is running
settings.load_profile("patient")

# Where Ctrl-C is ignored, as in the background of a shell, processes that tests interrupt would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ("tests.inspection.datasets", "tests.reading.datasets")

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
PIECE = (56, 44)  # height and width of the pieces, in pixels


def pytest_configure() -> None:
    """Let all processes write bytecode, which pip was told not to make, and compile the package first, once.

    Of the 0.66 s of CPU time that a process needs for the imports of a build, the package's bytecode saves 0.22 s.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if "PYTEST_XDIST_WORKER" not in os.environ:
        compileall.compile_dir(Path(layermix_gen.__file__).parent, quiet=2)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache directory of all tests, those of other xdist workers too, and of the processes that they start."""
    run = tmp_path_factory.getbasetemp()
    folder = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERMIX_GEN_CACHE", str(folder))
        yield folder


def cut_photographs(root: Path, pieces: int) -> Path:
    """Cut `pieces` pieces out of each of scikit-image's photographs, as JPEG and PNG alternately, a class each."""
    rng = np.random.default_rng(0)
    for name in PHOTOGRAPHS:
        folder = root / Path(name).stem
        folder.mkdir(parents=True)
        with PillowImage.open(str(files("skimage") / "data" / name)) as photograph:
            pixels = np.asarray(photograph.convert("RGB"))
        for number in range(pieces):
            top, left = (int(rng.integers(whole - part)) for whole, part in zip(pixels.shape, PIECE, strict=False))
            piece = PillowImage.fromarray(pixels[top : top + PIECE[0], left : left + PIECE[1]])
            piece.save(folder / f"{number:03d}.{'jpg' if number % 2 else 'png'}")
    return root


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 photographs of 44x56 px in 4 classes. Not to be written to."""
    return cut_photographs(tmp_path_factory.mktemp("photographs") / "source", pieces=6)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 400 photographs, for runs that are stopped halfway. Not to be written to."""
    return cut_photographs(tmp_path_factory.mktemp("many") / "source", pieces=100)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An IDX set of 40 gray images of 28 px in 10 classes; its test split has the same. Not to be written to."""
    root = tmp_path_factory.mktemp("digits")
    images = np.random.default_rng(1).integers(0, 256, (40, 28, 28), np.uint8)
    labels = bytes(number % 10 for number in range(40))
    for split in ("train", "t10k"):
        (root / f"{split}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">4I", 0x803, 40, 28, 28) + images.tobytes())
        )
        (root / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">2I", 0x801, 40) + labels))
    return root


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixing set of 6 smooth gray pictures of 40 px."""
    rng = np.random.default_rng(2)
    small = [PillowImage.fromarray(rng.integers(0, 256, (5, 5), np.uint8)) for _ in range(6)]
    path = tmp_path_factory.mktemp("pool") / "pool.npy"
    np.save(path, np.stack([np.asarray(one.resize((40, 40), PillowImage.Resampling.BICUBIC)) for one in small]))
    return path
