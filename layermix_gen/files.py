"""Files that are there completely or not at all."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError

DRAFT_SECONDS = 60  # far more than writing a file in the root of a dataset takes


def temporary(path: Path) -> Path:
    """A name beside `path` that no other process on any machine uses; hidden, and swept up when the dataset is done."""
    return path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")


def sweep(root: Path) -> None:
    """Remove the temporary files that killed processes left in `root` and the folders in it, once all is finished.

    Young ones in `root` itself stay: another process may be about to finish the same dataset.
    """
    for path in root.glob("*/.*.tmp"):
        path.unlink(missing_ok=True)
    for path in root.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > DRAFT_SECONDS:
                path.unlink()


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; once it is written, sync it and give it the name `path`. On an error it is removed."""
    draft = temporary(path)
    try:
        yield draft
        descriptor = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote. Raises `LayerMixError` where it is damaged, FileNotFoundError without it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise LayerMixError(
            f"expected JSON in {path}, found something else ({error}); delete the file or restore it"
        ) from error


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the system says about writing below `folder` (full, read-only, not permitted) into one line."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LayerMixError(
            f"cannot write to {folder}: {reason}; make room or mend it, then run the same command to resume"
        ) from error
