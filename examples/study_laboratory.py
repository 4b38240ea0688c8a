"""Where a study works: what its runs share, made once by the run that comes to it first, while others wait.

The part of the test set, its corruptions, the mixing sets and the datasets. What is there already is kept, so a study
that was stopped goes on.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from study_matrix import Condition, Run, Study

from layermix_gen import LayerMixError, build
from layermix_gen.evaluate import corrupt
from layermix_gen.evaluate.benchmarks import C, P
from layermix_gen.mixing_sets.fractals import render_set
from layermix_gen.sources import open_source

TRAINED = "training.json"  # in the folder of a run: what is to be told of a training that is over
MEANT: dict[str, tuple[str, ...]] = {"c": C, "cbar": (), "p": P}  # what of each suite its mean is over; (): all
SECONDS = "seconds.json"  # in a dataset of the study: what building it took of a processor


@dataclass(frozen=True, slots=True)
class Laboratory:
    """Where a study works: `data` is the source of the images, `out` the folder for all that is made on the way."""

    study: Study
    data: str
    out: Path
    results: Path
    compiled: bool = True

    def result(self, one: Run) -> Path:
        """The JSON file of a run."""
        return self.results / f"{one.name}.json"

    def is_done(self, one: Run) -> bool:
        """Whether a run is there, of this very condition, with all suites of the study."""
        if not self.result(one).exists():
            return False
        found = json.loads(self.result(one).read_text())
        if found["run"] != one.facts():
            raise LayerMixError(f"{self.result(one)} is of another condition than the plan's; move it away")
        if found["test"] | {"suites": None} != self.study.tests() | {"suites": None}:
            raise LayerMixError(f"{self.result(one)} was measured on other images than the plan's; move it away")
        return set(found["test"]["suites"]) >= set(self.study.suites)

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Wait until no other run makes the same."""
        folder = self.out / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / name):
            yield

    def images(self) -> tuple[str, str]:
        """The sources of the images to train on and of those to test with, as `build` takes them with `--kind`."""
        if self.study.test == "test":
            return self.data, "auto"
        return str(self.made("held-out.npz", self._write_held_out)), "npz"

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """A file or folder of this laboratory, made where it is not there yet."""
        path = self.out / name
        with self.alone(name):
            if not path.exists():
                draft = path.with_name(f"draft-{name}")
                make(draft)
                draft.replace(path)
        return path

    def _write_held_out(self, path: Path) -> None:
        images, labels = read_all(self.data, "auto")
        cut = len(images) - self.study.held_out
        with path.open("wb") as file:
            np.savez(file, x_train=images[:cut], y_train=labels[:cut], x_test=images[cut:], y_test=labels[cut:])

    def first_of_test(self, count: int | None) -> Path:
        """The first images of the test set, as a source of its own; None: all."""

        def write(path: Path) -> None:
            data, kind = self.images()
            images, labels = read_all(data, f"{kind}:test", count)
            with path.open("wb") as file:
                np.savez(file, x_test=images, y_test=labels)

        return self.made(f"test-{count or 'all'}.npz", write)

    def suite(self, name: Any) -> Path:
        """The folder of a suite that is made of the test set."""
        count = self.study.sequences if name == "p" else self.study.images
        source, folder = self.first_of_test(count), self.out / f"{name}-{count}"
        with self.alone(folder.name):
            corrupt(source, folder, name, corruptions=MEANT[name], kind="npz:test", workers=1, progress=False)
        return folder

    def mixing_set(self, name: str) -> Path | None:
        """The mixing set that the plan calls by a name: rendered, or a folder of pictures."""
        if not name:
            return None
        options = dict(self.study.mixing_sets[name])
        if "folder" in options:
            return self.out / options["folder"]
        path = self.out / f"{name}.npy"
        with self.alone(path.name):
            render_set(path, workers=1, progress=False, **options)
        return path

    def dataset(self, one: Condition) -> Path:
        """The shards of a condition."""
        shards, (data, kind) = self.out / "shards" / one.dataset, self.images()
        with self.alone(one.dataset):
            begin = time.process_time()
            build(
                data,
                shards,
                one.settings,
                kind=kind,
                mixing_set=None if one.fresh else self.mixing_set(one.mixing_set),
                workers=1,
                progress=False,
            )
            cost = shards / SECONDS
            if not cost.exists():
                cost.write_text(json.dumps(round(time.process_time() - begin, 1)))
        return shards

    def tidy(self, left: Iterable[Run]) -> None:
        """Remove the shards that no run needs any more: each is trained here, or has its result from elsewhere."""
        waiting = (one for one in left if not (self.out / "trained" / one.name / TRAINED).exists())
        needed = {one.condition.dataset for one in waiting if not self.is_done(one)}
        for shards in (self.out / "shards").glob("*"):
            if shards.name not in needed:
                with self.alone(shards.name):
                    shutil.rmtree(shards, ignore_errors=True)


def read_all(data: str, kind: str, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first images of a source, uint8 (N, H, W, 3), and their labels (N,), in the source's order."""
    source = open_source(data, kind)
    items = source.items()[:count]
    return np.stack([source.read(item) for item in items]), np.array([item.label for item in items])
