"""Single samples: their stored images, how they are made again, and as files; from a folder and from URLs."""

import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

from layermix_gen import open_mixing_set, open_shards, render
from layermix_gen.images.views import View, render_view
from layermix_gen.sources import open_source
from layermix_gen.support import remote
from tests.helpers import files, invoke, members, reseal
from tests.inspection.built import INDEX, TAR, Built, flip, refuses
from tests.servers import Traffic, object_store, web_server

# --- one sample ------------------------------------------------------------------------------------------------------


def test_image_and_pixels_are_those_of_the_tar(small: Built) -> None:
    shards = small.open()
    stored = members(small.root / TAR)
    for row in shards.query("plane = 'v00' AND shard = 1"):
        data = stored[f"{row['key']}.png"]
        assert shards.image(row) == data
        assert np.array_equal(shards.pixels(row), np.asarray(Image.open(io.BytesIO(data))))


def test_a_replay_shows_what_the_row_says(small: Built) -> None:
    shards, source = small.open(), open_source(small.source)
    pool, items = open_mixing_set(small.manifest.mixing_set.location), {item.id: item for item in source.items()}
    for row in shards.query(order_by="layer DESC, key", limit=20):
        made = shards.replay(row)
        top, left, height, width, flip_it = row["view"]
        view = render_view(source.read(items[row["source"]]), View(top, left, height, width, bool(flip_it)), 32)
        picture = None
        if row["picture"] >= 0:
            top, left, flip_h, flip_v = row["picture_view"]
            crop = pool.pictures[row["picture"], top : top + 32, left : left + 32]
            crop = np.repeat(crop[:: -1 if flip_v else 1, :: -1 if flip_h else 1, None], 3, axis=2)
            assert made.picture is not None
            assert np.array_equal(made.picture, crop)
            picture = np.ascontiguousarray(crop)
        assert np.array_equal(made.source, source.read(items[row["source"]]))
        assert np.array_equal(made.view, view)
        assert np.array_equal(made.pixels, render(row["recipe"], view, picture))
        assert np.array_equal(made.pixels, shards.pixels(row))
        assert (str(made.recipe.expression), made.picture is None) == (row["recipe"], row["layer"] < 3)


def test_damage_is_told_and_not_shown(damaged: Path) -> None:
    shards = open_shards(damaged)
    row = shards.row("000000010-v00")
    flip(damaged / TAR, row["offset"] + 9)
    assert refuses(lambda: shards.pixels(row)) == (
        f"000000010-v00 in {damaged}/{TAR} is not as it was built; see `layermix-gen verify {damaged}`"
    )
    (damaged / TAR).unlink()
    assert refuses(lambda: shards.image(row)).startswith(
        f"000000010-v00 cannot be read: {damaged}/{TAR} cannot be read:"
    )


@pytest.mark.parametrize(
    "change",
    [{"plane": "../../etc"}, {"plane": "v07"}, {"shard": 77}, {"offset": -1}, {"size": 10**9}, {"size": -600}],
    ids=str,
)
def test_a_row_of_another_dataset_reads_nothing(change: dict[str, Any], small: Built) -> None:
    shards = small.open()
    row = shards.row("000000010-v00") | change
    assert refuses(lambda: shards.image(row)).startswith(
        "expected a row of the dataset's own index, got '000000010-v00'"
    )


def test_a_row_without_its_place(small: Built) -> None:
    (row,) = small.open().query("key = '000000010-v00'", ["key", "op"])
    assert refuses(lambda: small.open().image(row)).startswith("expected a row with the columns key, plane, shard,")


@pytest.mark.parametrize("row", ["000000010-v00", None, 7, ["key"]])
def test_what_is_no_row(row: Any, small: Built) -> None:
    shards = small.open()
    for method in (shards.image, shards.pixels, shards.replay):
        line = f"expected a row, as row() and query() return them, got {row!r}; look it up by row()"
        assert refuses(partial(method, row)) == line


