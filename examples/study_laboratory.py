"""Where a study works: what its runs share, made once by the run that comes to it first, while others wait.

The part of the test set, its corruptions, the mixing sets and the datasets. What is there already is kept, so a study
that was stopped goes on.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from study_matrix import Condition, Run, Study, read_facts

from layermix_gen import LayerMixError, build
from layermix_gen.evaluate import corrupt
from layermix_gen.evaluate.benchmarks import C, P
from layermix_gen.mixing_sets.fractals import render_set
from layermix_gen.sources import open_source

TEMPERATURE = "temperature"  # in the results of a run whose calibration was also measured after rescaling
TRAINED = "training.json"  # in the folder of a run: what is to be told of a training that is over
RUN = "run.json"  # there, too: what decides the results of the run
STUDY = "study.json"  # in the folder of a study: whose images it works on
INCIDENTAL = {"seeds", "group"}  # facts of a run that decide no result
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

    def facts(self, one: Run) -> dict[str, Any]:
        """What decides the results of a run, but for the images and the versions."""
        mixing = {"mixed": self.study.mixing_sets[name]} if (name := one.condition.mixing_set) else {}
        return one.facts() | mixing

    def is_done(self, one: Run) -> bool:
        """Whether a run is there, of this very condition, with all suites of the study.

        One that lacks calibration after temperature scaling is done unless its network is here, too.
        """
        path = self.result(one)
        if not path.exists():
            return False
        found, test = read_facts(path, ("run", "test", "results")), self.study.tests()
        if deciding(found["run"]) != deciding(self.facts(one)):
            raise LayerMixError(f"{path} is of another condition than the plan's; move it away")
        if found["test"] | {"suites": None} != test | {"suites": None}:
            raise LayerMixError(f"{path} was measured on other images than the plan's; move it away")
        is_whole = set(found["test"]["suites"]) >= set(self.study.suites)
        can_be_rescaled = one.condition.rescaled and (self.out / "trained" / one.name / TRAINED).exists()
        return is_whole and (TEMPERATURE in found["results"] or not can_be_rescaled)

    def claim(self) -> None:
        """Refuse to work in a folder in which a study of other images, or with another test set, has worked."""
        open_source(self.data, "auto")  # which refuses what is none, before the folder is taken for it
        data = str(Path(self.data).resolve()) if Path(self.data).exists() else self.data
        self._claim(self.out / STUDY, {"data": data} | self.study.split(), "give another folder")

    def folder(self, one: Run) -> Path:
        """Where a run is trained. Raises `LayerMixError` where another condition was, under the same name."""
        folder = self.out / "trained" / one.name
        facts = deciding(self.facts(one)) | self.study.split()
        self._claim(folder / RUN, facts, f"remove {folder} and {self.predictions(one)}")
        return folder

    def predictions(self, one: Run) -> Path:
        """Where what a run's network has predicted is kept."""
        return self.out / "predictions" / one.name

    def _claim(self, path: Path, facts: dict[str, Any], remedy: str) -> None:
        with self.alone("claims"):
            if not path.exists():
                if path.parent.exists() and any(path.parent.glob("*.pt")):
                    raise LayerMixError(f"expected {path} beside a checkpoint, found none; {remedy}")
                write(path, facts)
            elif (found := read_facts(path)) != facts:
                names = ", ".join(sorted(name for name in {*found, *facts} if found.get(name) != facts.get(name)))
                raise LayerMixError(f"{path.parent} is of other {names} than the plan's; {remedy}")

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Wait until no other run makes the same."""
        with self._lock(name):
            yield

    @contextmanager
    def alone_or_not(self, one: Run, *, wait: bool) -> Iterator[bool]:
        """Whether a run may be made here: with `wait`, as soon as no other process makes it; else, if none does."""
        lock = self._lock(f"run-{one.name}")
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _lock(self, name: str) -> FileLock:
        folder = self.out / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / name)

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
        return self._part_of_test(f"test-{count or 'all'}.npz", slice(count))

    def rest_of_test(self, count: int) -> Path:
        """The images of the test set after the first."""
        return self._part_of_test(f"test-after-{count}.npz", slice(count, None))

    def _part_of_test(self, name: str, chosen: slice) -> Path:
        def write(path: Path) -> None:
            data, kind = self.images()
            images, labels = read_all(data, f"{kind}:test", chosen)
            if not len(images):
                raise LayerMixError(f"expected more test images than the {self.study.images} of the plan; lower images")
            with path.open("wb") as file:
                np.savez(file, x_test=images, y_test=labels)

        return self.made(name, write)

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

    def tidy(self, runs: Sequence[Run]) -> None:
        """Remove the shards of runs that none needs any more: each is trained, or has its result from elsewhere."""
        waiting = (one for one in runs if not (self.out / "trained" / one.name / TRAINED).exists())
        needed = {one.condition.dataset for one in waiting if not self.is_done(one)}
        for name in {one.condition.dataset for one in runs} - needed:
            with self.alone(name):
                shutil.rmtree(self.out / "shards" / name, ignore_errors=True)


def deciding(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a run that decide its results."""
    return {name: value for name, value in facts.items() if name not in INCIDENTAL}


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write a JSON file, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(facts, indent=1) + "\n")
    draft.replace(path)


def read_all(data: str, kind: str, chosen: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """Images of a source, uint8 (N, H, W, 3), and their labels (N,), in the source's order."""
    source = open_source(data, kind)
    items = source.items()[chosen]
    return np.array([source.read(item) for item in items]), np.array([item.label for item in items])
