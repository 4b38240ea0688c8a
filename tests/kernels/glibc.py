"""The oldest glibc that a wheel's compiled kernels run on, against what its name says: `python -m ... WHEEL ...`."""

import re
import sys
from pathlib import Path
from zipfile import ZipFile


def newest_version(library: bytes) -> tuple[int, int]:
    """The newest version of a symbol of glibc that a library asks for: their names stand in it as text."""
    found = re.findall(rb"\0GLIBC_(\d+)\.(\d+)", library)
    return max(((int(major), int(minor)) for major, minor in found), default=(0, 0))


def check(wheel: Path) -> str:
    """Say in a line what a wheel's libraries need; exit with an error where that is more than the wheel's name says."""
    named = re.search(r"manylinux_(\d+)_(\d+)_", wheel.name)
    with ZipFile(wheel) as archive:
        needed = [newest_version(archive.read(name)) for name in archive.namelist() if name.endswith(".dso")]
    if not named or not needed or max(needed) > (int(named[1]), int(named[2])):
        sys.exit(f"error: expected compiled kernels that run on the glibc of {wheel.name}, found they need {needed}")
    return f"{wheel}: its compiled kernels need glibc {'.'.join(map(str, max(needed)))}"


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(check(Path(path)))
