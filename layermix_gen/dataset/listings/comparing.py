"""Two listings of a source compared, then and now: which inputs were added, removed, changed or touched."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from layermix_gen.dataset.listings.listing import MEMORY, opened
from layermix_gen.support.database import Database, parquet, rows

_CHANGED = "(earlier.label, earlier.size) IS DISTINCT FROM (later.label, later.size)"


@contextmanager
def _both(before: Path, now: Path) -> Iterator[Database]:
    """A database with the rows of two listings as `earlier` and `later`."""
    with opened(before, {"memory_limit": MEMORY, "temp_directory": tempfile.gettempdir()}) as db:
        db.execute("CREATE TEMP VIEW earlier AS SELECT * FROM listing")
        db.execute(f"CREATE TEMP VIEW later AS SELECT * FROM {parquet([now])}")
        yield db


def changed_inputs(before: Path, now: Path) -> dict[str, int]:
    """The inputs of both listings whose label or size differs: their numbers before, by id."""
    sql = f"SELECT id, earlier.number AS number FROM earlier JOIN later USING (id) WHERE {_CHANGED} ORDER BY id"
    with _both(before, now) as db:
        return {row["id"]: row["number"] for row in rows(db, sql)}


def first_change(before: Path, now: Path, mended: Collection[str]) -> str:
    """Name the first input, by its id, that was added, removed or changed, but for those that were mended."""
    sql = (
        "SELECT coalesce(later.id, earlier.id) AS id, later.id IS NULL AS gone, earlier.id IS NULL AS new "
        f"FROM earlier FULL JOIN later ON earlier.id = later.id WHERE {_CHANGED} ORDER BY 1"
    )
    with _both(before, now) as db:
        row = next((row for row in rows(db, sql) if row["id"] not in mended), None)
    if row is None:
        return ""
    return f"source image {row['id']!r} {'removed' if row['gone'] else 'added' if row['new'] else 'changed'}"


def touched_inputs(before: Path, now: Path, shards: int, finished: Sequence[int], most: int) -> list[int]:
    """The numbers of inputs of another version, but the same label and size, in listings of the same order.

    They are those in the shards that are `finished`, out of `shards`: the first `most`, from all over the source.
    """
    shard = f"({shards} * (number + 1) - 1) // (SELECT count(*) FROM later)"
    touched = f"NOT ({_CHANGED}) AND earlier.version != later.version AND {shard} IN (SELECT unnest(?::BIGINT[]))"
    sql = f"SELECT number FROM earlier JOIN later USING (id, number) WHERE {touched} ORDER BY number LIMIT {most}"
    with _both(before, now) as db:
        return [row["number"] for row in rows(db, sql, [list(finished)])]
