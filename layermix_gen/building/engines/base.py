"""What an engine is: something that builds the shards it is given, in any order, and hands over each result."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from layermix_gen.building.shard_builder import ShardResult
from layermix_gen.dataset.plan import Plan


class Watch(Protocol):
    """How an engine tells how far it is, and learns whether to go on."""

    def __call__(self, done: int, skipped: int) -> bool:
        """Take the number of inputs that are done and skipped so far, over all shards at work; return False to stop."""


class Engine(Protocol):
    """Build shards `numbers` of `plan` and yield each result. Once `watch` says stop, unfinished results follow."""

    def __call__(self, plan: Plan, numbers: Sequence[int], watch: Watch) -> Iterator[ShardResult]: ...
