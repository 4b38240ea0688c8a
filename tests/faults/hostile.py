"""Datasets, corruptions and results that a hostile author has edited: each consumer reads or refuses them in one line.

After each edit a few consumers, drawn like the edit, take the folder. It is checked that only `LayerMixError` came out,
on one line, that nothing took long or much memory, and that no file outside of the edited folder has changed.
"""

import gzip
import os
import random
import resource
import shutil
import signal
import struct
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen import BuildSettings, LayerMixDataset, LayerMixError, build, open_shards, parse
from layermix_gen.evaluate.corruptions.corrupter import corrupt
from layermix_gen.evaluate.metrics.measuring import measure
from layermix_gen.evaluate.suites.check_data import check_data
from layermix_gen.support import remote
from layermix_gen.support.files import temporary
from tests.evaluate.made_results import make_results
from tests.faults._hostile_edits import EDITS, edit_json, edit_predictions
from tests.faults.tally import Tally
from tests.helpers import elements, snapshot
from tests.servers import web_server

SECONDS, MEGABYTES = 60, 400  # that a consumer may take, at the most
COUNT, SIDE = 20, 16
SETTINGS = BuildSettings(variants=2, view="center", shard_size="10")

Consumer = Callable[[Path, Path, str], Any]  # of the dataset's folder, a folder for what it writes, and the URL


def read(root: Path | str, **options: Any) -> None:
    """All batches of two epochs, with all that can be read besides."""
    ds = LayerMixDataset(root, 4, fields=("key", "op_args", "recipe"), threads=1, **options)
    for _ in range(2):
        for images, labels, facts in ds:
            assert len(images) == len(labels) == len(facts["key"])
            assert labels.dim() == 1 or (labels.sum(1) - 1).abs().max() < 1e-6


def pictures(root: Path, out: Path, _: str) -> None:
    """A sheet, and a sample of it explained."""
    shards = open_shards(root)
    shards.sheet(out / "sheet.png", limit=2)
    shards.explain(shards.query(limit=1)[0]["key"], out / "tree.png")


def looks(root: Path, out: Path, url: str) -> None:
    """Single samples, by index and key, of the folder and of the URL; and what a notebook shows of them."""
    by_url: dict[str, Any] = {"cache_dir": out / "cache", "cache_bytes": 150_000}
    for ds in (LayerMixDataset(root, 4), LayerMixDataset(url, 4, **by_url)):
        for sample in (ds[0], ds[-1], ds["000000003-v01"]):
            elements(sample._repr_html_())
        elements(ds._repr_html_())


def in_a_notebook(root: Path, *_: Any) -> None:
    """The opened dataset, its manifest and a recipe, as HTML; what cannot be read is told there."""
    shards = open_shards(root)
    elements(shards._repr_html_())
    elements(shards.manifest._repr_html_())
    for row in shards.query(limit=3):
        elements(parse(row["recipe"])._repr_html_())


def rows(root: Path, *_: Any) -> None:
    """All rows as they are, each with its image and its key."""
    shards = open_shards(root)
    assert shards.count() >= 0
    for row in shards.query():
        shards.image(row)


CONSUMERS: dict[str, Consumer] = {
    "read": lambda root, out, url: read(root),
    "read by condition": lambda root, out, url: read(root, where="layer > 0 AND length(op) > 0", on_error="skip"),
    "read targets": lambda root, out, url: read(root, soft_labels=True),
    "read by URL": lambda root, out, url: read(url, cache_dir=out / "cache", cache_bytes=150_000, window=1),
    "rows": rows,
    "looks": looks,
    "in a notebook": in_a_notebook,
    "frames": lambda root, out, url: [open_shards(root).query(as_=form) for form in ("pandas", "arrow")],
    "card": lambda root, out, url: [open_shards(root).card(out / "card.md"), open_shards(root).card()],
    "summary": lambda root, out, url: str(open_shards(root).summary()),
    "summary by URL": lambda root, out, url: str(open_shards(url).summary()),
    "verify": lambda root, out, url: str(open_shards(root).verify(workers=1, progress=False)),
    "check-data": lambda root, out, url: [one.summary() for one in check_data(root, deep=True, progress=False)],
}
SLOW: dict[str, Consumer] = {
    "sheet": pictures,
    "replay": lambda root, out, url: [open_shards(root).replay(row) for row in open_shards(root).query(limit=3)],
    "extract": lambda root, out, url: open_shards(root).extract(out / "files", progress=False),
    "gallery": lambda root, out, url: open_shards(root).gallery(out / "page.html", progress=False),
    "plot": lambda root, out, url: open_shards(root).plot(out / "plot.png"),
    "verify again": lambda root, out, url: str(open_shards(root).verify(replay=1.0, workers=1, progress=False)),
    "repair": lambda root, out, url: str(open_shards(root).repair(workers=1, progress=False)),
    "build": lambda root, out, url: build(
        root.parents[2] / "digits", root, SETTINGS, mixing_set=root.parents[2] / "set.npy", workers=1, progress=False
    ),
    "extend": lambda root, out, url: build(
        root.parents[2] / "digits",
        root,
        BuildSettings(variants=3, view="center", shard_size="10"),
        mixing_set=root.parents[2] / "set.npy",
        workers=1,
        progress=False,
    ),
}


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Make a dataset, corruptions and results, and edit copies of them."""
    tally, rng = Tally(), random.Random(seed)  # noqa: S311
    make(folder)
    with web_server(folder / "yard" / "dataset") as (url, _), pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote, "PAUSE", 0.0)
        patch.chdir(folder / "yard" / "empty")
        for number in range(rounds):
            kind = rng.choice([*EDITS, *EDITS, "index", "manifest", "record", "results"])
            for name, failure in round_of(kind, folder, rng, url):
                tally.record(f"{kind} edited", failure and f"round {number} of seed {seed}, {name}: {failure}")
    return tally


def make(folder: Path) -> None:
    """Make the source, the dataset, its corruptions and results, and the yard around them with a user's files."""
    images = np.random.default_rng(3).integers(0, 256, (COUNT, SIDE, SIDE), np.uint8)
    (folder / "digits").mkdir()
    for name, header, data in (
        ("images-idx3", struct.pack(">4I", 0x803, COUNT, SIDE, SIDE), images.tobytes()),
        ("labels-idx1", struct.pack(">2I", 0x801, COUNT), bytes(number % 5 for number in range(COUNT))),
    ):
        for split in ("train", "t10k"):
            (folder / "digits" / f"{split}-{name}-ubyte.gz").write_bytes(gzip.compress(header + data))
    np.save(folder / "set.npy", np.random.default_rng(2).integers(0, 256, (4, 24, 24), np.uint8))
    build(folder / "digits", folder / "dataset", SETTINGS, mixing_set=folder / "set.npy", workers=1, progress=False)
    corrupt(folder / "digits", folder / "c", "c", corruptions=("fog",), severities=(2,), workers=1, progress=False)
    make_results(folder / "results", suites=("clean",))
    yard = folder / "yard"
    (yard / "empty").mkdir(parents=True)
    (yard / "dataset").mkdir()
    for place in (folder, yard):
        (place / "thesis.tex").write_bytes(b"written by a person")
    user = yard / "user"  # whose files have the names that a dataset's have, or look like drafts
    user.mkdir()
    drafts = (temporary(user / "000000.tar"), user / ".notes.txt.tmp")
    for path in (user / "000000.tar", user / "000000.parquet", user / "sizes.json", user / "wids.json", *drafts):
        path.write_bytes(b"written by a person")
        os.utime(path, (0, 0))


