"""Write samples as plain files, `000000123-v03.png` and its JSON, to a folder that appears complete or not at all."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from layermix_gen.dataset.index import metadata_text
from layermix_gen.dataset.names import ADDRESS, address
from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.support.files import disk_errors, remove_folder, temporary
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.threads import mapped_ahead

READERS = 8  # threads, as a read waits for the disk or, at a URL, for the network


def extract(
    rows: Sequence[Mapping[str, Any]],
    read: Callable[[Mapping[str, Any]], bytes],
    extension: str,
    folder: Path,
    *,
    progress: bool = True,
) -> None:
    """Write the image that `read` returns for each row, and its metadata as in the tar, to a new or empty `folder`.

    Raises `LayerMixError` for a row whose key is not a sample's.
    """
    if bad := next((name for name in map(address, rows) if not re.fullmatch(ADDRESS, name)), None):
        raise LayerMixError(f"expected keys such as 000000123-v03 in the index, found {bad!r}; restore the index")
    draft = temporary(folder.absolute())

    def write(row: Mapping[str, Any]) -> None:
        (draft / f"{address(row)}.{extension}").write_bytes(read(row))
        (draft / f"{address(row)}.json").write_text(metadata_text(row), encoding="utf-8")

    with disk_errors(folder), progress_bar(len(rows), "image", progress, "extracting") as bar:
        try:
            draft.mkdir(parents=True)
            for _ in mapped_ahead(write, rows, READERS):
                bar.update()
            draft.replace(folder)
        except KeyboardInterrupt:
            done = f"{bar.n:.0f} of {len(rows)} images"
            raise Interrupted(f"stopped at {done}, {folder} was not written; run the same command again") from None
        finally:
            remove_folder(draft)
