"""The bytes of images fetched by threads before they are asked for: a store takes longer to answer than to send."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property

from layermix_gen.sources.base import Item

THREADS = 16
MOST_BYTES = 1 << 26  # of images that wait to be asked for, but at least one
UNKNOWN = 1 << 20  # bytes that an image is taken to have of which no size is known


class ReadAhead:
    """Bytes by `fetch`, ahead of the reader for the items that it said it would read, in their order."""

    def __init__(self, fetch: Callable[[Item], bytes]) -> None:
        self._fetch = fetch
        self._expected: deque[Item] = deque()
        self._waiting: dict[str, tuple[int, Future[bytes]]] = {}
        self._bytes = 0

    def expect(self, items: Iterable[Item]) -> None:
        """Begin to fetch the items that are read next, each once; forget those that were expected before."""
        for _, future in self._waiting.values():
            future.cancel()
        self._expected, self._waiting, self._bytes = deque(items), {}, 0
        self._begin()

    def read(self, item: Item) -> bytes:
        """The bytes of an item. Raises what `fetch` raises."""
        if item.id not in self._waiting:
            return self._fetch(item)
        size, future = self._waiting.pop(item.id)
        self._bytes -= size
        self._begin()
        return future.result()

    def _begin(self) -> None:
        while self._expected and len(self._waiting) < THREADS and (not self._waiting or self._bytes < MOST_BYTES):
            item = self._expected.popleft()
            size = item.size or UNKNOWN
            self._waiting[item.id] = size, self._pool.submit(self._fetch, item)
            self._bytes += size

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS, "layermix-gen-source")