def round_of(kind: str, folder: Path, rng: random.Random, url: str) -> Iterator[tuple[str, str | None]]:
    """Edit a copy once; yield each consumer with what it did wrong, or None."""
    yard = folder / "yard"
    name = {"record": "c", "results": "results"}.get(kind, "dataset")
    root, out = yard / "dataset" / "it", yard / "out"
    for place in (root.parent, out):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
    shutil.copytree(folder / name, root)
    if kind == "record":
        what, consumers = edit_json("corruptions.json")(root, rng, yard), on_record(folder)
    elif kind == "results":
        edit = rng.choice([edit_json("run.json"), edit_predictions])
        what, consumers = edit(root, rng, yard), {"measure": lambda root, out, url: measure(root)}
    else:
        what, consumers = EDITS[kind](root, rng, yard), dict(rng.sample(list(CONSUMERS.items()), 3))
        consumers |= dict(rng.sample(list(SLOW.items()), rng.choice([0, 0, 1])))
        if kind == "folder":
            consumers = {name: SLOW[name] for name in ("verify again", "repair", "build")}  # that write to folders
    before = bystanders(folder)
    for consumer, run in consumers.items():
        failure = outcome(lambda run=run: run(root, out, f"{url}/it"))  # type: ignore[misc]
        if bystanders(folder) != before:
            failure = f"changed files of others: {set(before.items()) ^ set(bystanders(folder).items())}"
            shutil.rmtree(yard)
            raise AssertionError(f"{kind}, {what}, {consumer}: {failure}")  # the rest would fail for the same reason
        yield f"{consumer} after {what}", failure


def on_record(folder: Path) -> dict[str, Consumer]:
    """The consumers of a folder of corruptions."""
    again: dict[str, Any] = {"corruptions": ("fog", "contrast"), "severities": (2,), "workers": 1, "progress": False}
    return {
        "check-data": lambda root, out, url: [one.summary() for one in check_data(root, deep=True, progress=False)],
        "corrupt": lambda root, out, url: corrupt(folder / "digits", root, "c", **again),
    }


def bystanders(folder: Path) -> dict[str, Any]:
    """All files but those of the edited dataset and of the folder that consumers may write to."""
    mine = (str(folder / "yard" / "dataset") + os.sep, str(folder / "yard" / "out") + os.sep)
    found = {name: fact for name, fact in snapshot(folder).items() if not f"{folder}/{name}".startswith(mine)}
    places = folder, folder / "yard", folder / "yard" / "empty", folder / "yard" / "user"
    return found | {str(place): sorted(place.iterdir()) for place in places}


def outcome(run: Callable[[], Any]) -> str | None:
    """What a consumer did wrong: another error than ours, more than a line, too long, too much memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with bounded(SECONDS):
            run()
    except LayerMixError as error:
        if len(str(error).splitlines()) > 1 or len(str(error)) > 3000:
            return f"said too much: {str(error)[:300]!r} of {len(str(error))} characters"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        ours = [one for one in traceback.extract_tb(error.__traceback__) if "layermix_gen" in one.filename]
        at = ours[-1] if ours else frame
        return f"{type(error).__name__}: {str(error)[:200]} at {Path(at.filename).name}:{at.lineno}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return f"took {grown:.0f} MB more" if grown > MEGABYTES else None


class TooLong(BaseException):
    """A consumer did not end in time."""


@contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """Interrupt what takes longer."""

    def ring(*_: Any) -> None:
        raise TooLong(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
