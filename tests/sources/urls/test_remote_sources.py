"""Sources at URLs: items and builds are those of the disk, requests are few, and what is refused is one line."""

import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from layermix_gen import BuildSettings, LayerMixError, Manifest, build, open_shards
from layermix_gen.errors import BadImage
from layermix_gen.sources import Source, SourceOptions, open_source
from layermix_gen.sources.urls import remote_tars
from layermix_gen.support import remote
from tests.helpers import invoke, without_start
from tests.servers import Traffic, stored_at, web_server

SETTINGS = BuildSettings(variants=1, size=16, shard_size="6")


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, Traffic]]:
    with stored_at() as found:
        yield found


@pytest.fixture
def at(store: tuple[str, Traffic], request: pytest.FixtureRequest) -> Iterator[str]:
    """A URL in S3 for this test alone."""
    url, traffic = store
    yield f"{url}-{request.node.name.partition('[')[0]}"
    traffic.fault = lambda method, path: None


@pytest.fixture
def memory() -> Iterator[str]:
    yield "memory://sources/train"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(params=["memory", "s3"])
def place(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("memory" if request.param == "memory" else "at")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0.01)


def upload(folder: Path, url: str) -> str:
    system, path = fsspec.core.url_to_fs(url)
    for file in folder.rglob("*"):
        if file.is_file():
            system.pipe_file(f"{path}/{file.relative_to(folder).as_posix()}", file.read_bytes())
    return url


def put(url: str, content: bytes) -> None:
    system, path = fsspec.core.url_to_fs(url)
    system.pipe_file(path, content)


def put_all(url: str, *names: str) -> None:
    for name in names:
        put(f"{url}/{name}", b"x")


def tars(photographs: Path, folder: Path) -> Path:
    """Two tars with twelve of the photographs each, and their labels."""
    folder.mkdir()
    files = sorted(photographs.rglob("*.*"))
    for number in range(2):
        with tarfile.open(folder / f"{number:03d}.tar", "w") as tar:
            for place, file in enumerate(files[number::2]):
                for name, data in (
                    (f"{place:03d}{file.suffix}", file.read_bytes()),
                    (f"{place:03d}.cls", b"%d" % number),
                ):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return folder


def table(photographs: Path, folder: Path) -> Path:
    """The photographs with a table of their paths and labels."""
    shutil.copytree(photographs, folder)
    names = sorted(file.relative_to(photographs).as_posix() for file in photographs.rglob("*.*"))
    rows = [f"{name},{name.partition('/')[0]}" for name in names]
    (folder / "table.csv").write_text("\n".join(["path,label", *rows]))
    return folder / "table.csv"


def compare(here: Source, there: Source) -> None:
    """Whether two sources are the same: items, classes and pixels."""
    items = there.items()
    assert items == here.items()
    assert there.classes == here.classes
    for one, other in list(zip(here.items(), items, strict=True))[::5]:
        np.testing.assert_array_equal(there.read(other), here.read(one))
        assert there.pixel_size(other) == here.pixel_size(one)


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_is_that_of_the_disk(photographs: Path, place: str, tmp_path: Path) -> None:
    local = shutil.copytree(photographs, tmp_path / "local")
    (local / "coffee" / "ü b").mkdir()
    shutil.copyfile(local / "coffee" / "000.png", local / "coffee" / "ü b" / "日 #1.PNG")
    shutil.copyfile(local / "coffee" / "000.png", local / "in root.png")
    for name in ("notes.txt", "coffee/.hidden.png", "__MACOSX/x.png", "coffee/@eaDir/x.png", ".git/x.png"):
        (local / name).parent.mkdir(exist_ok=True)
        (local / name).write_bytes(b"x")
    here, there = open_source(local), open_source(upload(local, place))
    assert there.kind == "folder"
    assert there.location == place
    compare(here, there)
    assert all(item.version for item in there.items())


