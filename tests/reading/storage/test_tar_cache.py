"""The cache of tars: each is there in time and fetched once; together they never exceed the bound."""

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.errors import BadImage
from layermix_gen.reading.storage.base import TarUse
from layermix_gen.reading.storage.tar_cache import TarCache, bytes_at_once, spans


@pytest.mark.parametrize(
    ("uses", "ahead", "expected"),
    [
        ([], 0, 0),
        ([(3, 0, 0)], 2, 3),
        ([(3, 0, 0), (4, 1, 1)], 0, 4),  # the first is let go before the second is begun
        ([(3, 0, 0), (4, 1, 1)], 1, 7),  # which is begun while the first is read
        ([(3, 0, 5), (4, 1, 1), (2, 3, 3)], 0, 7),
        ([(3, 0, 5), (4, 1, 1), (2, 3, 3)], 2, 9),
    ],
)
def test_bytes_at_once(uses: list[tuple[int, int, int]], ahead: int, expected: int) -> None:
    assert bytes_at_once([TarUse(str(i), *use) for i, use in enumerate(uses)], ahead) == expected


def test_spans() -> None:
    first, last = spans([(0, np.array([2, 2, 0])), (1, np.array([2])), (2, np.array([0, 3]))], 5)
    assert last.tolist() == [2, -1, 1, 2, -1]
    assert first[last >= 0].tolist() == [0, 0, 2]


@st.composite
def epochs(draw: st.DrawFn) -> tuple[list[int], list[list[tuple[int, int]]]]:
    """Sizes of tars, and for each of some epochs the first and last batch of each tar that it uses."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=8))
    span = st.tuples(st.integers(0, 12), st.integers(0, 4)).map(lambda pair: (pair[0], sum(pair)))
    one = st.lists(st.none() | span, min_size=len(sizes), max_size=len(sizes))
    return sizes, draw(st.lists(one, min_size=1, max_size=3))  # type: ignore[arg-type]


@given(case=epochs(), ahead=st.integers(0, 2), spare=st.integers(0, 12))
def test_everything_in_time_and_within_the_bound(
    tmp_path_factory: pytest.TempPathFactory, case: tuple, ahead: int, spare: int
) -> None:
    folder, (sizes, plan) = tmp_path_factory.mktemp("cache"), case
    names = {f"{i}.tar": size for i, size in enumerate(sizes)}
    fetched: list[str] = []

    def fetch(name: str, path: Path) -> None:
        fetched.append(name)
        path.write_bytes(bytes(names[name]))

    cache = TarCache(folder, names, fetch)
    epochs = [
        [TarUse(name, size, *span) for (name, size), span in zip(names.items(), spans, strict=True) if span]
        for spans in plan
    ]
    limit = max(bytes_at_once(uses, ahead) for uses in epochs) + spare
    for uses in epochs:
        fetched.clear()
        cache.expect(uses, limit)
        for batch in range(17):
            for use in uses:
                if use.first <= batch + ahead and batch <= use.last:
                    assert len(cache.open(use.name)) == use.size
            assert sum(path.stat().st_size for path in folder.iterdir()) <= limit
            cache.handed_out(batch)
        assert sorted(fetched) == sorted(set(fetched))
        assert set(fetched) <= {use.name for use in uses}


def test_what_is_there_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"12")
    (tmp_path / "b.tar").write_bytes(b"half")
    fetched = []

    def fetch(name: str, path: Path) -> None:
        fetched.append(name)
        path.write_bytes(b"12345")

    cache = TarCache(tmp_path, {"a.tar": 2, "b.tar": 5, "c.tar": 5}, fetch)
    cache.expect([TarUse("a.tar", 2, 0, 0), TarUse("b.tar", 5, 1, 1)], 7)
    assert bytes(cache.open("a.tar")) == b"12"
    assert bytes(cache.open("b.tar")) == b"12345"
    assert fetched == ["b.tar"]


def test_what_is_read_stays_while_its_file_goes(tmp_path: Path) -> None:
    cache = TarCache(
        tmp_path,
        {"a.tar": 2, "b.tar": 2},
        lambda name, path: path.write_bytes(name[:2].encode()) and None,  # type: ignore[arg-type]
    )
    cache.expect([TarUse("a.tar", 2, 0, 0), TarUse("b.tar", 2, 1, 1)], 2)
    held = cache.open("a.tar")
    cache.handed_out(0)
    assert bytes(cache.open("b.tar")) == b"b."
    assert bytes(held) == b"a."
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]


def test_a_failed_fetch_is_told_and_tried_again(tmp_path: Path) -> None:
    broken = threading.Event()
    broken.set()

    def fetch(name: str, path: Path) -> None:
        if broken.is_set():
            raise BadImage("gone")
        path.write_bytes(b"12")

    cache = TarCache(tmp_path, {"a.tar": 2}, fetch)
    for _ in range(2):
        cache.expect([TarUse("a.tar", 2, 0, 0)], 2)
        with pytest.raises(BadImage, match="gone"):
            cache.open("a.tar")
    broken.clear()
    cache.expect([TarUse("a.tar", 2, 0, 0)], 2)
    assert bytes(cache.open("a.tar")) == b"12"
