"""Files at a URL, one by one; how a reader uses them is tested in tests/reading/storage/test_remote_storage.py."""

import errno
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.registry import _registry as REGISTRY

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.support import remote
from layermix_gen.support.remote import RemoteFiles, patiently, refusal, refuse_secrets
from tests.helpers import files

CONTENT = bytes(range(100))


@pytest.fixture
def url() -> Iterator[str]:
    """A folder in memory, with a slash at its end."""
    system = fsspec.filesystem("memory")
    system.pipe({"/set/dataset.json": '{"ü": 1}'.encode(), "/set/v00/0.tar": CONTENT, "/set/v00/1.tar": b"\xff"})
    yield "memory://set/"
    system.rm("/set", recursive=True)


def test_text_is_utf8(url: str) -> None:
    stored = RemoteFiles(url)
    assert stored.location == "memory://set"
    assert stored.text("dataset.json") == '{"ü": 1}'
    for name, reason in {"plan.json": "FileNotFoundError: ", "v00/1.tar": "UnicodeDecodeError: "}.items():
        with pytest.raises(LayerMixError) as caught:
            stored.text(name)
        assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(("start", "size"), [(0, 100), (10, 5), (99, 1), (90, 50), (100, 5), (7, 0)])
@pytest.mark.parametrize("whole", [False, True])
def test_a_part_is_what_lies_there(
    start: int, size: int, whole: bool, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `whole`, the server ignores the range and sends the whole file, as some do."""
    stored = RemoteFiles(url)
    if whole:
        monkeypatch.setattr(stored._system, "cat_file", lambda path, **_: CONTENT)
    assert stored.part("v00/0.tar", start, size) == CONTENT[start : start + size]


def test_a_part_of_a_missing_file_is_a_bad_image(url: str) -> None:
    with pytest.raises(BadImage, match=r"^memory://set/v00/2\.tar cannot be fetched: FileNotFoundError"):
        RemoteFiles(url).part("v00/2.tar", 0, 5)


def test_a_copy_makes_its_folder_and_replaces_what_was_there(url: str, tmp_path: Path) -> None:
    stored, copy = RemoteFiles(url), tmp_path / "v00" / "0.tar"
    for _ in range(2):
        stored.copy_file("v00/0.tar", copy)
        assert copy.read_bytes() == CONTENT
        copy.write_bytes(b"older")
    assert files(tmp_path) == ["v00/0.tar"]


def test_a_fetch_is_tried_again_and_leaves_a_whole_file_or_none(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def broken(path: str, target: str, **_: Any) -> None:
        tries.append(path)
        Path(target).write_bytes(CONTENT[:50])
        raise ConnectionResetError("the line is bad\nand long")

    stored = RemoteFiles(url)
    monkeypatch.setattr(remote, "PAUSE", 0)
    monkeypatch.setattr(stored._system, "get_file", broken)
    with pytest.raises(
        BadImage, match=r"^memory://set/0\.tar cannot be fetched: ConnectionResetError: the line is bad$"
    ):
        stored.copy_file("0.tar", tmp_path / "0.tar")
    assert tries == ["/set/0.tar"] * remote.TRIES
    assert files(tmp_path) == []


class Endless:
    """What a server sends that never stops; it counts what was taken."""

    def __init__(self) -> None:
        self.sent = 0

    def get_file(self, path: str, target: str, callback: Any) -> None:
        with Path(target).open("wb") as file:
            while self.sent < 1 << 20:
                self.sent += file.write(bytes(1000))
                callback.relative_update(1000)


@pytest.mark.parametrize(("most", "taken"), [(0, 1000), (1500, 2000), (10_000, 11_000)])
def test_a_file_without_end_is_not_taken(
    most: int, taken: int, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LARGEST_TEXT", most)
    stored = RemoteFiles(url)
    stored._system = endless = Endless()
    line = rf"0\.tar cannot be fetched: OverflowError: expected at most {most} bytes, got more$"
    with pytest.raises(BadImage, match=line):
        stored.copy_file("0.tar", tmp_path / "0.tar", most)
    assert endless.sent == taken
    assert files(tmp_path) == []
    with pytest.raises(LayerMixError, match=rf"^OverflowError: expected at most {most} bytes, got more$"):
        stored.text("dataset.json")


def test_what_a_server_led_to_is_not_told_with_its_signature(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise AnswerError(500, "500, message='No', url='https://elsewhere/a.tar?X-Amz-Signature=unsaid'")

    stored = RemoteFiles(url)
    monkeypatch.setattr(remote, "PAUSE", 0)
    for name in ("cat_file", "get_file"):
        monkeypatch.setattr(stored._system, name, failing)
    for ask in (
        lambda: stored.part("a.tar", 0, 1),
        lambda: stored.copy_file("a.tar", tmp_path / "a.tar"),
        lambda: stored.text("a.tar"),
    ):
        with pytest.raises(LayerMixError, match=r"message='No', url='https://elsewhere/a\.tar'$"):
            ask()


@pytest.mark.parametrize("size", [99, 101])
def test_a_file_of_another_size_is_removed(
    size: int, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0)
    for place in (url, fsspec_local(tmp_path / "served")):
        with pytest.raises(BadImage, match=rf"0\.tar cannot be fetched: \w+: expected (at most )?{size} bytes, got"):
            RemoteFiles(place).copy_file("v00/0.tar", tmp_path / "copy" / "0.tar", size, size)
    assert files(tmp_path / "copy") == []
    RemoteFiles(url).copy_file("v00/0.tar", tmp_path / "copy" / "0.tar", 100, 100)
    assert files(tmp_path / "copy") == ["0.tar"]


def fsspec_local(root: Path) -> str:
    """A URL of files on this machine, whose file system never calls back."""
    (root / "v00").mkdir(parents=True)
    (root / "v00" / "0.tar").write_bytes(CONTENT)
    return f"file://{root}"


def test_a_missing_file_is_not_tried_again(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def missing(path: str, *_: str, **more: Any) -> None:
        tries.append(path)
        raise FileNotFoundError(path)

    stored = RemoteFiles(url)
    monkeypatch.setattr(stored._system, "get_file", missing)
    with pytest.raises(BadImage, match=r"^expected memory://set/2\.tar, found nothing there$"):
        stored.copy_file("2.tar", tmp_path / "2.tar")
    assert tries == ["/set/2.tar"]
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "options", "line"),
    [
        ("carrier-pigeon://a/b", {}, "carrier-pigeon://a/b cannot be opened: ValueError: "),
        ("memory://a", {"self": 2}, "memory://a cannot be opened: TypeError: "),
    ],
)
def test_a_url_that_fsspec_cannot_open_is_one_line(url: str, options: dict[str, Any], line: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        RemoteFiles(url, options)
    assert str(caught.value).startswith(line)
    assert str(caught.value).endswith("; mend the URL or storage_options=")


@pytest.mark.parametrize("url", ["http://host/set", "https://host/set"])
def test_a_url_of_a_web_server_names_the_extra_that_it_needs(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https"):
        monkeypatch.delitem(REGISTRY, name, raising=False)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)  # as if it were not installed
    with pytest.raises(LayerMixError) as caught:
        RemoteFiles(url)
    assert str(caught.value).startswith(f"{url} cannot be opened: ImportError: HTTPFileSystem requires ")
    assert str(caught.value).endswith("; pip install 'layermix-gen[http]'")


def test_each_extra_that_an_error_names_is_there() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(remote.EXTRAS.values()) <= project["optional-dependencies"].keys()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://me:secret@host/a", "s3://host"),
        ("https://host:8000/a?X-Amz-Signature=secret", "https://host:8000"),
        ("https://host/a?x=1&sig=secret", "https://host"),
        ("https://host/a?AWSAccessKeyId=secret", "https://host"),
        ("https://host/a?access_token=secret", "https://host"),
    ],
)
def test_a_url_with_credentials_is_refused_and_not_printed(url: str, place: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        RemoteFiles(url)
    assert str(caught.value).startswith(f"expected a URL without credentials, got one of {place} with some; leave them")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://bucket/a", "memory://a", "https://host/a?version=2", "s3://bucket/a@b"])
def test_other_urls_are_not_refused(url: str) -> None:
    refuse_secrets(url)


class AnswerError(Exception):
    """An error with the status of an answer in HTTP, as aiohttp, gcsfs and adlfs raise them."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text or f"status {status}")
        self.status = status


class ClientConnectorError(OSError):
    """An error of the name that aiohttp's has where nothing answers."""


def not_found(cause: Exception) -> FileNotFoundError:
    """What fsspec's file system of the web makes of any error."""
    error = FileNotFoundError("https://host/file?sig=secret")
    error.__cause__ = cause
    return error


REASONS: list[tuple[Exception, str, bool]] = [  # what is raised, what is said of it, and whether it is tried again
    (PermissionError("no"), "access to URL is denied (PermissionError: no); use credentials with the rights", False),
    (AnswerError(403), "access to URL is denied (AnswerError: status 403)", False),
    (AnswerError(400), "URL is refused (AnswerError: status 400); mend the URL", False),
    (FileNotFoundError("The specified bucket does not exist"), "URL is in no bucket (FileNotFoundError: The", False),
    (FileNotFoundError("bucket/file"), "", False),
    (FileNotFoundError("The specified upload does not exist."), "", True),
    (AnswerError(404), "", False),
    (NotImplementedError(), "URL cannot be written to: such URLs are only read (NotImplementedError)", False),
    (OSError(errno.ENOSPC, "full"), "a file of URL cannot be kept here: OSError: [Errno 28] full; make room", False),
    (OSError(errno.EINVAL, "the region is wrong"), "URL is in another region (OSError: [Errno 22] the region", False),
    (OSError(errno.EINVAL, "The Content-MD5 digest does not match"), "", True),
    (OSError(errno.EIO, "An error occurred (500)"), "", True),
    (OSError(errno.EBUSY, "Please reduce your request rate"), "", True),
    (AnswerError(429), "", True),
    (AnswerError(503), "", True),
    (TimeoutError(), "", True),
    (ConnectionResetError(), "", True),
    (not_found(AnswerError(404)), "", False),
    (not_found(AnswerError(403)), "access to URL is denied (AnswerError: status 403); use credentials with", False),
    (not_found(AnswerError(503)), "", True),
    (not_found(TimeoutError()), "", True),
    (not_found(ClientConnectorError("no")), "URL cannot be reached, although tried again (ClientConnectorErr", True),
    (not_found(ValueError("The specified key does not exist")), "", False),  # of botocore
    (ConnectionRefusedError("http://x?sig=secret"), "URL cannot be reached, although tried again (ConnectionRef", True),
]


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("s3://", "expected a URL with a bucket or a host, such as s3://bucket/name, got s3://; mend it"),
        ("s3:/", "expected a URL with a bucket or a host, such as s3://bucket/name, got s3:/; mend it"),
        ("s3://[a/b", "expected a URL, got one that cannot be parsed (ValueError: Invalid IPv6 URL); mend it"),
    ],
)
def test_what_is_no_url_is_never_a_folder_of_this_machine(url: str, line: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        RemoteFiles(url)
    assert str(caught.value) == line


@pytest.mark.parametrize(("error", "said", "again"), REASONS, ids=range(len(REASONS)))
def test_what_is_transient_is_tried_again_and_nothing_else(
    error: Exception, said: str, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise error

    monkeypatch.setattr(remote, "PAUSE", 0)
    with pytest.raises(type(error)):
        patiently(call)
    assert len(calls) == (remote.TRIES if again else 1)
    found = refusal("URL", error)
    assert str(found or "").startswith(said)
    assert bool(found) == bool(said)
    assert "secret" not in str(found)


def test_tries_end_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 100.0, 400.0])
    monkeypatch.setattr(remote, "PAUSE", 0)
    monkeypatch.setattr("layermix_gen.support.remote.time.monotonic", lambda: next(clock))
    with pytest.raises(TimeoutError):
        patiently(lambda: (_ for _ in ()).throw(TimeoutError()))
    assert list(clock) == []
