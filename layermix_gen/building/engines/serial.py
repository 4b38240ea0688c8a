"""The engine that builds shards one by one in this process."""

import threading
from collections import Counter
from collections.abc import Generator, Sequence

from layermix_gen.building.engines.base import Watch
from layermix_gen.building.shard_builder import ShardResult, build_shard
from layermix_gen.dataset.plan import Plan
from layermix_gen.support.interrupts import on_interrupt
from layermix_gen.support.processes import one_opencv_thread


def in_this_process(plan: Plan, numbers: Sequence[int], watch: Watch) -> Generator[ShardResult, None, None]:
    """Build the shards one by one in this process.

    Ctrl-C takes effect between inputs, when files can be removed; a second one in the middle of an input.
    """
    finished, interrupted = Counter[str](), threading.Event()

    def interrupt(*_: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    def tick(done: int, skipped: int) -> bool:
        return watch(finished["done"] + done, finished["skipped"] + skipped) and not interrupted.is_set()

    with one_opencv_thread(), on_interrupt(interrupt):
        for number in numbers:
            result = build_shard(plan, number, tick)
            if interrupted.is_set():
                raise KeyboardInterrupt
            yield result
            if result.summary is None:
                return
            finished.update(done=result.summary.inputs, skipped=len(result.skipped))
