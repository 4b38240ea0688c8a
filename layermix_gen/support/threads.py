"""Work in threads whose results come in order, a bounded number of them ahead of what is asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice, repeat
from typing import Any, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 32  # results that wait, for each thread


def mapped_ahead(
    function: Callable[[T], R],
    values: Iterable[T],
    threads: int,
    *,
    ahead: int = AHEAD,
    bytes_of: Callable[[R], int] | None = None,
    most_bytes: int = 0,
) -> Iterator[R]:
    """The results of `function` in the order of `values`, computed by threads, each of them up to `ahead` ahead.

    With `bytes_of` fewer wait where they are large: no more than `most_bytes` together, but for one a thread. What
    `function` raises is raised here; what has not begun when the iterator is closed never does.
    """
    todo, room = iter(values), threads if bytes_of else ahead * threads  # until it is known how large one is
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
    """The same values, computed by a thread up to `count` ahead. What that raises is raised here."""
    source, end = iter(values), object()
    results: Iterator[Any] = mapped_ahead(lambda _: next(source, end), repeat(None), 1, ahead=count)
    with closing(cast(Any, results)):
        for value in results:
            if value is end:
                return
            yield value