def test_a_row_without_its_source_is_not_replayed(small: Built) -> None:
    shards = small.open()
    row = shards.row("000000010-v00")
    for column in ("key", "offset", "source_crc32", "variant"):
        found = {name: value for name, value in row.items() if name != column}
        assert refuses(partial(shards.replay, found)).endswith(
            f"source, source_crc32, variant, other, got none for {column}"
        )
    assert refuses(lambda: shards.replay(row | {"shard": 77})).startswith("expected a row of the dataset's own index")


def test_an_unfinished_dataset(damaged: Path) -> None:
    (damaged / "dataset.json").unlink()
    assert refuses(lambda: open_shards(damaged).query()) == (
        f"expected a dataset with a dataset.json at {damaged}, but it cannot be read (no such file or directory); "
        "it is not finished: run its build again"
    )
    assert refuses(lambda: open_shards(damaged / "none")) == (
        f"expected a dataset in a folder, found none at {damaged}/none; check the path"
    )


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        (
            "dataset.json",
            b"{",
            r"dataset\.json is damaged \(Expecting .*\); run the build again to write a new one",
        ),
        ("dataset.json", b"[]", r"dataset\.json is damaged \(expected an object, found \[\]\); run the build"),
        ("dataset.json", b"\xff\xfe", r"^expected text in .*dataset\.json, found other bytes; restore it$"),
        (INDEX, b"PAR1", rf"^expected .*{INDEX} as it was built, found other bytes; `layermix-gen verify .* --repair`"),
    ],
)
def test_damaged_files_are_one_line(name: str, content: bytes, line: str, damaged: Path) -> None:
    (damaged / name).write_bytes(content)
    result = invoke("inspect", damaged)
    assert (result.exit_code, result.stdout) == (1, "")
    with pytest.raises(Exception, match=line):
        open_shards(damaged).summary()


@pytest.mark.parametrize("plane", ["../v00", "v00/..", "clean\\n", "/etc"])
def test_a_manifest_with_odd_planes_is_damaged(plane: str, damaged: Path) -> None:
    text = (damaged / "dataset.json").read_text().replace('"v00"', json.dumps(plane), 1)
    (damaged / "dataset.json").write_text(text)
    reseal(damaged / "dataset.json")
    assert "dataset.json is damaged (expected the planes clean v00 v01, found" in refuses(
        lambda: open_shards(damaged).query()
    )


# --- as files --------------------------------------------------------------------------------------------------------


def test_extracted_files_are_the_members_of_the_tars(small: Built, tmp_path: Path) -> None:
    result = invoke("inspect", small.root, "--where", "layer = 3", "--extract", tmp_path / "a" / "out")
    expected = small.open().query("layer = 3")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/a/out: {len(expected)} images with their JSON\n")
    assert files(tmp_path / "a") == sorted(f"out/{row['key']}.{end}" for row in expected for end in ("json", "png"))
    for row in expected:
        stored = members(small.root / row["plane"] / f"{row['shard']:06d}.tar")
        for end in ("json", "png"):
            assert (tmp_path / "a" / "out" / f"{row['key']}.{end}").read_bytes() == stored[f"{row['key']}.{end}"]


