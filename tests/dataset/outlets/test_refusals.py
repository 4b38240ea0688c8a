"""What a store, or a disk, refuses: one line that says what to do."""

import gc
import tempfile
from pathlib import Path
from typing import Any

import fsspec
import pytest

from layermix_gen import LayerMixError
from layermix_gen.dataset.names import LISTING
from layermix_gen.dataset.outlets.object_store import ObjectStore
from layermix_gen.errors import Interrupted, StoreError
from layermix_gen.support import remote
from tests.dataset.outlets.stored import SETTINGS, built, said, scratch
from tests.helpers import invoke
from tests.servers import Traffic, objects

WITHOUT = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": "/none"}
REFUSED = {
    "no credentials": (WITHOUT, "", "cannot be reached without credentials (NoCredentialsError: Unable to locate cre"),
    "no profile": (WITHOUT | {"AWS_PROFILE": "nobody"}, "", "cannot be reached without credentials (ProfileNotFound"),
    "unreachable": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "", "cannot be reached, although tried again (Endpoin"),
    "denied": ({}, "403", "is denied (PermissionError: the region is wrong, says the test); use credentials with the"),
    "another region": ({}, "400", "is in another region (OSError: [Errno 22] the region is wrong, says the test); set"),
}


@pytest.mark.parametrize("command", ["build", "verify", "repair"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_a_store_refuses_is_one_line(
    case: str,
    command: str,
    at: str,
    store: tuple[str, Traffic],
    photographs: Path,
    pool: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    surroundings, answer, line = REFUSED[case]
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    monkeypatch.setattr(remote, "PAUSE", 0.01)
    monkeypatch.setattr(remote, "TRIES", 2)
    type(fsspec.filesystem("s3")).clear_instance_cache()
    store[1].fault = lambda method, path: answer
    arguments = {
        "build": ("build", photographs, at, "--mixing-set", pool, "--size", 16),
        "verify": ("verify", at),
        "repair": ("verify", at, "--repair"),
    }[command]
    found = invoke(*arguments)
    type(fsspec.filesystem("s3")).clear_instance_cache()
    assert found.exit_code == 1
    assert said(found).startswith("Error: ")
    assert said(found).count("\n") == 1
    assert line in said(found)
    assert "unsaid" not in said(found)


def test_no_bucket_is_one_line(store: tuple[str, Traffic], photographs: Path, pool: Path) -> None:
    for arguments in (("build", photographs, "s3://nowhere/a", "--mixing-set", pool), ("verify", "s3://nowhere/a")):
        found = invoke(*arguments)
        assert found.exit_code == 1
        assert found.stderr.startswith("Error: s3://nowhere/a is in no bucket (FileNotFoundError: The specified bucket")


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("s3://me:secret@host/a", "expected a URL without credentials, got one of s3://host with some; leave"),
        ("https://host/a?X-Amz-Signature=secret", "expected a URL without credentials, got one of https://host with s"),
        (
            "https://host/a",
            "expected a folder or a URL that can be written to, such as s3://bucket/name, got https://h",
        ),
        ("file:///a", "got file:///a; give the path alone"),
    ],
)
def test_urls_that_cannot_be_written_to(url: str, line: str, photographs: Path) -> None:
    found = invoke("build", photographs, url)
    assert found.exit_code == 1
    assert line in found.stderr
    assert "secret" not in found.stderr


@pytest.mark.parametrize("command", ["build", "plan", "build --dry-run"])
def test_an_output_below_its_source_would_be_listed_with_it(command: str, memory: str) -> None:
    name, *options = command.split()
    for out in (memory, f"{memory}/", f"{memory}/out"):
        found = invoke(name, f"{memory}/", out, *options)
        assert found.exit_code == 1
        assert said(found) == f"Error: expected an output outside of {memory}/, got {out}; choose another URL\n"
    fsspec.filesystem("memory").pipe_file(f"{memory}/cat/1.png", b"no image")
    beside = ("build", memory, f"{memory}-out", "--method", "none", "--workers", 1)
    assert "1 of 1 inputs cannot be read" in invoke(*beside).stderr


def test_a_full_scratch_folder_is_named(memory: str, photographs: Path, pool: Path, monkeypatch: Any) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("layermix_gen.dataset.tar.TarWriter.add", full)
    with pytest.raises(LayerMixError) as caught:
        built(photographs, pool)(memory, SETTINGS)
    line = str(caught.value)
    del caught  # which keeps the listing of the source, and so its folder
    gc.collect()
    assert line.startswith(f"cannot write to {tempfile.gettempdir()}/layermix-gen-")
    assert "no space left on device; make room there, or set TMPDIR to a larger disk, then run" in line
    assert scratch() == []
    assert sorted(objects(memory)) == sorted(["plan.json", LISTING])


def test_ctrl_c_while_the_store_is_away_is_no_error(
    memory: str, photographs: Path, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        monkeypatch.setattr(ObjectStore, "listing", away)
        raise KeyboardInterrupt

    def away(*_: object) -> None:
        raise StoreError("it is away; run the same command again")

    monkeypatch.setattr("layermix_gen.dataset.tar.TarWriter.add", stopped)
    with pytest.raises(Interrupted, match=r"^stopped with 0 of 4 shards finished; run the same command to"):
        built(photographs, pool)(memory, SETTINGS)
