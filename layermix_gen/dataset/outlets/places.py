"""The place of a dataset that is to be written: a folder, or a URL with a temporary folder in front of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layermix_gen.dataset.names import ABOUT_MIXING_SET, LISTING, MIXING_SET, PLAN
from layermix_gen.dataset.outlets.base import IN_PLACE, Outlet
from layermix_gen.dataset.outlets.holders import scratch_folder
from layermix_gen.dataset.outlets.object_store import ObjectStore, StoredObject
from layermix_gen.dataset.outlets.store_outlet import StoreOutlet
from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import is_remote
from layermix_gen.support.locks import refuse_without_locks

BEFORE_A_PLAN = (LISTING, MIXING_SET, ABOUT_MIXING_SET)  # what a process may have written that was killed then
FIRST_TRIES = 2  # of the first request, which tells whether there is such a store


@contextmanager
def placed(
    out: str | Path,
    options: Mapping[str, Any] | None = None,
    *,
    source: str | Path | None = None,
    mixes: bool = True,
) -> Iterator[tuple[str | Path, Outlet]]:
    """Yield the folder to write a dataset in, and its outlet; `options` go to fsspec's file system.

    For a URL the folder is a temporary one, which has all of what is there but the tars and, without `mixes`, the
    mixing set. Raises `LayerMixError` where the URL cannot be written to, is not reached, holds something else, or is
    below the `source`, and on Windows.
    """
    refuse_without_locks()
    if not is_remote(out):
        yield out, IN_PLACE
        return
    store = ObjectStore(str(out), options)
    if source is not None and f"{out}/".startswith(f"{source}".rstrip("/") + "/"):
        raise LayerMixError(f"expected an output outside of {source}, got {out}; choose another URL")
    listing = store.listing(tries=FIRST_TRIES)
    _refuse_others(store, listing)
    with scratch_folder() as folder, _naming(store.location, root := Path(folder)):
        outlet = StoreOutlet(store, mixes=mixes)
        outlet.bring(root, listing)
        yield root, outlet


def _refuse_others(store: ObjectStore, listing: Mapping[str, StoredObject]) -> None:
    """Raise `LayerMixError` where objects of others are, and no dataset was begun."""
    others = [name for name in listing if name not in BEFORE_A_PLAN and not name.startswith(".")]
    if others and PLAN not in listing:
        raise LayerMixError(f"expected no objects below {store.location}, found {others[0]!r}; choose another URL")


@contextmanager
def _naming(location: str, root: Path) -> Iterator[None]:
    """Let messages name the URL, not the folder in front of it; but the folder itself where its disk is full."""
    try:
        yield
    except LayerMixError as error:
        text = str(error)
        if text.startswith(f"cannot write to {root}"):
            text = text.replace("make room", "make room there, or set TMPDIR to a larger disk")
        else:
            text = text.replace(str(root), location)
        error.args = (text,)
        raise
