"""The interface of an engine, which builds the given shards in any order and yields the result of each."""

from collections.abc import Generator, Sequence
from typing import Protocol

from layermix_gen.building.shard_builder import ShardResult
from layermix_gen.dataset.plan import Plan


class Watch(Protocol):
    """A callback by which an engine reports its progress and learns whether to go on."""

    def __call__(self, done: int, skipped: int) -> bool:
        """Receive how many inputs are done and skipped so far, over all given shards; return False to stop."""


class Engine(Protocol):
    """A function that builds the shards `numbers` of `plan` and yields the result of each.

    Once `watch` has returned False, results may be unfinished: their `summary` is None.
    """

    def __call__(self, plan: Plan, numbers: Sequence[int], watch: Watch) -> Generator[ShardResult, None, None]: ...
