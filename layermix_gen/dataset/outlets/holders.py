"""Names of processes that other processes can tell the death of, and temporary folders that are swept after it."""

import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

from layermix_gen.support.files import machine

PREFIX = "layermix-gen-"
HOLDER = r"[\w.-]+?-\d*-\d+-\d*"  # a pattern of what `holder` gives


def holder() -> str:
    """The name of this process: machine, namespace of processes, number and time of its start."""
    return f"{machine()}-{_namespace()}-{os.getpid()}-{_started(os.getpid())}"


def is_dead(name: str) -> bool:
    """Whether a process of this machine has ended for sure; of other machines, and containers, that is never known."""
    where, _, began = name.rpartition("-")
    where, _, number = where.rpartition("-")
    if not began or where != f"{machine()}-{_namespace()}":
        return False
    return _started(int(number)) != began


@cache
def _namespace() -> str:
    """The number of the namespace of processes; empty where there are none."""
    try:
        return re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - no path, but a text
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process began, in ticks since the start of the machine; empty where it has ended."""
    try:
        state, *facts = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if state in (b"Z", b"X") else facts[18].decode()


def scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    """A temporary folder, below $TMPDIR if that is set; those that killed processes left there are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        found = re.fullmatch(rf"{PREFIX}({HOLDER})-\w+", left.name)
        if found and is_dead(found[1]) and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{PREFIX}{holder()}-", ignore_cleanup_errors=True)
