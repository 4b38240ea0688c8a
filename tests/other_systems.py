"""What other systems lack, taken away from Python as it starts: a test copies this file as `sitecustomize.py`.

The variable SYSTEM says which system: macOS or Windows. The names are those that Python's documentation says are not
available there, but for some that Python and PyTorch themselves use here. Modules of Python that use one of the others
are imported before.
"""

import asyncio  # noqa: F401 - asyncio needs fcntl, and fsspec asyncio
import multiprocessing.popen_spawn_posix  # noqa: F401
import os
import shutil
import signal
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
from os.path import isdir
from typing import Any

SYSTEM = os.environ["SYSTEM"]
OF_LINUX: dict[Any, tuple[str, ...]] = {
    os: ("sched_getaffinity", "posix_fallocate", "posix_fadvise", "copy_file_range", "memfd_create")
}
OF_POSIX: dict[Any, tuple[str, ...]] = {
    os: (
        *("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "pread", "fork", "sync"),
        *("sysconf", "statvfs", "getuid", "geteuid", "mkfifo", "killpg", "setsid", "nice", "getloadavg"),
    ),
    signal: ("pthread_sigmask", "setitimer", "SIGALRM", "SIGHUP", "SIGUSR1", "ITIMER_PROF", "SIG_BLOCK"),
}
MODULES = ("fcntl", "resource", "pwd", "grp", "termios")
FOLDERS = ("/proc", "/sys")


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Open nothing in folders that Linux alone has and, on Windows, no folder at all."""
    if event == "open" and isinstance(path := arguments[0], str):
        if path.startswith(FOLDERS):
            raise FileNotFoundError(2, "No such file or directory", path)
        if SYSTEM == "Windows" and isdir(path):  # noqa: PTH112 - `open` itself may not be called here
            raise PermissionError(13, "Permission denied", path)


def take_away(names: dict[Any, tuple[str, ...]]) -> None:
    """Remove names from modules."""
    for module, gone in names.items():
        for name in gone:
            if hasattr(module, name):
                delattr(module, name)


sys.addaudithook(refuse)
take_away(OF_LINUX)
if SYSTEM == "Windows":
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    take_away(OF_POSIX)
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    from layermix_gen.support import files

    files.WINDOWS = True
