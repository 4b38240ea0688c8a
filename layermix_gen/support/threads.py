"""Compute results in threads, in order, with a bounded number of them computed in advance."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice, repeat
from typing import Any, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 32  # results computed in advance, for each thread


def mapped_ahead(
    function: Callable[[T], R],
    values: Iterable[T],
    threads: int,
    *,
    ahead: int = AHEAD,
    bytes_of: Callable[[R], int] | None = None,
    most_bytes: int = 0,
) -> Iterator[R]:
    """Yield the results of `function` in the order of `values`, computed by threads, each up to `ahead` in advance.

    With `bytes_of`, the size of a result, fewer large results wait: at most `most_bytes` together, but at least one
    per thread. What `function` raises is raised here; calls not begun when the iterator is closed are cancelled.
    """
    todo, room = iter(values), threads if bytes_of else ahead * threads  # until a result tells its size
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "layermix-gen") as pool:
        try:
            while True:
                waiting.extend(pool.submit(function, value) for value in islice(todo, max(room - len(waiting), 0)))
                if not waiting:
                    return
                result = waiting.popleft().result()
                if bytes_of:
                    room = max(threads, min(ahead * threads, most_bytes // max(bytes_of(result), 1)))
                yield result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def read_ahead(values: Iterable[T], count: int) -> Iterator[T]:
    """Yield the same values, computed by one thread up to `count` in advance. What it raises is raised here."""
    source, end = iter(values), object()
    results: Iterator[Any] = mapped_ahead(lambda _: next(source, end), repeat(None), 1, ahead=count)
    with closing(cast(Any, results)):
        for value in results:
            if value is end:
                return
            yield value