def test_labels_come_from_metadata(photographs: Path, place: str, tmp_path: Path) -> None:
    local = shutil.copytree(photographs / "coffee", tmp_path / "local")
    (local / "metadata.csv").write_text("file_name,label\n000.png,tea\n001.jpg,cup\nlost.png,cup\n")
    here, there = open_source(local), open_source(upload(local, place))
    assert there.items() == here.items()
    assert there.classes == here.classes == ("cup", "tea")
    put(f"{place}/metadata.csv", b"file_name,label\n000.png,\x00\n")
    with pytest.raises(LayerMixError) as caught:
        open_source(place).items()
    assert f"{place}/metadata.csv" in str(caught.value)


def test_a_build_is_that_of_the_disk_and_moves(photographs: Path, pool: Path, at: str, tmp_path: Path) -> None:
    """From a store on two workers, resumed from the disk, with planes added from the store."""
    source, root = upload(photographs, at), tmp_path / "out"
    more, local = BuildSettings(variants=2, size=16, shard_size="6"), tmp_path / "local"

    def building(place: str | Path, out: Path, settings: BuildSettings, workers: int = 1) -> Manifest:
        return build(place, out, settings, mixing_set=pool, workers=workers, progress=False)

    made = building(source, root, SETTINGS, workers=2)
    assert made.digest == building(photographs, local, SETTINGS).digest
    (root / "index" / "000001.parquet").unlink()
    assert building(photographs, root, SETTINGS).digest == made.digest
    extended = building(source, root, more)
    assert extended.digest == building(photographs, local, more).digest
    assert extended.source.location == source
    assert open_shards(root).verify(replay=1.0, workers=1, progress=False).ok


def test_a_folder_is_listed_in_pages_and_each_image_is_one_request(
    photographs: Path, at: str, store: tuple[str, Traffic]
) -> None:
    source = open_source(upload(photographs, at), "folder")
    made = store[1].made
    made.clear()
    items = source.items()
    assert made["LIST"] <= 6  # the root, and each of four classes
    assert made.total() - made["LIST"] <= 1
    made.clear()
    for item in items:
        source.read(item)
    assert (made["GET"], made.total()) == (len(items), len(items))


def test_an_image_that_was_replaced_is_named(photographs: Path, place: str) -> None:
    source = open_source(upload(photographs, place))
    first, second = source.items()[:2]
    content = (photographs / first.id).read_bytes()
    put(f"{place}/{first.id}", content[:-1] + bytes([content[-1] ^ 1]))
    put(f"{place}/{second.id}", b"short")
    for item in (first, second):
        with pytest.raises(LayerMixError, match=rf"^expected {item.id} as it was when the source was listed, found it"):
            source.read(item)
    fsspec.filesystem(place.partition(":")[0]).rm(f"{place}/{first.id}")
    with pytest.raises(BadImage, match=r"^no such file$"):
        source.read(first)


def test_what_is_transient_is_tried_again(photographs: Path, at: str, store: tuple[str, Traffic]) -> None:
    source = open_source(upload(photographs, at))
    tried = dict[str, int]()

    def fault(method: str, path: str) -> str | None:
        tried[path] = tried.get(path, 0) + 1
        return {1: "503", 2: "dropped"}.get(tried[path]) if method == "GET" else None

    store[1].fault = fault
    items = source.items()
    assert len(items) == 24
    assert source.read(items[0]).shape == (56, 44, 3)
    store[1].fault = lambda method, path: "500" if path.endswith(".png") else None
    with pytest.raises(LayerMixError, match=rf"^{at} cannot be reached, although tried again .*; check network and"):
        source.read(items[0])


# --- tars and tables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "/*.tar", "/{000..001}.tar", "/000.tar"])
def test_tars_are_those_of_the_disk(ending: str, photographs: Path, place: str, tmp_path: Path) -> None:
    local = tars(photographs, tmp_path / "tars")
    here, there = open_source(f"{local}{ending}"), open_source(f"{upload(local, place)}{ending}")
    assert there.kind == "webdataset"
    compare(here, there)
    assert len(there.items()) == (12 if ending == "/000.tar" else 24)


