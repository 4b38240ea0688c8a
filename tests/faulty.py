"""A disk on which one image cannot be read, from an import of this file on: see `tests.helpers.patched`."""

import errno
import os
from typing import Any

from layermix_gen.support import files

opening = os.open
files.PAUSES = (0, 0)


def failing(path: Any, *arguments: Any, **options: Any) -> int:
    """`os.open`, which fails for `coffee/000.png`."""
    if str(path).endswith("coffee/000.png"):
        raise OSError(errno.EIO, "Input/output error")
    return opening(path, *arguments, **options)


os.open = failing
