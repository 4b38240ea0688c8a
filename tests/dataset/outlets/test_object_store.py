"""Objects: uploads in parts, and what killed processes leave."""

import tempfile
from pathlib import Path

import fsspec
import numpy as np
import pytest

from layermix_gen import LayerMixError
from layermix_gen.dataset.outlets import holders
from layermix_gen.dataset.outlets.object_store import ObjectStore
from layermix_gen.dataset.outlets.store_outlet import OURS
from layermix_gen.support import remote
from tests.dataset.outlets.stored import SETTINGS, built, scratch
from tests.servers import Traffic, objects, unfinished_uploads


def test_uploads_in_parts_leave_nothing(
    at: str, store: tuple[str, Traffic], photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where one fails, nor after the next build where a process was killed in it."""
    large, stored = tmp_path / "large", ObjectStore(at)
    large.write_bytes(np.random.default_rng(0).bytes(11 << 20))
    monkeypatch.setattr("layermix_gen.dataset.outlets.object_store.PARTS", {"chunksize": 5 << 20, "max_concurrency": 2})
    monkeypatch.setattr(remote, "PAUSE", 0.01)
    stored.upload(large, "large")
    assert objects(at)["large"] == large.read_bytes()
    posts = iter(range(1000))
    store[1].fault = lambda method, path: "dropped after" if method == "POST" and next(posts) == 1 else None
    stored.upload(large, "large")  # where the answer to its completion is lost
    store[1].fault = lambda method, path: None
    assert objects(at)["large"] == large.read_bytes()
    stored.remove(["large"])
    puts = iter(range(1000))
    store[1].fault = lambda method, path: "403" if method == "PUT" and next(puts) == 1 else None
    with pytest.raises(LayerMixError, match=r"^access to s3://bucket/.* is denied"):
        stored.upload(large, "large")
    store[1].fault = lambda method, path: None
    assert (objects(at), unfinished_uploads(at)) == ({}, [])
    store[1].fault = lambda method, path: "403" if method == "GET" and path == "/bucket" else None
    stored.abort_uploads(OURS)  # which not everybody may do
    store[1].fault = lambda method, path: None
    for name in ("v00/000000.tar", "thesis.tex"):
        fsspec.filesystem("s3").call_s3("create_multipart_upload", Bucket="bucket", Key=f"{at[12:]}/{name}")
    assert len(unfinished_uploads(at)) == 2
    built(photographs, pool)(at, SETTINGS)
    assert [key.rpartition("/")[2] for key in unfinished_uploads(at)] == ["thesis.tex"]


def test_uploads_are_aborted_page_by_page(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 lists a thousand at a time."""
    stored, aborted = ObjectStore(at), []
    uploads = [{"Key": f"{at[12:]}/v00/{n:06d}.tar", "UploadId": str(n)} for n in range(5)]

    def call(method: str, **given: str) -> dict[str, object]:
        if method == "abort_multipart_upload":
            aborted.append(given["UploadId"])
            return {}
        start = int(given.get("UploadIdMarker", -1)) + 1
        assert given.get("KeyMarker", uploads[start - 1]["Key"]) == uploads[start - 1]["Key"]
        page = uploads[start : start + 2]
        more = {"IsTruncated": True, "NextKeyMarker": page[-1]["Key"], "NextUploadIdMarker": page[-1]["UploadId"]}
        return {"Uploads": page} | (more if start + 2 < len(uploads) else {})

    monkeypatch.setattr(stored._system, "call_s3", call)
    stored.abort_uploads(OURS)
    assert aborted == ["0", "1", "2", "3", "4"]


def test_scratch_folders_of_killed_processes_are_removed(memory: str, photographs: Path, pool: Path) -> None:
    dead = holders.holder().rpartition("-")[0] + "-1"
    temporary = Path(tempfile.gettempdir())
    left, others = temporary / f"{holders.PREFIX}{dead}-abc", temporary / f"{holders.PREFIX}elsewhere-7-7-7-abc"
    for folder in (left, others):
        folder.mkdir()
    built(photographs, pool)(memory, SETTINGS)
    assert scratch() == [others]
    others.rmdir()
