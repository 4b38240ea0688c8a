"""Compile the kernels: one library for each level of processors, in whose name is a fingerprint of what it is made of.

The build hook runs this file where the package is not installed yet: it imports nothing but the standard library.
"""

import hashlib
import importlib.util
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
# A product and a sum are each rounded, also where the processor could do both in one step: the bytes are the same.
FLAGS = (
    *("-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    *("-shared", "-fPIC", "-fvisibility=hidden"),
    *("-Wall", "-Wextra", "-Wno-psabi"),  # of vectors as arguments: all files are compiled for the same level
)
INSTRUCTIONS = {  # of each level, for which `lm_level` looks one by one; -march=x86-64-v3 is unknown before gcc 11
    "baseline": (),
    "x86-64-v3": ("-mavx2", "-mbmi2"),
    "x86-64-v4": ("-mavx2", "-mbmi2", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"),
}
# Without -mcpu, zig compiles for the processor that it runs on; without -s, each library has 800 kB of debug symbols.
ZIG = (sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline", "-s")


class CompileError(Exception):
    """The kernels cannot be compiled; the message is one line."""


def fingerprint() -> str:
    """The digest of all that a library depends on: the C files, and this one for its flags."""
    digest = hashlib.sha256()
    for path in [*sorted(FOLDER.glob("*.[ch]")), FOLDER / "compiling.py"]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def library_path(level: str, folder: Path = FOLDER) -> Path:
    """Where the library of a level lies, if it was compiled from the sources as they are now.

    It is not called `.so`: Python's tools would take it for a module, and fail to import it.
    """
    return folder / f"_kernels-{level}-{fingerprint()}.dso"


def levels_of(machine: str = platform.machine()) -> list[str]:
    """The levels that are compiled for a kind of processors, as `platform.machine()` names it."""
    return [level for level in INSTRUCTIONS if level == "baseline" or machine.lower() in ("x86_64", "amd64")]


def system_compiler() -> Sequence[str] | None:
    """The command of the C compiler that `CC` names, else of the system's; None where none works."""
    named = os.environ.get("CC", "")
    commands = [shlex.split(named)] if named else [["cc"], ["gcc"], ["clang"]]
    return next((command for command in commands if _works(command)), None)


# What the kernels need of a compiler: the headers of the system, and vectors as gcc has them from version 12 on.
_PROBE = b"""#include <stdlib.h>
typedef unsigned char bytes __attribute__((vector_size(4)));
typedef short shorts __attribute__((vector_size(8)));
__int128 probe(bytes a) { return __builtin_convertvector(__builtin_shufflevector(a, a, 3, 2, 1, 0), shorts)[0]; }
"""


def _works(compiler: Sequence[str]) -> bool:
    """Whether a command compiles what is needed: old gcc does not, nor do compilers without headers, as on macOS."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", f"{folder}/nothing.so"]
        try:
            run = subprocess.run(command, input=_PROBE, capture_output=True, check=False)  # noqa: S603
        except OSError:
            return False
        return run.returncode == 0


def zig_for(tag: str) -> tuple[Sequence[str], str]:
    """The compiler, and the kind of processors, for the platform of a wheel such as `manylinux_2_17_x86_64`."""
    found = re.fullmatch(r"manylinux_(\d+_\d+)_(\w+)", tag)
    if not found:
        raise CompileError(f"expected a platform such as manylinux_2_17_x86_64, got {tag!r}")
    glibc, machine = found[1].replace("_", "."), found[2]
    return (*ZIG, "-target", f"{machine}-linux-gnu.{glibc}"), machine


def compile_kernels(
    folder: Path = FOLDER, compiler: Sequence[str] | None = None, machine: str = platform.machine()
) -> list[Path]:
    """Compile the libraries of all levels of a kind of processors into a folder, in place of those that lie there.

    `compiler` is a command such as `("gcc",)`, by default the system's or, without one, zig. Returns the libraries.
    Raises `CompileError` where there is no compiler, or it fails; what it says goes to standard error.
    """
    compiler = compiler or system_compiler() or ZIG
    if compiler is ZIG and not importlib.util.find_spec("ziglang"):
        raise CompileError("no C compiler was found: CC, cc, clang or gcc 12, or the Python package ziglang")
    sources = sorted(map(str, FOLDER.glob("*.c")))
    paths = {level: library_path(level, folder) for level in levels_of(machine)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="_kernels-", dir=folder) as drafts:
            commands = [
                [*compiler, *FLAGS, *INSTRUCTIONS[level], *sources, "-lm", "-o", f"{drafts}/{path.name}"]
                for level, path in paths.items()
            ]
            runs = [subprocess.Popen(command) for command in commands]  # noqa: S603
            if any([run.wait() for run in runs]):  # noqa: C419 - all are waited for
                raise CompileError(f"the C compiler {shlex.join(compiler)} failed")
            for path in paths.values():  # a process that has the old one in use keeps it
                Path(drafts, path.name).replace(path)
        for old in set(folder.glob("_kernels-*.dso")) - set(paths.values()):
            old.unlink(missing_ok=True)
    except OSError as error:
        raise CompileError(f"cannot compile into {folder}: {error}") from error
    return list(paths.values())


def main() -> None:
    """Compile the kernels where that is needed: `python -m layermix_gen.kernels.compiling [FOLDER [COMPILER ...]]`."""
    folder, compiler = Path(sys.argv[1]) if sys.argv[1:] else FOLDER, sys.argv[2:]
    if not compiler and all(library_path(level, folder).exists() for level in levels_of()):
        return
    try:
        compile_kernels(folder, compiler)
    except CompileError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
