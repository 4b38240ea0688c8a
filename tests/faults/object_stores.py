"""Kills of plans, builds, added planes and repairs in an object store at random moments; the store fails at times.

The store is moto's S3 over HTTP. After some kills in a row, the command runs while nothing is killed. It leaves the
very objects that it leaves where nothing went wrong: no lease, no part of an upload, and no temporary folder.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image as PillowImage

from tests.faults.kills import KILLS, Server, kill
from tests.faults.tally import Tally
from tests.servers import DROPS, Traffic, objects, stored_at, unfinished_uploads

OPTIONS = ("--variants", "4", "--size", "8", "--method", "cutmix", "--no-clean", "--shard-size", "2", "--workers", "2")
TRANSIENT = ("500", "503", "429", *DROPS)
KILLS_IN_A_ROW = 5
FEW, IMAGES = 10, (16, 80)  # rounds that are few, and the images of a build in few and in many: 8 and 40 shards
FAILING = (0.0, 0.02, 0.1)  # shares of requests

Objects = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class _Case:
    """A command, and the objects that are there when it begins."""

    begin: Callable[[], Objects]
    arguments: tuple[str, ...]
    last: str = "dataset.json"  # what it writes last


class _Rounds:
    """The commands, and what they leave undisturbed."""

    def __init__(
        self, url: str, traffic: Traffic, folder: Path, rng: np.random.Generator, server: Server, images: int
    ) -> None:
        self.url, self.traffic, self.rng, self.server = url, traffic, rng, server
        self.temporary = folder / "tmp"
        source = folder / "source"
        for number in range(images):
            path = source / f"class {number % 3}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PillowImage.fromarray(rng.integers(0, 256, (12, 14, 3), np.uint8)).save(path)

        def build(variants: int, what: str = "build") -> tuple[str, ...]:
            return (what, str(source), url, *OPTIONS, "--variants", str(variants))

        self.cases = {
            "built": _Case(dict, build(1)),
            "planned": _Case(dict, build(1, "plan"), "sources.parquet"),
            "built by a plan": _Case(lambda: self.whole("planned")[0], ("build-planned", url, "--workers", "2")),
            "finished": _Case(self._undeclared, ("finish", url)),
            "extended": _Case(lambda: self.whole("built")[0], build(2)),
            "repaired": _Case(self._damaged, ("verify", url, "--repair", "--workers", "2")),
        }
        self._whole: dict[str, tuple[Objects, float]] = {}

    def _damaged(self) -> Objects:
        found = dict(self.whole("built")[0])
        for name in sorted(name for name in found if name.endswith(".tar"))[::3]:
            found[name] = found[name][:-512]
        return {name: data for name, data in found.items() if name not in ("dataset.json", "index/000001.parquet")}

    def _undeclared(self) -> Objects:
        return {name: data for name, data in self.whole("built")[0].items() if name != "dataset.json"}

    def lay_out(self, case: _Case) -> None:
        """Make the store hold what a command begins with."""
        begin = case.begin()
        self.traffic.fault = lambda method, path: None
        system = fsspec.filesystem("s3")
        if objects(self.url):
            system.rm(self.url, recursive=True)
        system.pipe({f"{self.url}/{name}": data for name, data in begin.items()})

    def whole(self, name: str) -> tuple[Objects, float]:
        """What a command leaves undisturbed, and the seconds that it takes."""
        if name not in self._whole:
            self.lay_out(self.cases[name])
            begin = os.times().elapsed
            self.finish(self.cases[name])
            self._whole[name] = objects(self.url), os.times().elapsed - begin
        return self._whole[name]

    def finish(self, case: _Case) -> None:
        """Run a command, in which nothing is killed."""
        status, said = self.server.end(self.server.start(*case.arguments))
        if status:
            raise RuntimeError(f"exit status {status}, {said!r}")

    def failing(self, share: float) -> None:
        """Let a share of requests fail from now on, each in one of the ways that are tried again."""

        def fault(method: str, path: str) -> str | None:
            return str(self.rng.choice(TRANSIENT)) if self.rng.random() < share else None

        self.traffic.fault = fault

    def killed(self, name: str, kind: str) -> str | None:
        """Kill a command at a random moment; return what is wrong then."""
        case, seconds = self.cases[name], self.whole_seconds[name]
        share = float(self.rng.choice(FAILING))
        self.failing(share)
        delay = self.rng.uniform(0, seconds)
        wrong = kill(self.server, case.arguments, kind, delay, self.rng, lambda: self.is_whole(case))
        return wrong and f"{name}, with {share} of requests failing: {wrong}"

    def is_whole(self, case: _Case) -> bool:
        """Whether what a command writes last is in the store."""
        self.traffic.fault = lambda method, path: None
        return case.last in objects(self.url)

    @property
    def whole_seconds(self) -> dict[str, float]:
        """The seconds that each command takes undisturbed."""
        return {name: self._whole[name][1] for name in self._whole}

    def resumed(self, name: str) -> str | None:
        """Run a command to its end, while some requests fail; return what is wrong then."""
        self.failing(FAILING[1])
        try:
            self.finish(self.cases[name])
        except RuntimeError as error:
            return str(error)
        finally:
            self.traffic.fault = lambda method, path: None
        expected, found = self.whole(name)[0], objects(self.url)
        names = set(expected) | set(found)
        differ = [one for one in sorted(names) if _content(expected, one) != _content(found, one)]
        left = [path.name for path in self.temporary.iterdir() if path.name.startswith("layermix-gen-")]
        wrong = {"other": differ, "uploads": unfinished_uploads(self.url), "temporary": left}
        return json.dumps(wrong) if any(wrong.values()) else None


def _content(found: Objects, name: str) -> object:
    """An object's bytes; of the manifest, what does not tell how long a run took."""
    if name == "dataset.json" and name in found:
        return json.loads(found[name]) | {"run": None, "checksum": None}
    return found.get(name)


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Kill `rounds` commands, each at a random moment of its life, and see whether they are resumed."""
    tally, rng = Tally(), np.random.default_rng(seed)
    (folder / "tmp").mkdir()
    with stored_at() as (url, traffic), pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder / "tmp"))
        with Server(folder) as server:
            drawn = _Rounds(url, traffic, folder, rng, server, IMAGES[rounds > FEW])
            while (left := rounds - sum(tally.tried.values())) > 0:
                name = str(rng.choice(list(drawn.cases)))
                drawn.whole(name)
                drawn.lay_out(drawn.cases[name])
                kinds = [str(kind) for kind in rng.choice(list(KILLS), min(KILLS_IN_A_ROW, left))]
                for kind in kinds:
                    tally.record(kind, drawn.killed(name, kind))
                if wrong := drawn.resumed(name):
                    tally.failures.append(f"{name} after {kinds}: {wrong}")
    return tally
