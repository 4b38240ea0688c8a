"""What a harness of faults did, and what did not hold."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

EVERY = 50  # faults, a line of progress


@dataclass
class Tally:
    """How many faults were injected, by kind, and a line for each that the product did not hold against."""

    tried: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def record(self, kind: str, failure: str | None = None) -> None:
        """Count a fault of a kind; `failure` says what went wrong after it, None that the product held."""
        self.tried[kind] = self.tried.get(kind, 0) + 1
        if failure is not None:
            self.failures.append(f"{kind}: {failure}")
            print(self.failures[-1], file=sys.stderr, flush=True)
        if sum(self.tried.values()) % EVERY == 0:
            print(self.counts(), file=sys.stderr, flush=True)

    def counts(self) -> str:
        """How many faults were tried, and held."""
        tried = sum(self.tried.values())
        return f"{tried} tried, {tried - len(self.failures)} held"

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.tried.items())
        return "\n".join([f"{self.counts()} ({kinds})", *self.failures])


Harness: TypeAlias = Callable[[int, int, Path], Tally]
"""A harness: injects so many faults, drawn by a seed, and works in an empty folder."""
