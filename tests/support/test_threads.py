"""Work in threads: results in order, bounded ahead, errors raised where the results are used."""

import threading
from collections.abc import Iterator

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.support.threads import mapped_ahead, read_ahead


def test_mapping_ahead_keeps_order_and_is_bounded() -> None:
    taken: list[int] = []

    def values() -> Iterator[int]:
        for number in range(500):
            taken.append(number)
            yield number

    results = mapped_ahead(lambda number: number * number, values(), threads=2)
    assert next(results) == 0
    assert len(taken) <= 64
    assert list(results) == [number * number for number in range(1, 500)]


def test_mapping_ahead_is_bounded_by_bytes() -> None:
    taken: list[int] = []

    def values() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = mapped_ahead(lambda number: bytes([number]) * 1000, values(), threads=2, bytes_of=len, most_bytes=3000)
    for number in range(100):
        assert next(results)[0] == number
        assert min(number + 2, 100) <= len(taken) <= number + 4  # no thread is ever idle
    assert next(results, None) is None


def test_reading_ahead_keeps_order_and_is_bounded() -> None:
    made: list[str] = []

    def values() -> Iterator[int]:
        for number in range(50):
            made.append(threading.current_thread().name)
            yield number

    ahead = read_ahead(values(), 3)
    assert next(ahead) == 0
    assert len(made) <= 4
    assert list(ahead) == list(range(1, 50))
    assert all(name.startswith("layermix-gen") for name in made)


def test_what_the_thread_raises_is_raised() -> None:
    def values() -> Iterator[int]:
        yield 1
        raise LayerMixError("damaged")

    ahead = read_ahead(values(), 2)
    assert next(ahead) == 1
    with pytest.raises(LayerMixError, match="damaged"):
        next(ahead)


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    ahead = read_ahead(iter(range(1000)), 2)
    next(ahead)
    ahead.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