def test_extraction_takes_order_and_limit(small: Built, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()  # an empty folder will do
    assert small.open().extract(tmp_path / "out", order_by="size DESC, key", limit=2, progress=False) == 2
    largest = small.open().query(order_by="size DESC, key", limit=2)
    assert {path.stem for path in (tmp_path / "out").iterdir()} == {row["key"] for row in largest}


def test_what_is_in_the_way_stays(small: Built, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    (tmp_path / "file").touch()
    lines = {
        tmp_path / "full": f"expected an empty folder, found 'thesis.txt' in {tmp_path / 'full'}; choose another",
        tmp_path / "file": f"expected a folder to write into, found a file at {tmp_path / 'file'}; choose another",
        small.root / "v00" / "extracted": f"expected an output folder outside of {small.root}, got {small.root}/v00/",
    }
    for folder, line in lines.items():
        assert refuses(lambda folder=folder: small.open().extract(folder)).startswith(line)  # type: ignore[misc]
    assert refuses(lambda: small.open().extract(tmp_path / "new", "layer = 7")) == (
        "no sample meets 'layer = 7'; nothing was extracted"
    )
    assert files(tmp_path) == ["file", "full/thesis.txt"]


def test_a_failed_extraction_leaves_nothing(damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    row = open_shards(damaged).row("000000010-v00")
    flip(damaged / TAR, row["offset"])
    out = tmp_path / "results" / "out"
    assert "000000010-v00 in " in refuses(lambda: open_shards(damaged).extract(out, "plane = 'v00'", progress=False))
    assert list((tmp_path / "results").iterdir()) == []

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("layermix_gen.inspection.shards.Shards.image", stop)
    result = invoke("inspect", damaged, "--extract", out)
    assert (result.exit_code, result.stdout) == (130, "")
    assert (
        result.stderr == f"Interrupted: stopped at 0 of 72 images, {out} was not written; run the same command again\n"
    )
    assert list((tmp_path / "results").iterdir()) == []


# --- at URLs ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(small: Built) -> Iterator[tuple[str, Traffic]]:
    with web_server(small.root) as server:
        yield server


def test_a_url_is_asked_for_manifest_and_index_only(small: Built, web: tuple[str, Traffic]) -> None:
    url, traffic = web
    traffic.requests.clear()
    remote = open_shards(url)
    assert remote.query("layer = 3", order_by="key") == small.open().query("layer = 3", order_by="key")
    local = str(small.open().summary()).splitlines()
    assert str(remote.summary()).splitlines()[1:] == local[1:]
    asked = {"/dataset.json": 1} | {f"/index/{number:06d}.parquet": 1 for number in range(3)}
    assert traffic.requests == asked
    row = remote.row("000000010-v00")
    assert np.array_equal(remote.pixels(row), small.open().pixels(row))
    made, here = remote.replay(row), small.open().replay(row)
    assert np.array_equal(made.pixels, here.pixels)


def test_a_url_is_verified_and_not_repaired(small: Built, web: tuple[str, Traffic], tmp_path: Path) -> None:
    url, _ = web
    result = invoke("verify", url, "--workers", 1, "--replay", 0.2)
    assert result.exit_code == 0, result.output
    assert f"{url}: 3 shards, 9 tars, 72 samples" in result.stdout
    line = f"expected a folder or a URL that can be written to, such as s3://bucket/name, got {url}; give another"
    assert invoke("verify", url, "--repair").stderr == f"Error: {line}\n"
    assert invoke("inspect", url, "--where", "layer = 1", "--extract", tmp_path / "out").exit_code == 0
    assert len(files(tmp_path / "out")) == 2 * small.open().count("layer = 1")


def test_damage_at_a_url_is_found(damaged: Path) -> None:
    flip(damaged / TAR, 6000)
    (damaged / "v01" / "000002.tar").unlink()
    with web_server(damaged) as (url, _):
        report = open_shards(url).verify(workers=2, progress=False)
    assert report.files == (TAR, "v01/000002.tar")


def test_no_dataset_at_a_url(web: tuple[str, Traffic], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0)
    url, _ = web
    for location in (f"{url}/none", "http://127.0.0.1:9/none", "nothing://here", "file:///no/such/folder"):
        for command in ("inspect", "verify"):
            result = invoke(command, location)
            assert (result.exit_code, result.stdout) == (1, ""), location
            assert len(result.stderr.splitlines()) == 1, result.stderr
    assert refuses(lambda: open_shards(".", storage_options={"anon": True})) == (
        "storage_options are for URLs, got the folder .; drop them"
    )


def test_s3(small: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with object_store() as (endpoint, traffic):
        options = {"endpoint_url": endpoint, "skip_instance_cache": True}
        system = fsspec.filesystem("s3", **options)
        system.mkdir("inspected")
        system.put(f"{small.root}/", "inspected/shards/", recursive=True)
        shards = open_shards("s3://inspected/shards", storage_options=options)
        assert shards.query("layer = 2") == small.open().query("layer = 2")
        sent = sorted(path.rpartition("shards/")[2] for path in traffic.requests)
        assert sent == ["dataset.json", *(f"index/{number:06d}.parquet" for number in range(3))]
        row = shards.row("000000010-v00")
        assert shards.image(row) == small.open().image(row)
        assert traffic.bytes[f"/inspected/shards/{TAR}"] == row["size"]  # not the whole tar
        assert shards.verify(workers=1, progress=False).ok
