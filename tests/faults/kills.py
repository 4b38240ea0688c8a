"""Kills of builds, repairs and renderings at random moments, and whether the same command then does what it should.

After each kill, no process is left and standard error shows no traceback. After some kills in a row, the command runs
undisturbed and leaves the very files that it leaves where nothing was killed.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tests.faults.tally import Tally
from tests.helpers import alive, children, digest, files, wait_until

SERVER = "from tests.faults.kills import serve; serve()"
INTERRUPTED = 130
OPTIONS = ("--variants", "4", "--size", "16", "--method", "cutmix")
FEW = 10  # rounds that are few
SHARDS = {False: (10, 4), True: (40, 2)}  # of a build, and the images of each, in few rounds and in many
AT_ONCE = 3.0  # seconds, on a busy machine
KILLS_IN_A_ROW = 5


# --- the product, started by a fork of a process that has imported it ------------------------------------------------


def serve() -> None:
    """Run commands, each in a fork that ends as a process of its own would; print numbers in answer."""
    import layermix_gen.commands.build
    import layermix_gen.commands.build_planned
    import layermix_gen.commands.finish
    import layermix_gen.commands.fractals
    import layermix_gen.commands.plan
    import layermix_gen.commands.verify  # noqa: F401
    from layermix_gen.__main__ import run
    from layermix_gen.support.interrupts import end_quietly

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it in what runs in its background
    end_quietly()
    for line in sys.stdin:
        match json.loads(line):
            case int(pid):
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            case [said, *arguments]:
                pid = os.fork()
                if pid == 0:
                    os.setsid()
                    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, os.devnull, os.O_WRONLY)):
                        os.dup2(os.open(path, flags), number)
                    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
                    sys.argv = ["layermix-gen", *arguments]
                    break
                wait_until(lambda pid=pid: os.getsid(pid) == pid, "a session")  # type: ignore[misc]
                print(pid, flush=True)
    else:
        return
    run()


class Server:
    """The process that starts commands."""

    def __init__(self, folder: Path) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=pipe, stdout=pipe, text=True)
        self._said = folder / "stderr"

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def _ask(self, message: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(message), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def start(self, *arguments: str) -> int:
        """Start a command; return the number of its process, which is also that of its session."""
        return self._ask([str(self._said), *arguments])

    def end(self, pid: int) -> tuple[int, str]:
        """Wait for a command; return its exit status and what it wrote to standard error."""
        status = self._ask(pid)
        return status, self._said.read_text()


# --- what is killed --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    """A command, what is there when it begins, and what tells whether its result is right."""

    begin: Callable[[Path], None]
    arguments: tuple[str, ...]  # with {out} for what it writes
    result: Callable[[Path], object] = digest
    last: str = "dataset.json"  # what it writes last

    def command(self, out: Path) -> tuple[str, ...]:
        """The command that writes to `out`."""
        return tuple(part.format(out=out) for part in self.arguments)


def _jobs(folder: Path, many: bool) -> dict[str, _Job]:
    source = folder / "source"
    rng = np.random.default_rng(0)
    shards, images = SHARDS[many]
    for number in range(shards * images):
        path = source / f"class {number % 4}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (20, 24, 3), np.uint8))
    small, built = ("--variants", "1", "--no-clean"), folder / "built"

    def copied(out: Path) -> None:
        shutil.copytree(built, out)

    def damaged(out: Path) -> None:
        copied(out)
        for tar in sorted(out.glob("v00/*.tar"))[::3]:
            tar.write_bytes(tar.read_bytes()[:-512])
        (out / "dataset.json").unlink()

    def undeclared(out: Path) -> None:
        copied(out)
        (out / "dataset.json").unlink()

    def planned(out: Path) -> None:
        out.mkdir()
        for name in ("plan.json", "sources.parquet"):
            shutil.copy2(built / name, out)

    def command(variants: tuple[str, ...], workers: int, what: str = "build") -> tuple[str, ...]:
        size = ("--shard-size", str(images))
        return (what, str(source), "{out}", *OPTIONS, *size, *variants, "--workers", str(workers))

    return {
        "built": _Job(lambda _: None, command(small, 2), digest),  # two others begin with what it leaves
        "built by one": _Job(lambda _: None, command(small, 1)),
        "planned": _Job(lambda _: None, command(small, 1, "plan"), _plan_of, "sources.parquet"),
        "built by a plan": _Job(planned, ("build-planned", "{out}", "--workers", "2")),
        "finished": _Job(undeclared, ("finish", "{out}")),
        "extended": _Job(copied, command(("--variants", "2", "--clean"), 2)),
        "repaired": _Job(damaged, ("verify", "{out}", "--repair", "--workers", "2")),
        "rendered": _Job(
            lambda out: out.mkdir(),
            ("fractals", "render", "{out}/set.npy", "--count", "48", "--size", "32", "--workers", "2"),
            lambda out: hashlib.sha256((out / "set.npy").read_bytes()).hexdigest(),
            "set.npy",
        ),
    }


def _plan_of(out: Path) -> object:
    return [(out / name).read_bytes() for name in ("plan.json", "sources.parquet")]


# --- kills -----------------------------------------------------------------------------------------------------------


def _worker_or_parent(pid: int, rng: np.random.Generator) -> int:
    workers = children(pid)
    return int(rng.choice(workers)) if workers else pid


KILLS: dict[str, Callable[[int, np.random.Generator], tuple[tuple[int, int], ...]]] = {
    "SIGKILL to the group": lambda pid, _: ((-pid, signal.SIGKILL),),
    "SIGKILL to the parent": lambda pid, _: ((pid, signal.SIGKILL),),
    "SIGKILL to a worker": lambda pid, rng: ((_worker_or_parent(pid, rng), signal.SIGKILL),),
    "SIGSTOP and SIGKILL": lambda pid, _: ((-pid, signal.SIGSTOP), (-pid, signal.SIGKILL)),
    "SIGINT": lambda pid, _: ((pid, signal.SIGINT),),
    "SIGINT to the group": lambda pid, _: ((-pid, signal.SIGINT),),
    "SIGTERM": lambda pid, _: ((pid, signal.SIGTERM),),
    "SIGTERM to the group": lambda pid, _: ((-pid, signal.SIGTERM),),
    "SIGINT twice": lambda pid, _: ((pid, signal.SIGINT), (pid, signal.SIGINT)),
    "SIGTERM twice": lambda pid, _: ((pid, signal.SIGTERM), (pid, signal.SIGTERM)),
    "SIGINT and SIGTERM": lambda pid, _: ((pid, signal.SIGINT), (pid, signal.SIGTERM)),
}
"""What is sent, and to whom: the number of a process, or less than zero for that of a group."""


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it ended before
        os.kill(pid, number)


def _in_session(session: int) -> list[str]:
    """The live processes of a session, by command."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number = stat.read_bytes().rpartition(b")")[2].split()[:4]
            if int(number) == session and state not in b"ZX":
                found.append((stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def kill(
    server: Server,
    arguments: tuple[str, ...],
    kind: str,
    delay: float,
    rng: np.random.Generator,
    is_whole: Callable[[], bool],
) -> str | None:
    """Start a command and kill it after a while; return what is wrong then, if anything."""
    pid = server.start(*arguments)
    time.sleep(delay)
    sent = KILLS[kind](pid, rng)
    for number, (whom, what) in enumerate(sent):
        if number:
            time.sleep(rng.uniform(0, 0.3))
        _send(whom, what)
    begin, patience = time.monotonic(), AT_ONCE if len(sent) > 1 else 60.0
    while alive(pid) and time.monotonic() < begin + patience:
        time.sleep(0.005)
    if alive(pid):
        wrong = f"still there after {patience} s"
        _send(-pid, signal.SIGKILL)
        server.end(pid)
        return wrong
    status, said = server.end(pid)
    end = time.monotonic() + 20
    while (left := _in_session(pid)) and time.monotonic() < end:
        time.sleep(0.005)
    if left:
        _send(-pid, signal.SIGKILL)
        return f"left {left}"
    if any(word in said for word in ("Traceback", "Exception", "Warning", "leaked")):
        return f"said {said!r}"
    if kind == "SIGKILL to a worker" and status == 1 and "Error: a worker process died: " in said:
        return None  # the worker had not begun, or the parent of it builds nothing
    expected = (0, -signal.SIGKILL) if "SIGKILL" in kind else (0, INTERRUPTED)
    if status in expected or (status < 0 and is_whole()):  # whole: Python was ending, and handles no signal then
        return None
    return f"exit status {status}, {said!r}"


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Kill `rounds` commands, each at a random moment of its life, and see whether they are resumed."""
    tally, rng, jobs = Tally(), np.random.default_rng(seed), _jobs(folder, rounds > FEW)
    with Server(folder) as server:
        undisturbed = {"built": _finish(server, jobs["built"], folder / "built")}
        while (left := rounds - sum(tally.tried.values())) > 0:
            name = str(rng.choice(list(jobs)))
            job, out = jobs[name], folder / "out"
            if name not in undisturbed:
                undisturbed[name] = _finish(server, job, folder / name)
            expected, seconds = undisturbed[name]
            shutil.rmtree(out, ignore_errors=True)
            job.begin(out)
            kinds = [str(kind) for kind in rng.choice(list(KILLS), min(KILLS_IN_A_ROW, left))]
            for kind in kinds:
                wrong = kill(server, job.command(out), kind, rng.uniform(0, seconds), rng, (out / job.last).exists)
                tally.record(kind, wrong and f"{name}: {wrong}")
            try:
                found, _ = _finish(server, job, out, begin=False)
            except AssertionError as error:
                found = str(error)
            if found != expected:
                tally.failures.append(f"{name} after {kinds}: {found}")
    return tally


def _finish(server: Server, job: _Job, out: Path, begin: bool = True) -> tuple[object, float]:
    """Run a command undisturbed; return what it leaves, and the seconds that it took."""
    if begin:
        job.begin(out)
    at = time.monotonic()
    status, said = server.end(server.start(*job.command(out)))
    assert status == 0, f"exit status {status}, {said!r}"
    return (job.result(out), files(out)), time.monotonic() - at
