"""Locks: alone or together, by threads here, which flock takes for processes."""

import errno
import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.support import locks
from layermix_gen.support.files import temporary
from layermix_gen.support.locks import Lock, alone, together
from tests.helpers import files

BUSY = r"^another process is writing to .*; wait for it, then run this again$"


def nothing() -> None:
    pass


def test_a_lock_is_held_alone_or_together(tmp_path: Path) -> None:
    one, other, third = (Lock(tmp_path / "lock") for _ in range(3))
    assert one.take()
    assert not other.take()
    assert not other.take(together=True)
    assert one.take(together=True)  # converted
    assert other.take(together=True)
    assert not third.take()
    assert not one.is_last()
    assert one.take(together=True)
    one.leave()
    assert files(tmp_path) == ["lock"]
    other.leave()
    assert files(tmp_path) == []
    assert third.take()


def test_the_last_to_leave_is_noticed_by_who_has_the_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or two processes would hold one lock, each of a file of its own."""
    one, other, third = (Lock(tmp_path / "lock") for _ in range(3))
    assert one.take()
    flock = fcntl.flock

    def late(file: Any, kind: int) -> None:
        monkeypatch.undo()
        one.leave()
        assert third.take()
        flock(file, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    assert not other.take()
    third.leave()
    assert other.take()


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    draft = temporary(tmp_path / "a")
    draft.touch()
    with alone(tmp_path):
        assert not draft.exists()
        with pytest.raises(LayerMixError, match=BUSY), alone(tmp_path):
            pass
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_locked_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(LayerMixError, match=r"^cannot write to .*: is a directory; "), alone(tmp_path):
        pass


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_lock_that_is_no_file_is_one_line(kind: str, tmp_path: Path) -> None:
    root = tmp_path / "out"
    root.mkdir()
    if kind == "link":
        (root / ".lock").symlink_to(tmp_path / "made")
    else:
        os.mkfifo(root / ".lock")
    with pytest.raises(LayerMixError, match=rf"^cannot write to {root}/\.lock: .*; mend it, then"), alone(root):
        pass
    with pytest.raises(OSError, match=r"link|regular"), together(root, nothing, lambda: True):
        pass
    assert list(tmp_path.rglob("*")) == [root, root / ".lock"]


def test_many_prepare_a_folder_once(tmp_path: Path) -> None:
    prepared: list[int] = []
    at_once = threading.Barrier(8)
    seen: list[int] = []

    def prepare() -> None:
        if not prepared:
            prepared.append(1)

    def work() -> None:
        at_once.wait()
        with together(tmp_path, prepare, lambda: bool(prepared)):
            seen.append(len(prepared))
            at_once.wait()  # all are in it together

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 8
    assert files(tmp_path) == []


def test_who_needs_another_preparation_waits_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    draft = temporary(tmp_path / "a")
    with together(tmp_path, nothing, lambda: True):
        draft.touch()
        with pytest.raises(LayerMixError, match=BUSY), together(tmp_path, nothing, lambda: False):
            pass
        with pytest.raises(LayerMixError, match=BUSY), alone(tmp_path):
            pass
        with together(tmp_path, nothing, lambda: True):
            assert draft.exists()
    assert files(tmp_path) == []  # the last to leave removes drafts too
    monkeypatch.setattr(locks, "PATIENCE", 60)
    with together(tmp_path, nothing, lambda: True):
        changed: list[int] = []
        waiting = threading.Thread(target=lambda: _join(tmp_path, changed))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join(10)
    assert changed == [1]


def _join(root: Path, changed: list[int]) -> None:
    with together(root, lambda: changed.append(1), lambda: bool(changed)):
        pass


@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP"])
def test_without_locks_all_go_on_and_nobody_is_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(getattr(errno, name), "not here")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    draft = temporary(tmp_path / "a")
    draft.touch()
    with alone(tmp_path), together(tmp_path, nothing, lambda: True):
        assert draft.exists()
    assert files(tmp_path) == [draft.name]


def test_the_lock_of_a_removed_folder_is_not_made_again(tmp_path: Path) -> None:
    root = tmp_path / "out"
    root.mkdir()
    with together(root, nothing, lambda: True):
        (root / ".lock").unlink()
        root.rmdir()
    assert not root.exists()
    root.mkdir()
    with alone(root):
        (root / ".lock").unlink()
        (root / ".lock").touch()  # of another process by now
    assert files(root) == [".lock"]
