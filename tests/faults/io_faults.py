"""Faults of the system's calls at random moments of builds, extensions and repairs, once or from then on.

Each is followed by the same command without faults, which has to give the dataset of an undisturbed build.
"""

import errno
import json
import os
import shutil
import tempfile
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from layermix_gen.support import files
from tests.faults._forks import fault_of, fault_of_dataset, fresh, make_source, start
from tests.faults._preload import READING, WRITING, arm, compiled, counted
from tests.faults.tally import Tally

OPTIONS = ("--variants", 4, "--size", 8, "--shard-size", 6)
ERRORS = {READING: ("EIO", "ESTALE", "EMFILE", "ENOMEM", "ETIMEDOUT"), WRITING: ("ENOSPC", "EDQUOT", "EIO")}
KINDS = ("build", "extension", "repair", "build", "extension", "build by 2 workers")
FOR_EVER = 1 << 40


class Rounds:
    """The commands that are disturbed, and the digests of undisturbed builds."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.folder, self.rng = folder, rng
        self.source, self.mixing_set = make_source(folder)
        self.whole = {variants: self._undisturbed(variants) for variants in (1, 2)}
        self.calls: dict[tuple[str, int], int] = {}

    def build(self, root: Path, variants: int, workers: int = 1) -> tuple[object, ...]:
        mixing = ("--mixing-set", self.mixing_set, "--variants", variants, "--workers", workers)
        return ("build", self.source, root, *OPTIONS, *mixing)

    def _undisturbed(self, variants: int) -> str:
        root = self.folder / f"whole-{variants}"
        status, said = start(*self.build(root, variants)).wait()
        if status:
            raise RuntimeError(said)
        found: str = json.loads((root / "dataset.json").read_text())["digest"]
        return found

    def begun(self, kind: str, root: Path) -> tuple[tuple[object, ...], int]:
        """Lay out what a command finds; the command, and the variants of the dataset after it."""
        if kind.startswith("build"):
            return self.build(root, 1, 2 if "workers" in kind else 1), 1
        shutil.copytree(self.folder / "whole-1", root)
        if kind == "extension":
            return self.build(root, 2), 2
        (root / "v00" / "000001.tar").write_bytes(b"")
        (root / "index" / "000002.parquet").unlink()
        return ("verify", root, "--repair", "--workers", 1), 1

    def calls_of(self, kind: str, calls: int) -> int:
        """How many calls of a kind an undisturbed command makes."""
        if (kind, calls) not in self.calls:
            root, told = self.folder / "counted", self.folder / "calls"
            command, _ = self.begun(kind, root)

            def before() -> None:
                arm(self.folder, calls, FOR_EVER, errno.EIO, 0)
                leave = os._exit
                os._exit = lambda status: (told.write_text(str(counted())), leave(status))[1]

            start(*command, before=before).wait()
            self.calls[kind, calls] = int(told.read_text())
            shutil.rmtree(root)
        return self.calls[kind, calls]

    def disturbed(self, kind: str, root: Path) -> tuple[str, str, str | None]:
        """Disturb a command, then run it again; whether that stopped it, what was done, and what did not hold."""
        calls = int(self.rng.choice((READING, WRITING)))
        name = str(self.rng.choice(ERRORS[calls]))
        at = int(self.rng.integers(self.calls_of(kind.partition(" by")[0], calls)))
        times = int(self.rng.choice((1, 1, FOR_EVER)))
        command, variants = self.begun(kind, root)
        what = f"{kind}, {name} at call {at}, {'once' if times == 1 else 'for ever'}"
        status, said = start(*command, before=lambda: arm(self.folder, calls, at, getattr(errno, name), times)).wait()
        ended = f"{kind} stopped" if status else f"{kind} undisturbed"
        if wrong := fault_of(status, said):
            return ended, what, wrong
        if status == 0 and (wrong := fault_of_dataset(root, self.whole[variants])):
            return ended, what, f"it ended well, but: {wrong}"
        status, again = start(*command).wait()
        if status:  # a repair of a dataset without manifest and plan
            status, again = start(*self.build(root, variants)).wait()
        wrong = f"again: {again!r}" if status else fault_of_dataset(root, self.whole[variants])
        return ended, what, wrong and f"{wrong}, after {said!r}"


def serve(rounds: int, seed: int, folder: str) -> None:
    """Disturb so many commands, each in a new folder; print for each what `disturbed` returns."""
    files.PAUSES = (0.0, 0.0)
    disturbed = Rounds(Path(folder), np.random.default_rng(seed))
    for number, kind in enumerate(islice(cycle(KINDS), rounds)):
        root = Path(folder) / f"out-{number}"
        print(json.dumps(disturbed.disturbed(kind, root)), flush=True)
        shutil.rmtree(root, ignore_errors=True)


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Disturb so many commands. Raises FileNotFoundError where there is no C compiler."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as apart:
        surroundings = {"LD_PRELOAD": str(compiled(Path(apart)))}
        for ended, what, failure in fresh(serve, rounds, seed, str(folder), surroundings=surroundings):
            tally.record(ended, failure and f"{what}: {failure}")
    return tally
