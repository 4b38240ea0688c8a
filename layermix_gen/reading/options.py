"""The options of a reader, checked when they are created."""

from dataclasses import dataclass

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.order import REMAINDERS
from layermix_gen.support.checks import as_whole, check_choice

ORDERS = ("shuffle", "shards", "sequential")
ON_ERROR = ("raise", "skip")
WINDOW = 8  # shards
LOWEST = {"batch_size": 1, "seed": 0, "window": 1, "prefetch": 0, "threads": 1, "max_skipped": 0}
LOWEST |= {"rank": 0, "world_size": 1}
OPTIONAL = ("threads", "max_skipped", "rank", "world_size")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The options of a reader, which `LayerMixDataset` explains."""

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
    soft_labels: bool = False

    def __post_init__(self) -> None:
        check_choice("order", self.order, ORDERS, change="order=")
        check_choice("remainder", self.remainder, REMAINDERS, change="remainder=")
        check_choice("on_error", self.on_error, ON_ERROR, change="on_error=")
        if type(self.soft_labels) is not bool:
            raise LayerMixError(f"soft_labels must be True or False, got {self.soft_labels!r}; change soft_labels=")
        for name, low in LOWEST.items():
            value = getattr(self, name)
            if value is not None or name not in OPTIONAL:
                object.__setattr__(self, name, as_whole(name, value, low, change=f"{name}="))
        rank, world_size = self.rank, self.world_size
        if (rank is None) != (world_size is None) or (
            rank is not None and world_size is not None and rank >= world_size
        ):
            raise LayerMixError(f"expected 0 <= rank < world_size, got rank={rank}, world_size={world_size}; give both")

    @property
    def share(self) -> tuple[int, int] | None:
        """Rank and world size, or None if they come from torch.distributed."""
        return None if self.rank is None or self.world_size is None else (self.rank, self.world_size)
