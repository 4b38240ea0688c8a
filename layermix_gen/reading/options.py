"""How a dataset is read: the choices that a reader is made with, checked as soon as they are made."""

from dataclasses import dataclass
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.order import REMAINDERS

ORDERS = ("shuffle", "shards", "sequential")
ON_ERROR = ("raise", "skip")
WINDOW = 8  # shards


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """See `LayerMixDataset`."""

    batch_size: int
    seed: int = 0
    order: str = "shuffle"
    window: int = WINDOW
    remainder: str = "drop"
    rank: int | None = None
    world_size: int | None = None
    threads: int | None = None
    prefetch: int = 2
    on_error: str = "raise"
    max_skipped: int | None = None
    pin_memory: bool = False

    def __post_init__(self) -> None:
        _check_choice("order", self.order, ORDERS)
        _check_choice("remainder", self.remainder, REMAINDERS)
        _check_choice("on_error", self.on_error, ON_ERROR)
        _check_range("batch_size", self.batch_size, 1)
        _check_range("seed", self.seed, 0)
        _check_range("window", self.window, 1)
        _check_range("prefetch", self.prefetch, 0)
        _check_range("threads", 1 if self.threads is None else self.threads, 1)
        _check_range("max_skipped", 0 if self.max_skipped is None else self.max_skipped, 0)
        rank, world_size = self.rank, self.world_size
        if (rank is None) != (world_size is None) or (
            rank is not None and world_size is not None and not 0 <= rank < world_size
        ):
            raise LayerMixError(f"expected 0 <= rank < world_size, got rank={rank}, world_size={world_size}; give both")

    @property
    def share(self) -> tuple[int, int] | None:
        """Rank and world size, or None where torch.distributed is to be asked."""
        return None if self.rank is None or self.world_size is None else (self.rank, self.world_size)


def _check_range(name: str, value: Any, low: int) -> None:
    if not isinstance(value, int) or not low <= value < 2**63:
        raise LayerMixError(f"{name} must be a whole number from {low} on, got {value!r}; change {name}=")


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise LayerMixError(f"{name} must be one of {', '.join(choices)}, got {value!r}; change {name}=")
