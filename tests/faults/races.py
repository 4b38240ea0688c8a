"""Races: several builds, partitions, extensions and repairs at once in one folder, which may be removed meanwhile."""

import json
import shutil
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from tests.faults._forks import fault_of, fault_of_dataset, fresh, make_source, start
from tests.faults.tally import Tally

OPTIONS = ("--variants", 4, "--size", 8, "--shard-size", 4, "--workers", 1)


class Races:
    """The races, each a method that returns what did not hold, and the digests of undisturbed builds."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.rng, self.folder = rng, folder
        source, mixing_set = make_source(folder)
        self._common = ("--mixing-set", mixing_set, *OPTIONS)
        self.source = source
        self.whole = {(v, seed): self._undisturbed(v, seed) for v, seed in ((1, 0), (2, 0), (3, 0), (1, 1))}
        self.races = (
            self.equal_builds,
            self.other_builds,
            self.partitions,
            self.extensions,
            self.repairs,
            self.repair_and_build,
            self.removed_output,
        )

    def command(self, root: Path, variants: int, seed: int = 0) -> tuple[object, ...]:
        return ("build", self.source, root, *self._common, "--variants", variants, "--seed", seed)

    def _undisturbed(self, variants: int, seed: int) -> str:
        root = self.folder / f"whole-{variants}-{seed}"
        status, said = start(*self.command(root, variants, seed)).wait()
        if status:
            raise RuntimeError(said)
        found: str = json.loads((root / "dataset.json").read_text())["digest"]
        return found

    def at_once(self, *commands: tuple[object, ...]) -> list[tuple[int, str]]:
        """Start commands, the later ones up to a tenth of a second later; how each ended."""
        running = []
        for command in commands:
            running.append(start(*command))
            time.sleep(self.rng.choice([0, 0.01, 0.1]))
        return [one.wait() for one in running]

    def finished(self, root: Path, variants: int, seed: int = 0) -> str | None:
        """The fault after the command was run once more, by itself."""
        status, said = start(*self.command(root, variants, seed)).wait()
        return f"again: {said!r}" if status else fault_of_dataset(root, self.whole[variants, seed])

    def equal_builds(self, root: Path) -> str | None:
        ends = self.at_once(*[self.command(root, 1)] * 3)
        wrong = [f"status {status}, {said!r}" for status, said in ends if status]
        return "; ".join(wrong) or fault_of_dataset(root, self.whole[1, 0])

    def other_builds(self, root: Path) -> str | None:
        ends = self.at_once(self.command(root, 1, 0), self.command(root, 1, 1))
        winners = [seed for seed, (status, _) in enumerate(ends) if not status]
        if len(winners) != 1 or any(fault_of(*end) for end in ends):
            return f"{ends}"
        return fault_of_dataset(root, self.whole[1, winners[0]])

    def partitions(self, root: Path) -> str | None:
        ends = self.at_once(*((*self.command(root, 1), "--partition", f"{number}/3") for number in range(3)))
        wrong = [f"status {status}, {said!r}" for status, said in ends if status]
        return "; ".join(wrong) or fault_of_dataset(root, self.whole[1, 0])

    def extensions(self, root: Path) -> str | None:
        shutil.copytree(self.folder / "whole-1-0", root)
        ends = self.at_once(self.command(root, 2), self.command(root, 3))
        if wrong := [found for end in ends if (found := fault_of(*end))]:
            return "; ".join(wrong)
        return self.finished(root, 3)

    def damaged(self, root: Path) -> None:
        shutil.copytree(self.folder / "whole-1-0", root)
        for name in self.rng.choice(sorted(root.glob("*/*.tar")), 2, replace=False):
            Path(name).write_bytes(b"")

    def repairs(self, root: Path) -> str | None:
        self.damaged(root)
        ends = self.at_once(*[("verify", root, "--repair", "--workers", 1)] * 2)
        if all(status for status, _ in ends) or any(fault_of(*end) for end in ends):
            return f"{ends}"
        return fault_of_dataset(root, self.whole[1, 0])

    def repair_and_build(self, root: Path) -> str | None:
        self.damaged(root)
        commands = [("verify", root, "--repair", "--workers", 1), self.command(root, 2)]
        ends = self.at_once(*(commands[number] for number in self.rng.permutation(2)))
        if wrong := [found for end in ends if (found := fault_of(*end))]:
            return "; ".join(wrong)
        return self.finished(root, 2)

    def removed_output(self, root: Path) -> str | None:
        running = start(*self.command(root, 3))
        time.sleep(self.rng.uniform(0, 0.5))
        shutil.rmtree(root, ignore_errors=True)
        status, said = running.wait()
        if wrong := fault_of(status, said):
            return wrong
        return self.finished(root, 3)


def serve(rounds: int, seed: int, folder: str) -> None:
    """Run the races one after the other, each in a new folder; print each with what did not hold."""
    races = Races(Path(folder), np.random.default_rng(seed))
    methods: tuple[Callable[[Path], str | None], ...] = races.races
    for number, race in enumerate(islice(cycle(methods), rounds)):
        root = Path(folder) / f"out-{number}"
        print(json.dumps([race.__name__.replace("_", " "), race(root)]), flush=True)
        shutil.rmtree(root, ignore_errors=True)


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Run so many races, all kinds in turn."""
    tally = Tally()
    for kind, failure in fresh(serve, rounds, seed, str(folder)):
        tally.record(kind, failure)
    return tally
