"""Files that are there completely or not at all, and the removal of temporary ones."""

import errno
import os
import shutil
import socket
import time
from pathlib import Path

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.support import files as support_files
from layermix_gen.support.files import disk_errors, link_or_copy, read_json, replacing, sweep, temporary, write_json
from tests.durability import assert_durable, recorded
from tests.helpers import files


def test_json_comes_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"ü": [1, None]})
    write_json(tmp_path / "a.json", {"ü": [2, None]})
    assert read_json(tmp_path / "a.json") == {"ü": [2, None]}
    assert files(tmp_path) == ["a.json"]
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "b.json")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, ValueError])
def test_an_error_leaves_what_was_there(error: type[BaseException], tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def fail() -> None:
        with replacing(tmp_path / "a") as draft:
            draft.write_text("new")
            raise error

    with pytest.raises(error):
        fail()
    assert files(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_file_is_synced_then_renamed_then_its_folder_is_synced(tmp_path: Path) -> None:
    with recorded() as events, replacing(tmp_path / "a") as draft:
        draft.write_text("new")
    assert events == [(draft,), (draft, tmp_path / "a"), (tmp_path,)]
    assert_durable(events)
    for lost in range(3):
        with pytest.raises(AssertionError):
            assert_durable(events[:lost] + events[lost + 1 :] if lost != 1 else events[::-1])


def test_two_drafts_of_one_file_have_different_names(tmp_path: Path) -> None:
    """Also where processes of two containers share host name and number."""
    drafts = {temporary(tmp_path / "a") for _ in range(100)}
    assert len(drafts) == 100
    assert all(draft.parent == tmp_path and draft.name.startswith(".a.") for draft in drafts)


def test_sweeping_spares_what_another_process_may_be_writing(tmp_path: Path) -> None:
    (tmp_path / "v00").mkdir()
    own = temporary(tmp_path / "v00" / "000000.tar")
    old, young = (tmp_path / f".{name}.elsewhere-0123456789abcdef.tmp" for name in ("plan.json", "dataset.json"))
    for path in (own, old, young, tmp_path / "dataset.json", tmp_path / "v00" / "000000.tar"):
        path.write_text("")
    os.utime(old, (time.time() - 4000, time.time() - 4000))
    sweep(tmp_path)
    assert files(tmp_path) == [young.name, "dataset.json", f"v00/{own.name}", "v00/000000.tar"]
    sweep(tmp_path, alone=True)
    assert files(tmp_path) == [young.name, "dataset.json", "v00/000000.tar"]


@pytest.mark.parametrize("years", [10, -10])
def test_sweeping_does_not_trust_the_clock_of_this_machine(
    years: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    young, old = (tmp_path / f".{name}.elsewhere-0123456789abcdef.tmp" for name in ("young", "old"))
    young.touch()
    old.touch()
    os.utime(old, (young.stat().st_mtime - 4000,) * 2)
    wrong = time.time() + years * 365 * 86400
    monkeypatch.setattr(time, "time", lambda: wrong)
    sweep(tmp_path)
    assert files(tmp_path) == [young.name]


def test_sweeping_follows_no_link_and_knows_its_own_drafts(tmp_path: Path) -> None:
    root, other = tmp_path / "out", tmp_path / "other"
    (root / "v00").mkdir(parents=True)
    other.mkdir()
    (root / "linked").symlink_to(other)
    (root / ".repair").symlink_to(other)
    kept = [other / ".notes.txt.tmp", temporary(other / "a"), root / "v00" / ".notes.txt.tmp"]
    link = temporary(root / "b")
    link.symlink_to(other / ".notes.txt.tmp")
    for path in kept:
        path.touch()
        os.utime(path, (0, 0))
    sweep(root, alone=True)
    assert all(path.exists() for path in kept)
    assert not link.is_symlink()


def test_a_draft_that_is_a_folder_is_removed_with_age_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a killed `inspect --extract` leaves one; a living one holds no lock."""
    old, young, stuck, last = (temporary(tmp_path / name) for name in ("old", "young", "stuck", "v00"))
    for folder in (old, young, stuck):
        folder.mkdir()
        (folder / "000000001-v00.png").touch()
    last.touch()
    for folder in (old, stuck):
        os.utime(folder, (0, 0))
    remove = shutil.rmtree

    def rmtree(path: Path) -> None:
        if path == stuck:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    sweep(tmp_path, alone=True)
    assert sorted(tmp_path.iterdir()) == sorted((young, stuck))


def test_drafts_are_told_apart_by_machine_and_not_by_the_name_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers of several machines may have one name, and share a folder but no locks."""
    (tmp_path / "boot_id").write_text("0f0e0d0c-0b0a-4908-8706-050403020100\n")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(support_files, "BOOT_ID", tmp_path / "boot_id")
        support_files.machine.cache_clear()
        theirs = temporary(tmp_path / "a")
    support_files.machine.cache_clear()
    own = temporary(tmp_path / "a")
    assert theirs.name.startswith(".a.0f0e0d0c-")
    theirs.touch()
    own.touch()
    sweep(tmp_path, alone=True)
    assert theirs.exists()
    assert not own.exists()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(support_files, "BOOT_ID", tmp_path / "none")
        support_files.machine.cache_clear()
        assert f".{socket.gethostname()}-" in temporary(tmp_path / "a").name
    support_files.machine.cache_clear()


def test_a_new_file_does_not_replace_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", {"a": 1}, new=True)
    with pytest.raises(FileExistsError):
        write_json(tmp_path / "a.json", {"a": 2}, new=True)
    assert read_json(tmp_path / "a.json") == {"a": 1}

    def without(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", without)
    write_json(tmp_path / "b.json", 3, new=True)
    assert files(tmp_path) == ["a.json", "b.json"]


def test_a_folder_that_was_removed_is_named(tmp_path: Path) -> None:
    line = f"^{tmp_path}/out was removed while it was written to; run the same command again$"
    with pytest.raises(LayerMixError, match=line), disk_errors(tmp_path / "out"):
        (tmp_path / "out" / "v00").mkdir()


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "index").touch()
    line = f"^cannot write to {tmp_path / 'index'}: file exists; mend it"
    with pytest.raises(LayerMixError, match=line), disk_errors(tmp_path):
        (tmp_path / "index").mkdir()


def test_a_folder_in_the_way_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "_info.json").mkdir()
    line = f"^cannot write to {tmp_path / '_info.json'}: is a directory; mend it"
    with pytest.raises(LayerMixError, match=line), disk_errors(tmp_path):
        write_json(tmp_path / "_info.json", {})


@pytest.mark.parametrize(
    ("error", "reason"), [(OSError(28, "No space"), "no space; make room"), (OSError("Odd"), "odd; mend it")]
)
def test_what_the_disk_says_is_one_line(error: OSError, reason: str) -> None:
    line = f"^cannot write to out: {reason}, then run the same command to resume$"
    with pytest.raises(LayerMixError, match=line), disk_errors(Path("out")):
        raise error


@pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EPERM"])
def test_a_second_name_is_a_copy_only_where_there_are_no_links(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").write_text("content")

    def failing(*_: object) -> None:
        raise OSError(getattr(errno, name), "injected")

    monkeypatch.setattr(os, "link", failing)
    if name == "EPERM":
        link_or_copy(tmp_path / "one", tmp_path / "other")
        assert (tmp_path / "other").read_text() == "content"
    else:
        with pytest.raises(OSError, match="injected"):
            link_or_copy(tmp_path / "one", tmp_path / "other")
        assert files(tmp_path) == ["one"]
