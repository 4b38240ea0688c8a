"""Clocks that jump by years while jobs build in one folder, each as on a machine of its own, without locks."""

import errno
import fcntl
import json
import shutil
import time
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from layermix_gen.support import files
from tests.faults._forks import fault_of_dataset, fresh, make_source, start
from tests.faults.tally import Tally

JOBS = 3
YEARS = 20 * 365 * 86400.0  # seconds that a clock is off at most, at each look by another time
OPTIONS = ("--size", 8, "--shard-size", 2, "--variants", 2)


def elsewhere(number: int, seed: int, locks: bool) -> None:
    """Make this process one of another machine: its clock jumps, and its locks are unknown to others or do not work."""
    clock, jump = time.time, np.random.default_rng(seed).uniform
    time.time = lambda: clock() + jump(-YEARS, YEARS)
    files.machine = lambda: f"{number:08x}"  # type: ignore[assignment]
    if not locks:
        fcntl.flock = _refused


def _refused(*_: object) -> None:
    raise OSError(errno.ENOLCK, "no locks available")


def serve(rounds: int, seed: int, folder: str) -> None:
    """Build so many datasets by jobs that start at once; print how each did, and what did not hold."""
    rng, root = np.random.default_rng(seed), Path(folder)
    source, mixing_set = make_source(root)
    common = ("--mixing-set", mixing_set, *OPTIONS)
    status, said = start("build", source, root / "whole", *common).wait()
    if status:
        raise RuntimeError(said)
    whole = json.loads((root / "whole" / "dataset.json").read_text())["digest"]
    for number, locks in enumerate(islice(cycle((False, True)), rounds)):
        out = root / f"out-{number}"
        status, said = start("plan", source, out, *common).wait()
        if status:
            raise RuntimeError(said)
        jobs = []
        for job in range(JOBS):
            before = partial(elsewhere, job, int(rng.integers(2**32)), locks)
            jobs.append(start("build-planned", out, "--workers", 1, "--partition", f"{job}/{JOBS}", before=before))
            time.sleep(rng.choice([0, 0.05, 0.2]))
        ends = [job.wait() for job in jobs]
        wrong = [f"status {status}, {said!r}" for status, said in ends if status]
        kind = "with locks" if locks else "without locks"
        print(json.dumps([kind, "; ".join(wrong) or fault_of_dataset(out, whole)]), flush=True)
        shutil.rmtree(out)


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Build so many datasets under clocks that jump."""
    tally = Tally()
    for kind, failure in fresh(serve, rounds, seed, str(folder)):
        tally.record(kind, failure)
    return tally
