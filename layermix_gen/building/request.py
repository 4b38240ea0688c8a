"""What is asked of a build, checked: where from, where to, by whom, with the source listed and every choice made.

Builds and their estimates begin alike, so that an estimate refuses what the build would.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layermix_gen.building.sizing import planned_shards
from layermix_gen.dataset.plan import Plan, Pool, make_plan, planned_order, read_plan, refuse_changes
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.sources import Item, Source, open_source
from layermix_gen.support.files import reason
from layermix_gen.support.processes import checked_workers
from layermix_gen.support.text import as_text

MIN_ERRORS, ERROR_SHARE = 10, 0.01  # inputs that may be skipped unless the user says how many: 1%, but at least 10


class Job:
    """A build that is asked for. Raises `LayerMixError` for what the user can mend; writes nothing."""

    def __init__(
        self,
        source: str | Path,
        out: str | Path,
        settings: BuildSettings,
        kind: str,
        mixing_set: MixingSet | str | Path | None,
        workers: int | None,
        partition: tuple[int, int],
        max_errors: int | None,
    ) -> None:
        self.workers, self._partition = checked_workers(workers), _checked_partition(partition)
        self._max_errors = _checked_max_errors(max_errors)
        location, self.root = checked_path(source, "source"), checked_path(out, "output folder")
        self.mixing_set = _checked_mixing_set(mixing_set, settings)
        with _looking_at(self.root):
            _check_out(self.root, location)
        self.source: Source = open_source(location, kind, settings.max_pixels)
        self.settings = settings.resolve(self.source.native_size)
        self.size = self.settings.size or 0
        self.items: list[Item] = planned_order(self.source, settings.seed)
        self._before = read_plan(self.root)
        if self._before:  # refuse now what needs no mixing set: that may take a while to make
            refuse_changes(self._before, self.planned(self._before.pool, self._before.shards), self.items)

    @property
    def mixes(self) -> bool:
        """Whether a mixing set is needed, or was named and is to be one."""
        return self.settings.method != "none" and (self.settings.variants > 0 or self.mixing_set is not None)

    @property
    def max_errors(self) -> int:
        """How many inputs may be skipped."""
        default = max(MIN_ERRORS, int(ERROR_SHARE * len(self.items)))
        return default if self._max_errors is None else self._max_errors

    def shards(self, progress: bool = False) -> int:
        """How many shards there are: as the folder's plan has it, or by number or size of the images."""
        if self._before and self._before.settings.shard_size == self.settings.shard_size:
            return self._before.shards
        return planned_shards(self.source, self.items, self.settings, progress)

    def own(self, shards: int) -> range:
        """Those of so many shards that this partition builds."""
        first, step = self._partition
        return range(first, shards, step)

    def planned(self, pool: Pool | None, shards: int) -> Plan:
        """The plan of the build with so many shards."""
        return make_plan(self.root, self.source, self.items, self.settings, pool, shards)


def checked_path(path: str | Path, what: str) -> Path:
    """A path that a plan, which is text, can hold. Raises `LayerMixError` for any other."""
    if not isinstance(path, str | Path):
        raise LayerMixError(f"expected a path as the {what}, got {path!r}")
    if path == "":
        raise LayerMixError(f"expected a path as the {what}, got an empty text; name one")
    if "\0" in str(path):
        raise LayerMixError(f"expected a path as the {what}, got a zero byte in {path!r}; take it out")
    path = Path(path)
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        found, remedy = as_text(path.absolute()), "rename it, or use a UTF-8 locale if that is what it is in"
        raise LayerMixError(f"expected a path in UTF-8 as the {what}, got {found}; {remedy}") from error
    return path


def _checked_mixing_set(mixing_set: MixingSet | str | Path | None, settings: BuildSettings) -> Path | None:
    if isinstance(mixing_set, MixingSet):
        if mixing_set.path is None:
            raise LayerMixError(
                "expected a mixing set with a file, which workers can open, got one in memory; np.save its pictures "
                "and give the path"
            )
        mixing_set = mixing_set.path
    if mixing_set is None:
        return None
    path = checked_path(mixing_set, "mixing set")
    if settings.method == "none":
        raise LayerMixError(f"expected no mixing set with the method none, got {path}; leave out --mixing-set")
    return path


def _checked_partition(partition: tuple[int, int]) -> tuple[int, int]:
    if not (isinstance(partition, tuple | list) and list(map(type, partition)) == [int, int]):
        raise LayerMixError(f"partition must be two whole numbers (i, n), got {partition!r}; change --partition")
    index, count = partition
    if not 0 <= index < count:
        raise LayerMixError(f"partition i/n must have 0 <= i < n, got {index}/{count}; change --partition")
    return index, count


def _checked_max_errors(max_errors: int | None) -> int | None:
    if max_errors is not None and (type(max_errors) is not int or max_errors < 0):
        raise LayerMixError(f"max-errors must be a whole number, at least 0, got {max_errors!r}; change --max-errors")
    return max_errors


@contextmanager
def _looking_at(root: Path) -> Iterator[None]:
    """Turn what the system says about looking at `root` (the name too long, not permitted) into one line."""
    try:
        yield
    except OSError as error:
        raise LayerMixError(f"cannot build into {root}: {reason(error)}; choose another") from error


def _check_out(root: Path, source: Path) -> None:
    """Refuse to mix a dataset with other files, and to make it a part of its own source."""
    if source.is_dir() and root.resolve().is_relative_to(source.resolve()):
        raise LayerMixError(f"expected an output folder outside of the source, got {root}; choose another")
    for folder in (root, *root.absolute().parents):
        if folder.is_symlink() and not folder.exists():
            raise LayerMixError(f"expected a folder to build into, found a broken link at {folder}; choose another")
    if root.is_file():
        raise LayerMixError(f"expected a folder to build into, found a file at {root}; choose another")
    there = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    if not (there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK)):
        raise LayerMixError(f"cannot build into {root}: {there} is no folder, or closed to you; choose another")
    if root.is_dir() and not (root / "plan.json").exists():
        others = sorted(
            entry.name for entry in root.iterdir() if not entry.name.startswith(".") and entry.name != "sources.jsonl"
        )
        if others:
            raise LayerMixError(
                f"expected an empty folder to build into, found {others[0]!r} in {root}; choose another"
            )
