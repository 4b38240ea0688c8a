"""Which files are synced to disk and renamed, in which order, and whether that order survives a loss of power."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ORDER = ("sources.parquet", "plan.json", ".tar", ".parquet", ".json", "dataset.json")
"""Ends of names of a dataset's files: where one is there, all files of the kinds before it must be."""


@contextmanager
def recorded() -> Iterator[list[tuple[Path, ...]]]:
    """Record what this process syncs, as (path,), and what it renames, as (old path, new path).

    A draft that gets its name as a second one, which no file may have yet, counts as renamed.
    """
    events: list[tuple[Path, ...]] = []
    fsync, rename, link = os.fsync, os.replace, os.link

    def syncing(descriptor: int) -> None:
        events.append((Path(f"/proc/self/fd/{descriptor}").readlink(),))
        fsync(descriptor)

    def renaming(old: Any, new: Any, **options: Any) -> None:
        events.append((Path(old), Path(new)))
        rename(old, new, **options)

    def linking(old: Any, new: Any, **options: Any) -> None:
        if Path(old).suffix == ".tmp":
            events.append((Path(old), Path(new)))
        link(old, new, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", linking)
        patch.setattr(os, "fsync", syncing)
        patch.setattr(os, "replace", renaming)
        yield events


def place(path: Path) -> int:
    """The place of a file in `ORDER`; lists such as `errors.jsonl` come right before the manifest."""
    if path.name in ORDER:
        return ORDER.index(path.name)
    fitting = [place for place, end in enumerate(ORDER) if path.name.endswith(end)]
    return fitting[-1] if fitting else ORDER.index(".json")


def assert_durable(events: list[tuple[Path, ...]]) -> None:
    """Each file is synced before it is renamed; then its folder is, before any file that vouches for it is renamed."""
    synced, open_renames = set[Path](), list[Path]()
    for event in events:
        if len(event) == 1:
            synced.add(event[0])
            open_renames = [path for path in open_renames if path.parent != event[0]]
        else:
            old, new = event
            assert old in synced, f"{new} was renamed before its content was synced"
            synced.add(new)
            early = [path for path in open_renames if place(path) < place(new)]
            assert not early, f"{new} vouches for {early}, whose renames were not synced"
            open_renames.append(new)
    assert not open_renames, "the last renames were not synced"
