"""Planes that share keys: nothing but names differs from a default build, and other tars join them by key."""

import io
import json
import re
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset

from layermix_gen import BuildSettings, LayerMixDataset, build, open_shards
from layermix_gen.dataset.index import json_checksum
from layermix_gen.sources import open_source
from tests.helpers import digest, edit_manifest, forget_keys, invoke, members, rows, snapshot
from tests.inspection.built import INDEX, TAR, Built, flip, lose_shard, refuses, verify
from tests.reading.truth import keys

SHARED = BuildSettings(variants=2, size=32, shard_size="10", keys="shared")  # else as `small`
ADDRESS = "000000010-v00"


@pytest.fixture(scope="module")
def shared(small: Built, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The dataset `small`, built with shared keys. Not to be written to."""
    root = tmp_path_factory.mktemp("shared") / "shards"
    return Built(root, build(small.source, root, SHARED, mixing_set=pool, workers=1, progress=False), small.source)


@pytest.fixture
def harmed(shared: Built, tmp_path: Path) -> Path:
    """A copy of the dataset, to be damaged."""
    return shared.copy(tmp_path / "shards")


# --- what is built ---------------------------------------------------------------------------------------------------


def test_tars_differ_in_the_names_of_their_members_alone(shared: Built, small: Built) -> None:
    for tar in small.manifest.tars:
        plane = tar.partition("/")[0]
        expected = {name.replace(f"-{plane}", ""): data for name, data in members(small.root / tar).items()}
        assert list(members(shared.root / tar).items()) == list(expected.items())
        assert shared.manifest.tars[tar]["bytes"] == small.manifest.tars[tar]["bytes"]
    assert list(members(shared.root / TAR))[:3] == ["000000008.png", "000000008.cls", "000000008.json"]


def test_indexes_differ_in_keys_and_what_is_made_of_them(shared: Built, small: Built) -> None:
    for row, other in zip(rows(shared.root), rows(small.root), strict=True):
        assert f"{row['key']}-{row['plane']}" == other["key"]
        text = members(shared.root / row["plane"] / f"{row['shard']:06d}.tar")[f"{row['key']}.json"]
        assert row["json_crc32"] == json_checksum(row["key"].encode(), text)
        assert {name for name in row if row[name] != other[name]} == {"key", "json_crc32"}


def test_the_command_builds_the_same_and_says_so(shared: Built, small: Built, pool: Path, tmp_path: Path) -> None:
    options = ("--variants", 2, "--size", 32, "--shard-size", 10, "--mixing-set", pool, "--workers", 1)
    result = invoke("build", small.source, tmp_path, *options, "--keys", "shared")
    assert result.exit_code == 0, result.output
    assert digest(tmp_path) == digest(shared.root) == shared.manifest.digest
    line = "keys        shared by all planes\n"
    assert all(line in text for text in (result.output, str(shared.open().summary())))
    assert not any(line in text for text in (small.manifest.summary(), str(small.open().summary())))


@pytest.mark.parametrize("other", ["plane", "", "Shared", None, 1, ("shared",)])
def test_other_kinds_of_keys_are_refused(other: Any) -> None:
    line = f"keys must be one of unique, shared, got {other!r}"
    assert refuses(lambda: BuildSettings(keys=other)).startswith(line)


def test_keys_of_a_dataset_stay_as_they_are(shared: Built, small: Built, pool: Path) -> None:
    options = ("--variants", 2, "--size", 32, "--shard-size", 10, "--mixing-set", pool)
    for built, keys_, change in ((shared, "unique", "shared -> unique"), (small, "shared", "unique -> shared")):
        before = snapshot(built.root)
        result = invoke("build", built.source, built.root, *options, "--keys", keys_)
        assert (result.exit_code, result.stderr) == (
            1,
            f"Error: {built.root} holds another dataset: keys {change}; repeat the command that began it, or build "
            "into another folder\n",
        )
        assert snapshot(built.root) == before


def test_planes_are_added(shared: Built, pool: Path, tmp_path: Path) -> None:
    for settings in (replace(SHARED, variants=1, clean=False), SHARED):
        build(shared.source, tmp_path, settings, mixing_set=pool, workers=1, progress=False)
        assert open_shards(tmp_path).count("key = '000000010'") == len(settings.planes)
    assert digest(tmp_path) == digest(shared.root)


def test_a_dataset_from_before_there_was_a_choice(damaged: Path, small: Built, pool: Path) -> None:
    for name in ("plan.json", "dataset.json"):
        forget_keys(damaged / name)
    assert verify(damaged) == []
    assert open_shards(damaged).settings == small.manifest.settings
    again = build(small.source, damaged, small.manifest.settings, mixing_set=pool, workers=1, progress=False)
    assert (again.run.images, again.digest) == (0, small.manifest.digest)
    more = replace(small.manifest.settings, variants=3)
    assert build(small.source, damaged, more, mixing_set=pool, workers=1, progress=False).run.images == 24


# --- other tars ------------------------------------------------------------------------------------------------------


def write_tar(path: Path, content: dict[str, bytes]) -> str:
    """Write a tar of members; return its path as text."""
    with tarfile.open(path, "w") as tar:
        for name, data in content.items():
            head = tarfile.TarInfo(name)
            head.size = len(data)
            tar.addfile(head, io.BytesIO(data))
    return str(path)


def stream(*tars: object) -> Any:
    """The samples of tars, one after the other."""
    return webdataset.WebDataset([str(tar) for tar in tars], shardshuffle=False)


def test_a_plane_joins_features_of_another(shared: Built, tmp_path: Path) -> None:
    """Features are computed once, from the clean plane, and read next to each plane of variants."""
    numbers = range(shared.manifest.shards)
    features = []
    for number in numbers:
        content = {
            f"{sample['__key__']}.feature.json": json.dumps([json.loads(sample["json"])["source"]]).encode()
            for sample in stream(shared.root / "clean" / f"{number:06d}.tar")
        }
        features.append(write_tar(tmp_path / f"{number:06d}.tar", content))
    for plane in shared.manifest.planes:
        tars = [shared.root / plane / f"{number:06d}.tar" for number in numbers]
        joined = list(zip(stream(*tars), stream(*features), strict=True))
        assert len(joined) == 24
        for sample, feature in joined:
            assert sample["__key__"] == feature["__key__"]
            assert json.loads(feature["feature.json"]) == [json.loads(sample["json"])["source"]]


def test_captions_by_the_readers_keys_fit_every_plane(shared: Built) -> None:
    of_clean = LayerMixDataset(shared.root, 5, views="clean", fields=("key", "source"), remainder="exact")
    captions = {key: name for *_, facts in of_clean for key, name in zip(facts["key"], facts["source"], strict=True)}
    assert len(captions) == 24
    for plane in ("v00", "v01"):
        of_plane = LayerMixDataset(shared.root, 5, views=plane, fields=("key", "source"), remainder="exact")
        for *_, facts in of_plane:
            assert [captions[key] for key in facts["key"]] == facts["source"]


def test_planes_as_a_source_are_told_apart(shared: Built) -> None:
    """A folder of planes has samples of one key in different tars."""
    items = open_source(f"{shared.root}/{{clean,v00,v01}}/{{000000..000002}}.tar", "webdataset").items()
    assert len({item.id for item in items}) == len(items) == 72


# --- reading ---------------------------------------------------------------------------------------------------------

READ: dict[str, dict[str, Any]] = {
    "a plane": {"views": "v01"},
    "drawn": {"views": "variant"},
    "several views": {"views": ("v00", "v01")},
    "random, without order": {"views": "random", "seed": 3},
    "in order": {"views": "variant", "order": "sequential"},
    "by a condition": {"views": "variant", "where": "key >= '000000005' AND layer > 1"},
}


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("mode", READ)
def test_the_reader_gives_the_same(mode: str, in_memory: bool, shared: Built, small: Built) -> None:
    options: dict[str, Any] = {"fields": ("key", "plane", "recipe"), "remainder": "exact"} | READ[mode]
    readers = [LayerMixDataset(built.root, 7, **options) for built in (shared, small)]
    pairs = zip(*(reader.in_memory() if in_memory else reader for reader in readers), strict=True)
    for (images, labels, facts), (other_images, other_labels, other_facts) in pairs:
        assert images.equal(other_images)
        assert labels.equal(other_labels)
        assert (facts["plane"], facts["recipe"]) == (other_facts["plane"], other_facts["recipe"])
        expected = [np.char.partition(key, "-").tolist() for key in other_facts["key"]]
        assert np.array_equal(facts["key"], np.array(expected)[..., 0])


def test_a_condition_on_a_key_finds_it_in_all_planes(shared: Built) -> None:
    options: dict[str, Any] = {"where": "key = '000000010'", "fields": ("key", "plane"), "remainder": "exact"}
    for plane in shared.manifest.planes:
        ((*_, facts),) = LayerMixDataset(shared.root, 2, views=plane, **options)
        assert facts == {"key": ["000000010"], "plane": [plane]}
    both = LayerMixDataset(shared.root, 2, views=("v00", "v01"), **options)
    assert keys(both) == [[["000000010", "000000010"]]]


def test_the_reader_names_what_is_damaged_as_inspect_takes_it(harmed: Path) -> None:
    row = open_shards(harmed).row(ADDRESS)
    flip(harmed / TAR, row["offset"] + 9)
    assert f"{harmed}/{TAR}, sample {ADDRESS}: expected" in refuses(
        lambda: list(LayerMixDataset(harmed, 7, views="v00"))
    )


# --- inspection ------------------------------------------------------------------------------------------------------


def test_a_sample_is_found_by_key_and_plane(shared: Built, small: Built) -> None:
    row = shared.open().row(ADDRESS)
    assert (row["key"], row["plane"]) == ("000000010", "v00")
    assert np.array_equal(shared.open().pixels(row), small.open().pixels(small.open().row(ADDRESS)))
    assert np.array_equal(shared.open().replay(row).pixels, shared.open().pixels(row))
    printed = invoke("inspect", shared.root, "--key", ADDRESS).stdout
    assert "key           000000010\n" in printed
    assert "plane         v00\n" in printed


@pytest.mark.parametrize("key", ["000000010", "000000010-v02", "000000010-", "-v00", "10-v00", "000000010-v00 ", "x"])
def test_what_is_no_sample_is_one_line(key: str, shared: Built) -> None:
    result = invoke("inspect", shared.root, "--key", key)
    assert (result.exit_code, result.stdout) == (1, "")
    line = f"expected the key and the plane of a sample, such as 000000000-clean, got {key!r}; find keys with --where"
    assert result.stderr == f"Error: {line}\n"


@pytest.mark.parametrize("key", [10, None, b"000000010-v00", {"key": "000000010", "plane": "v00"}])
def test_what_is_no_text_is_one_line(key: Any, shared: Built) -> None:
    assert refuses(lambda: shared.open().row(key)).endswith(f", got {key!r}; find keys with --where")


def test_a_table_has_the_planes(shared: Built, small: Built) -> None:
    shown = ("--where", "key LIKE '000000010%'")
    head, *lines = invoke("inspect", shared.root, *shown).stdout.splitlines()
    assert head.split()[:3] == ["plane", "key", "source"]
    assert [line.split()[:2] for line in lines] == [[plane, "000000010"] for plane in shared.manifest.planes]
    assert invoke("inspect", small.root, *shown).stdout.split()[:2] == ["key", "source"]


def test_drawings_and_extracted_files_are_the_same(shared: Built, small: Built, tmp_path: Path) -> None:
    """Samples have the names by which `inspect` finds them."""
    drawn: list[dict[str, bytes]] = []
    for built in (shared, small):
        out, shards = tmp_path / str(len(drawn)), built.open()
        out.mkdir()
        shards.extract(out / "files", "key < '000000003'", progress=False)
        shards.explain(ADDRESS, out / "tree.png")
        shards.sheet(out / "sheet.png", limit=5)
        shards.gallery(out / "gallery.html", "plane = 'v01'", limit=2, progress=False)
        drawn.append({path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*")})
    assert drawn[0] == drawn[1]
    assert {"files/000000002-v01.png", "files/000000002-clean.json"} <= drawn[0].keys()
    assert re.search(rb'"key":\["[0-9]{9}-v01",', drawn[0]["gallery.html"])


# --- verification ----------------------------------------------------------------------------------------------------


def test_all_is_as_it_was_built(shared: Built) -> None:
    report = shared.open().verify(replay=1.0, workers=1, progress=False)
    assert report.ok, str(report)
    assert (report.samples, report.replayed) == (72, 72)


def test_damage_is_the_same_as_with_unique_keys(shared: Built, damaged: Path, tmp_path: Path) -> None:
    ours = shared.copy(tmp_path / "ours")
    for root in (ours, damaged):
        at = open_shards(root).row(ADDRESS)["offset"]
        flip(root / TAR, at + 9)
        flip(root / "v01" / "000000.tar", 100)
        (root / "clean" / "000002.tar").unlink()
    found, others = verify(ours, replay=1.0), verify(damaged, replay=1.0)
    assert (TAR, ADDRESS, "its image is damaged (crc32)") in found
    assert [(file, key) for file, key, _ in found] == [(file, key) for file, key, _ in others]
    assert open_shards(ours).row(ADDRESS)["key"] == "000000010"


def test_repair_restores_the_digest(harmed: Path, shared: Built) -> None:
    lose_shard(harmed)
    flip(harmed / "v01" / "000002.tar", 3000)
    repaired = open_shards(harmed).repair(workers=1, progress=False)
    assert repaired.ok
    assert {INDEX, TAR, "v01/000002.tar"} <= set(repaired.mended)
    assert digest(harmed) == shared.manifest.digest
    (harmed / "dataset.json").unlink()
    assert open_shards(harmed).repair(workers=1, progress=False).ok
    assert digest(harmed) == shared.manifest.digest


@pytest.mark.parametrize("declared", ["unique", "shared"])
def test_other_keys_than_those_declared_are_a_problem(
    declared: str, shared: Built, small: Built, tmp_path: Path
) -> None:
    """Whoever edits the manifest so that all checksums fit does not get past `verify`; nothing else fails."""
    root = (shared if declared == "unique" else small).copy(tmp_path / "shards")
    edit_manifest(root, lambda value: value["settings"].update(keys=declared))
    what = "its rows of v00 have the keys of another plane, or of another shard"
    assert (INDEX, "", f"{what}") in verify(root)
    assert "find " in refuses(lambda: open_shards(root).row(ADDRESS))
    assert len(list(LayerMixDataset(root, 24, fields=("key",)))) == 1
