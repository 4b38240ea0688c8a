"""Compare methods, numbers of variants, losses and storage on one dataset: a matrix of trainings and evaluations.

    python study.py PLAN OUT --data path/to/cifar-10 [--only b 'layermix-*'] [--jobs 2] [--results FOLDER]

PLAN is a table in TOML: docs/study/plan.toml is the one of docs/study.md. Each run builds its shards where they are not
there yet, trains on them, evaluates, and writes one JSON file to the results (OUT/results), so several sittings,
processes and machines can share the work: what has a file there is done. If it is stopped, run the same command again.
A run uses one thread, which makes its numbers the same whenever it is repeated on such a processor; --jobs is how many
are under way at a time. `study_report.py` makes tables and plots from the results.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from models import make_model
from study_laboratory import Laboratory
from study_matrix import Run, read_plan
from study_runs import do
from training import errors_in_one_line

from layermix_gen import LayerMixError
from layermix_gen.support.checks import check_whole
from layermix_gen.support.progress import progress_bar


@errors_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Read the command line and do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", required=True, help="the images: anything that `build` reads, with a test split")
    parser.add_argument("--results", type=Path, help="where the JSON files go; default: OUT/results")
    parser.add_argument("--only", nargs="+", default=(), help="patterns of groups, conditions or runs")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="runs at a time")
    parser.add_argument("--uncompiled", action="store_true", help="do without torch.compile, which needs a compiler")
    parser.add_argument("--tidy", action="store_true", help="remove shards that no run of the plan needs any more")
    parser.add_argument("--list", action="store_true", help="print which runs are done and which are not")
    options = parser.parse_args(arguments)
    study, results = read_plan(options.plan), options.results or options.out / "results"
    lab = Laboratory(study, options.data, options.out, results, not options.uncompiled)
    runs = list(study.runs(options.only))
    if not runs:
        raise LayerMixError(f"expected runs of {options.plan} that --only names, found none; --list shows all")
    left = [one for one in runs if not lab.is_done(one)]
    check_whole("jobs", options.jobs, 1)
    if options.list:
        for one in runs:
            print("to do" if one in left else "done ", one.condition.group, one.name)
        return
    for network in {one.condition.network for one in left}:
        make_model(network, classes=2)  # which ends a study with an unknown one, before anything is built
    lab.claim()

    def tidy() -> None:
        if options.tidy:
            lab.tidy([*study.runs()])

    if options.jobs == 1:
        do_all(left, lab, tidy)
    else:
        Desk(sys.argv[1:] if arguments is None else arguments, lab, left).work(options.jobs, tidy)


def do_all(runs: Sequence[Run], lab: Laboratory, tidy: Callable[[], None]) -> None:
    """Do all runs in this process, those last that other processes are doing."""
    elsewhere = []
    for one in runs:
        if not do(one, lab, wait=False):
            elsewhere.append(one)
        tidy()
    for one in elsewhere:
        do(one, lab)


class Desk:
    """Several runs at a time, each in a process of its own, whose output goes to a file in OUT/logs."""

    def __init__(self, arguments: Sequence[str], lab: Laboratory, runs: Sequence[Run]) -> None:
        self.arguments, self.lab, self.runs = list(arguments), lab, runs
        self.under_way: set[subprocess.Popen[str]] = set()
        self.is_ended = False

    def work(self, jobs: int, tidy: Callable[[], None]) -> None:
        """Do all runs. The first that fails ends it, and so does Ctrl-C: what is under way goes on the next time."""
        bar = progress_bar(sum(one.condition.epochs for one in self.runs), "epoch", True, "study")
        with bar, ThreadPoolExecutor(jobs) as pool:
            pending = [pool.submit(self._run, one, bar) for one in self.runs]
            try:
                for future in as_completed(pending):
                    future.result()
                    tidy()
            except KeyboardInterrupt:
                raise SystemExit("Interrupted: give the same command again to go on") from None
            finally:
                self.is_ended = True
                for process in list(self.under_way):
                    process.terminate()

    def _run(self, one: Run, bar: Any) -> None:
        if self.is_ended:
            return
        log = self.lab.out / "logs" / f"{one.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, *self.arguments, "--only", one.name, "--jobs", "1"]
        epochs, line = 0, ""
        with (
            log.open("w") as file,
            subprocess.Popen(  # noqa: S603 - this script
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process,
        ):
            self.under_way.add(process)
            if self.is_ended:  # since this began
                process.terminate()
            for line in process.stdout or ():
                print(line, end="", file=file, flush=True)
                if line.startswith("{") and line.endswith("\n") and (done := json.loads(line)["epoch"] - epochs) > 0:
                    bar.update(done)
                    epochs += done
        self.under_way.discard(process)
        if not process.returncode:
            bar.update(one.condition.epochs - epochs)
        elif not self.is_ended:
            raise LayerMixError(f"{one.name} failed: {line.strip()}; all it said is in {log}")


if __name__ == "__main__":
    main()
