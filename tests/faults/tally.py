"""What a harness of faults did, and what did not hold."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


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

    def __str__(self) -> str:
        tried = sum(self.tried.values())
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.tried.items())
        head = f"{tried} tried ({kinds}), {tried - len(self.failures)} held"
        return "\n".join([head, *self.failures])


Harness: TypeAlias = Callable[[int, int, Path], Tally]
"""A harness: injects so many faults, drawn by a seed, and works in an empty folder."""
