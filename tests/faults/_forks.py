"""Run many commands of ours as processes, fast: forked from a fresh process that has imported all and used nothing."""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from tests.helpers import digest, files, invoke, without_start

ROOT = Path(__file__).parents[2]


def fresh(serve: Callable[..., None], *arguments: object, surroundings: dict[str, str] | None = None) -> Iterator[Any]:
    """Call `serve` in a fresh process with arguments as JSON; yield what it prints, a JSON value a line."""
    code = f"import json, sys; from {serve.__module__} import {serve.__name__} as f; f(*json.loads(sys.argv[1]))"
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    there = os.environ | {"PYTHONPATH": str(ROOT)} | (surroundings or {})
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=there, cwd=ROOT)
    yield from map(json.loads, ended.stdout.splitlines())


@dataclass
class Command:
    """A command that runs in a forked process."""

    process: int
    output: int  # a pipe

    def wait(self) -> tuple[int, str]:
        """Its exit status, and what it said on standard error; a traceback where it failed by one."""
        with os.fdopen(self.output) as pipe:
            text = pipe.read()
        os.waitpid(self.process, 0)
        status, said = json.loads(text) if text else (-1, "killed")
        return status, said


def start(*arguments: object, before: Callable[[], None] = lambda: None) -> Command:
    """Start a command in a forked process, which calls `before` first."""
    reading, writing = os.pipe()
    if process := os.fork():
        os.close(writing)
        return Command(process, reading)
    try:
        before()
        result = invoke(*arguments)
        odd = result.exception if not isinstance(result.exception, SystemExit) else None
        said = "".join(traceback.format_exception(odd)) if odd else result.stderr
        os.write(writing, json.dumps([result.exit_code, said]).encode())
    finally:
        os._exit(0)


def make_source(folder: Path) -> tuple[Path, Path]:
    """A source of 24 images of 16 px in 3 classes and a mixing set of 3 pictures, in a folder."""
    rng = np.random.default_rng(0)
    for number in range(24):
        path = folder / "source" / f"c{number % 3}" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    np.save(folder / "set.npy", rng.integers(0, 256, (3, 20, 20), np.uint8))
    return folder / "source", folder / "set.npy"


def fault_of(status: int, said: str) -> str | None:
    """What is wrong with how a command ended; None if it ended well, or by one line."""
    line = without_start(said)
    if status == 0 or (status == 1 and line.startswith("Error: ") and line.count("\n") == 1):
        return None
    return f"status {status}, {said!r}"


def fault_of_dataset(root: Path, expected: str) -> str | None:
    """What is wrong with a finished dataset; None if it is as it should be."""
    if not (root / "dataset.json").exists():
        return "no dataset"
    if digest(root) != expected:
        return "another digest"
    left = [name for name in files(root) if name.endswith((".tmp", ".lock", "errors.jsonl")) or ".repair" in name]
    return f"{left} left behind" if left else None
