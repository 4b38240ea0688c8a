"""Stamps: a few bytes that tell whether the files of a part are still the ones that were evaluated.

Reading all of ImageNet-C for this would take as long as evaluating it, so small files are identified by their content,
large ones by size and modification time, and folders of files by modification time, which changes when a file in them
is added, removed or renamed.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from layermix_gen.support.files import reading
from layermix_gen.support.text import as_text

SMALL = 1 << 20  # bytes


def stamp(root: Path, paths: Iterable[Path]) -> str:
    """16 hex digits that change when one of the files or folders does. Their paths, relative to `root`, count too."""
    digest = hashlib.sha256()
    for path in paths:
        with reading(path, "get it again"):
            status = path.stat()
            if path.is_dir():
                state = f"{status.st_mtime_ns}"
            elif status.st_size > SMALL:
                state = f"{status.st_size} {status.st_mtime_ns}"
            else:
                state = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{as_text(os.path.relpath(path, root))}\n{state}\n".encode())
    return digest.hexdigest()[:16]
