"""A dataset at a URL writes and deletes nothing outside of its cache, whatever its manifest says."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layermix_gen.inspection.shards import open_shards
from layermix_gen.reading.reader import LayerMixDataset
from layermix_gen.support import remote
from layermix_gen.support.files import temporary
from tests.helpers import reseal, snapshot
from tests.inspection.built import refuses
from tests.reading.truth import Truth
from tests.servers import web_server


@pytest.fixture(scope="module")
def served(tiny: Truth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A copy of a dataset, whose manifest may be edited, and its URL."""
    root = shutil.copytree(tiny.root, tmp_path_factory.mktemp("served") / "shards")
    with web_server(root) as (url, _):
        yield root, url


@pytest.fixture
def around(tmp_path: Path) -> dict[str, Any]:
    """A folder with a user's file and an empty cache in it."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "thesis.tex").write_bytes(b"written by a person")
    (tmp_path / "empty").mkdir()
    return {"root": tmp_path, "size": len(b"written by a person")}


def edit(root: Path, **changes: Any) -> None:
    """Change facts of the dataset's manifest, and let its checksum fit."""
    path = root / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    reseal(path)


def attack(url: str, cache: Path) -> str:
    """Read with as little room as the order needs, so that all that is thought cached is removed; give the error."""

    def read() -> None:
        ds = LayerMixDataset(url, 8, threads=1, window=1, cache_dir=cache, cache_bytes=100_000, prefetch=1)
        for _ in range(3):
            list(ds)

    return refuses(read)


@pytest.mark.parametrize("name", ["{root}/thesis.tex", "../../thesis.tex", "v00/../../../thesis.tex"])
@pytest.mark.parametrize(
    ("instead_of", "said"),
    [
        (None, "expected 35 tars of 7 shards, found 36"),
        ("v00/000001.tar", "expected the tars and indexes of its planes"),
    ],
)
def test_a_tar_with_the_name_of_a_users_file(
    tiny: Truth, served: tuple[Path, str], around: dict[str, Any], name: str, instead_of: str | None, said: str
) -> None:
    root, url = served
    tars = json.loads((tiny.root / "dataset.json").read_text())["tars"]
    extra = {name.format(**around): {"samples": 0, "bytes": around["size"], "sha256": "0" * 64}}
    edit(root, tars={tar: facts for tar, facts in tars.items() if tar != instead_of} | extra)
    before = snapshot(around["root"])
    assert f"is damaged ({said}" in attack(url, around["root"] / "cache")
    assert snapshot(around["root"]) == before
    edit(root, tars=tars)


@pytest.mark.parametrize("digest", ["{root}/empty", "../../empty/x", "0" * 64 + "\n", "0" * 63, ""])
def test_a_digest_that_is_a_path(
    tiny: Truth, served: tuple[Path, str], around: dict[str, Any], digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, url = served
    monkeypatch.chdir(around["root"] / "empty")
    edit(root, digest=digest.format(**around))
    before = snapshot(around["root"])
    assert "is damaged (expected 64 hexadecimal digits as each digest, found others)" in attack(
        url, around["root"] / "cache"
    )
    assert snapshot(around["root"]) == before
    edit(root, digest=json.loads((tiny.root / "dataset.json").read_text())["digest"])


@pytest.mark.parametrize("linked", ["", "index", "v00", "v00/000001.tar"])
def test_a_cache_that_leads_elsewhere(served: tuple[Path, str], around: dict[str, Any], linked: str) -> None:
    root, url = served
    digest = json.loads((root / "dataset.json").read_text())["digest"]
    place = around["root"] / "cache" / digest[:16] / linked
    place.parent.mkdir(parents=True, exist_ok=True)
    target = around["root"] / ("thesis.tex" if linked.endswith(".tar") else "empty")
    place.symlink_to(target)
    before = snapshot(target.parent if target.is_file() else target)
    assert "found a link out of it" in attack(url, around["root"] / "cache")
    found = snapshot(target.parent if target.is_file() else target)
    assert {name: found.get(name) for name in before} == before
    assert not list((around["root"] / "empty").iterdir())


def test_an_index_in_a_linked_cache_is_not_removed(served: tuple[Path, str], around: dict[str, Any]) -> None:
    root, url = served
    mine = around["root"] / "empty"
    for name in sorted((root / "index").iterdir()):
        (mine / name.name).write_bytes(b"written by a person")
    place = around["root"] / "cache" / json.loads((root / "dataset.json").read_text())["digest"][:16]
    place.mkdir()
    (place / "index").symlink_to(mine)
    before = snapshot(mine)
    assert "found a link out of it" in attack(url, around["root"] / "cache")
    assert snapshot(mine) == before


@pytest.mark.parametrize("more", [1 << 20, -1000])
def test_a_tar_of_another_size_than_the_manifests_does_not_stay(
    more: int, served: tuple[Path, str], around: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, url = served
    monkeypatch.setattr(remote, "PAUSE", 0)
    path, cache = root / "v00" / "000001.tar", around["root"] / "cache"
    data = path.read_bytes()
    path.write_bytes(data + bytes(more) if more > 0 else data[:more])
    what = "OverflowError: expected at most" if more > 0 else "ValueError: expected"
    line = f"v00/000001.tar cannot be fetched: {what} {len(data)} bytes, got"
    assert line in refuses(lambda: list(LayerMixDataset(url, 8, views="v00", threads=1, cache_dir=cache)))
    path.write_bytes(data)
    assert not list(cache.rglob("000001.tar"))
    assert not list(cache.rglob(".*.tmp"))


def test_drafts_that_a_killed_reader_left_are_removed(served: tuple[Path, str], around: dict[str, Any]) -> None:
    root, url = served
    place = around["root"] / "cache" / json.loads((root / "dataset.json").read_text())["digest"][:16] / "v00"
    place.mkdir(parents=True)
    old, young = temporary(place / "000000.tar"), temporary(place / "000000.tar")
    old.touch()
    young.touch()  # perhaps of another reader
    os.utime(old, (0, 0))
    LayerMixDataset(url, 8, threads=1, cache_dir=around["root"] / "cache")
    assert list(place.glob(".*.tmp")) == [young]


def test_shards_without_number_are_refused_at_once(
    served: tuple[Path, str], around: dict[str, Any], tiny: Truth
) -> None:
    root, url = served
    edit(root, shards=10**12)
    expected = "is damaged (expected 1000000000000 indexes of 1000000000000 shards, found 7); run"
    assert expected in attack(url, around["root"] / "cache")
    assert expected in refuses(lambda: LayerMixDataset(root, 8))
    assert expected in refuses(lambda: open_shards(root).summary())
    edit(root, shards=json.loads((tiny.root / "dataset.json").read_text())["shards"])
