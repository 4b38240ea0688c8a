"""`corruptions.json`: what a folder of corrupted images holds and by what it was made, and who may write there.

Corruptions by different settings, or of different images, are never mixed in one folder.
"""

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL

from layermix_gen import __version__
from layermix_gen.errors import LayerMixError
from layermix_gen.files import read_json
from layermix_gen.sources import Item, Source

RECORD = "corruptions.json"
FORMAT = "layermix-gen corruptions 1"
OPEN = ("corruptions", "versions", "source")  # what may differ when a folder is gone on with


def check_out(root: Path, source: Path) -> None:
    """Refuse to mix corruptions with other files, and to make them a part of their own source."""
    if source.is_dir() and root.resolve().is_relative_to(source.resolve()):
        raise LayerMixError(f"expected an output folder outside of the source, got {root}; choose another")
    if os.path.lexists(root) and not root.is_dir():
        raise LayerMixError(f"expected a folder to write into, found something else at {root}; choose another")
    if root.is_dir() and not (root / RECORD).exists():
        others = sorted(entry.name for entry in root.iterdir() if not entry.name.startswith("."))
        if others:
            raise LayerMixError(
                f"expected an empty folder to write into, found {others[0]!r} in {root}; choose another"
            )


def check_record(root: Path, record: dict[str, Any]) -> None:
    """Refuse to mix corruptions by different settings or of different images in one folder."""
    if not (root / RECORD).exists():
        return
    before = read_json(root / RECORD)
    for name in record.keys() - set(OPEN):
        found = before.get(name) if isinstance(before, dict) else None
        if found != record[name]:
            raise LayerMixError(
                f"{root} holds corruptions of another {name}: {json.dumps(found)} there, {json.dumps(record[name])} "
                "now; choose another folder, or the same settings"
            )


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep other runs off this folder meanwhile."""
    with (root / ".lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LayerMixError(f"another process is writing to {root}; wait for it, then run this again") from error
        try:
            yield
        finally:
            (root / ".lock").unlink(missing_ok=True)


def digest_of(source: Source, items: list[Item]) -> str:
    """The sha256 (hex) over the ids, labels and sizes of all images, and the names of the classes."""
    digest = hashlib.sha256(json.dumps(source.classes).encode())
    for item in items:
        digest.update(json.dumps([item.id, item.label, item.size]).encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """What may round differently elsewhere."""
    return {
        "layermix-gen": __version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "python": platform.python_version(),
    }