def test_a_tar_on_the_web(photographs: Path, at: str, tmp_path: Path) -> None:
    """The store answers plain requests, too, and sends parts of files."""
    local = tars(photographs, tmp_path / "tars")
    upload(local, at)
    url = f"{os.environ['AWS_ENDPOINT_URL']}/{at.partition('://')[2]}/001.tar"
    key = url.partition("/bucket/")[2]
    fsspec.filesystem("s3").call_s3("put_object_acl", Bucket="bucket", Key=key, ACL="public-read")
    compare(open_source(local / "001.tar"), open_source(url))


def test_a_server_that_sends_no_parts_is_refused(photographs: Path, tmp_path: Path) -> None:
    tars(photographs, tmp_path / "tars")
    with web_server(tmp_path) as (url, _), pytest.raises(LayerMixError) as caught:
        open_source(f"{url}/tars/000.tar").items()
    assert str(caught.value) == (
        f"{url}/tars/000.tar is on a server that sends no parts of files; copy the tars to this machine"
    )


def test_a_tar_that_was_replaced_is_noticed(
    photographs: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(upload(tars(photographs, tmp_path / "tars"), place))
    items = source.items()
    source.read(items[0])
    put(f"{place}/000.tar", (tmp_path / "tars" / "001.tar").read_bytes())
    monkeypatch.setattr(remote_tars, "FRESH", -1.0)  # as if a minute had passed
    with pytest.raises(LayerMixError, match=rf"^expected {items[0].id} as it was when the source was listed"):
        source.read(items[0])


def test_a_damaged_and_a_missing_tar_are_one_line(place: str) -> None:
    put(f"{place}/000.tar", b"x" * 2000)
    with pytest.raises(LayerMixError, match=rf"^{place}/000\.tar is truncated or not a tar: .*; get it again$"):
        open_source(f"{place}/000.tar").items()
    with pytest.raises(LayerMixError, match=rf"^expected tars, found none at {place}/001\.tar; check the URL$"):
        open_source(f"{place}/001.tar").items()


def test_a_table_is_that_of_the_disk(photographs: Path, place: str, tmp_path: Path) -> None:
    path = table(photographs, tmp_path / "local")
    here, there = open_source(path), open_source(f"{upload(path.parent, place)}/table.csv")
    assert there.kind == "manifest"
    compare(here, there)
    assert all(item.version for item in there.items())
    compare(here, open_source(path, options=SourceOptions(root=place)))


def test_a_table_of_urls_on_the_web(photographs: Path, tmp_path: Path) -> None:
    table(photographs, tmp_path / "local")
    with web_server(tmp_path) as (url, _):
        rows = [
            "path,label",
            f"{url}/local/coffee/000.png,3",
            f"{url}/local/coffee/lost.png,4",
            "local/rocket/001.jpg,5",
        ]
        (tmp_path / "urls.csv").write_text("\n".join(rows))
        source = open_source(f"{url}/urls.csv")
        items = {item.label: item for item in source.items()}
        assert {label: (item.size, item.version) for label, item in items.items()} == dict.fromkeys((3, 4, 5), (0, ""))
        here = open_source(photographs)
        for label, number in ((3, 12), (5, 19)):
            np.testing.assert_array_equal(source.read(items[label]), here.read(here.items()[number]))
        with pytest.raises(BadImage, match=r"^no such file$"):
            source.read(items[4])


def test_a_faulty_row_is_named(place: str) -> None:
    put(f"{place}/table.csv", b"path,label\na.png,1\nb.png,\n")
    with pytest.raises(LayerMixError, match=rf"label in line 3 of {place}/table\.csv, got ''; mend the table"):
        open_source(f"{place}/table.csv").items()
    put(f"{place}/table.csv", b"path,label\n../a.png,1\nb.png,1\n")
    put(f"{place}/b.png", b"x")
    source = open_source(f"{place}/table.csv")
    with pytest.raises(BadImage, match=r"^path out of the root$"):
        source.read(source.items()[0])


# --- what is refused -------------------------------------------------------------------------------------------------


def refused(*arguments: object) -> str:
    result = invoke("build", *arguments, "--workers", 1)
    assert result.exit_code == 1
    (line,) = without_start(result.stderr).splitlines()
    return line.removeprefix("Error: ")


def test_refusals_of_a_store_are_one_line(at: str, store: tuple[str, Traffic], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert refused("s3://no-such-bucket/train", out).startswith("s3://no-such-bucket/train is in no bucket (")
    store[1].fault = lambda method, path: "403"
    said = refused(at, out)
    assert said.startswith(f"access to {at} is denied (")
    assert "unsaid" not in said  # the key
    assert not out.exists()


REFUSED: dict[str, tuple[str, Callable[[str], None], str]] = {
    "nothing": (
        "",
        lambda url: None,
        "expected a folder of images, tars or a table at {url}, found nothing",
    ),
    "other files": (
        "",
        lambda url: put(f"{url}/x.bin", b"x"),
        "expected a folder of images, tars or a table at {url}, ",
    ),
    "two kinds": (
        "",
        lambda url: put_all(url, "a.tar", "b.png"),
        "expected one source in {url}, found webdataset and folder; give --kind",
    ),
    "splits": (
        "",
        lambda url: put_all(url, "train/x.png", "val/x.png"),
        "expected class folders in {url}, found the splits train and val; give one, such as {url}/val, or --kind ",
    ),
    "no images": ("folder", lambda url: put(f"{url}/a/x.txt", b"x"), "expected images in {url}, found 1 other file; "),
    "a kind of arrays": (
        "cifar10",
        lambda url: None,
        "expected a source of the kind folder, webdataset or manifest at a URL, got cifar10 for {url}; copy it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_source_is_one_line(name: str, memory: str, tmp_path: Path) -> None:
    kind, make, said = REFUSED[name]
    make(memory)
    assert refused(memory, tmp_path / "out", *(("--kind", kind) if kind else ())).startswith(said.format(url=memory))


def test_folders_on_the_web_and_passwords_are_refused(tmp_path: Path) -> None:
    said = refused("https://example.org/train", tmp_path / "out")
    assert said.startswith("expected a tar or a table (CSV or Parquet) at https://example.org/train")
    said = refused("s3://somebody:unsaid@bucket/train", tmp_path / "out")
    assert said.startswith("expected a URL without credentials, got one of s3://bucket with some")
    assert "unsaid" not in said


@pytest.mark.parametrize("name", ["t.csv?token=unsaid", "*.tar?X-Amz-Signature=unsaid", "x.tar?sig=unsaid"])
@pytest.mark.parametrize("kind", ["auto", "manifest"])
def test_a_signed_url_is_no_source(name: str, kind: str, tmp_path: Path) -> None:
    said = refused(f"https://host/{name}", tmp_path / "out", "--kind", kind)
    assert said.startswith("expected a URL without credentials, got one of https://host with some")
    assert "unsaid" not in said


@pytest.mark.parametrize("path", ["a.png?X-Amz-Signature=unsaid", "https://me:unsaid@host/a.png"])
def test_a_table_of_signed_urls_is_refused_for_samples_name_their_images(path: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"path,label\n{path},0\n")
    source = open_source(tmp_path / "table.csv", options=SourceOptions(root="https://host"))
    with pytest.raises(
        LayerMixError, match=r"^expected a URL without credentials, got one of https://host with some"
    ) as caught:
        source.items()
    assert "unsaid" not in str(caught.value)


def test_objects_in_a_table_may_have_question_marks(memory: str, tmp_path: Path) -> None:
    put(f"{memory}/a?key=1.png", b"x")
    (tmp_path / "table.csv").write_text("path,label\na?key=1.png,0\n")
    source = open_source(tmp_path / "table.csv", options=SourceOptions(root=memory))
    assert [item.id for item in source.items()] == ["a?key=1.png"]


@pytest.mark.parametrize("place", ["file:///etc/a.png", "local:///etc/a.png", "simplecache::memory://a/b.png"])
def test_a_table_reads_nothing_of_this_machine(place: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"path,label\n{place},0\n")
    source = open_source(tmp_path / "table.csv", options=SourceOptions(root="memory://bucket"))
    with pytest.raises(LayerMixError, match=r"^expected paths in .*table\.csv relative to memory://bucket, or URLs"):
        source.items()
