"""Reading ahead: several requests at a time, each image once, in any order, with a bound on what waits."""

import threading
import time
from pathlib import Path

import pytest

from layermix_gen import BuildSettings, build
from layermix_gen.errors import BadImage
from layermix_gen.sources import Item
from layermix_gen.sources.urls import read_ahead
from layermix_gen.sources.urls.read_ahead import THREADS, ReadAhead
from tests.servers import stored_at
from tests.sources.urls.test_remote_sources import upload

ITEMS = [Item(str(number), 0, 10) for number in range(100)]


class Fetching:
    """What is fetched, and how much of it at a time."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, item: Item) -> bytes:
        with self._lock:
            self.begun.append(item.id)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002)
        with self._lock:
            self.now -= 1
        if item.id == "7":
            raise BadImage("no such file")
        return item.id.encode()


def test_each_item_is_fetched_once_and_several_at_a_time() -> None:
    fetching = Fetching()
    ahead = ReadAhead(fetching)
    ahead.expect(ITEMS)
    order = [*ITEMS[3:6], *ITEMS[:3], *ITEMS[6:]]  # second images are read before their turn
    for item in order:
        if item.id == "7":
            with pytest.raises(BadImage, match=r"^no such file$"):
                ahead.read(item)
        else:
            assert ahead.read(item) == item.id.encode()
    assert sorted(fetching.begun, key=int) == [item.id for item in ITEMS]
    assert 4 < fetching.most <= THREADS


def test_what_was_not_expected_is_fetched_when_it_is_read() -> None:
    fetching = Fetching()
    ahead = ReadAhead(fetching)
    assert ahead.read(ITEMS[50]) == b"50"
    ahead.expect(ITEMS[:2])
    ahead.expect(ITEMS[60:62])  # of the next shard: the first is forgotten
    assert [ahead.read(item) for item in (ITEMS[60], ITEMS[0], ITEMS[61])] == [b"60", b"0", b"61"]


def test_large_images_do_not_wait_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "MOST_BYTES", 25)
    fetching = Fetching()
    ahead = ReadAhead(fetching)
    ahead.expect(ITEMS)
    time.sleep(0.05)
    assert fetching.begun == ["0", "1", "2"]
    ahead.read(ITEMS[0])
    time.sleep(0.05)
    assert sorted(fetching.begun) == ["0", "1", "2", "3"]


def test_a_build_from_a_store_does_not_wait_for_each_answer(photographs: Path, tmp_path: Path) -> None:
    settings = BuildSettings(variants=0, size=8, method="none", shard_size="24")
    with stored_at() as (url, traffic):
        upload(photographs, url)
        asked, most = list[str](), list[int]()

        def slowly(method: str, path: str) -> None:
            if method == "GET" and path.endswith((".png", ".jpg")):
                asked.append(path)
                time.sleep(0.05)
                most.append(len(asked) - len(most))

        traffic.fault = slowly
        build(url, tmp_path / "out", settings, workers=1, progress=False)
    assert sorted(asked) == sorted(set(asked))
    assert len(asked) == 24
    assert max(most) > 4
