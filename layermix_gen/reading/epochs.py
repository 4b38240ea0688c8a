"""Where a reader is: its epoch, how much of it is consumed, and which share of it is read in this process.

Positions are those of all ranks together, and they are counted when a batch is handed out, not when it is read. In a
DataLoader's worker process, which hands out every n-th batch of its rank, the worker's own batches are counted.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed
from torch.utils.data import IterableDataset, get_worker_info

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.options import ReadOptions
from layermix_gen.reading.order import Deal, Ints, shuffled_order, windowed_order
from layermix_gen.reading.views import Selection


class Epochs(IterableDataset[Any]):
    """Batches of a selection, epoch after epoch. `_deliver` is what a kind of reader adds to it.

    Iterating to the end of an epoch goes on to the next one; `set_epoch` says which it is. Iterating anew begins the
    epoch again, except right after `load_state_dict`.
    """

    def __init__(self, options: ReadOptions, selection: Selection, identity: dict[str, Any]) -> None:
        self.options, self.selection = options, selection
        self.identity = identity
        self._share = options.share
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # of the workers, too
        self._start = self._done = 0  # positions consumed before this iteration, batches handed out by it
        self._lanes = 0  # how many ranks the order is made for; 0: as many as there are
        self._resumes = False  # whether the next iteration goes on from there

    def _deliver(self, epoch: int, count: int, rows: Callable[[int], Ints]) -> Iterator[Any]:
        """Yield `count` batches: `rows` gives the places in the selection of each."""
        raise NotImplementedError

    @property
    def epoch(self) -> int:
        """The epoch that is being read, or is read next."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is read next. The epoch that a state was loaded for goes on where it was."""
        if epoch != self.epoch:
            self._epoch[0] = epoch
            self._start = self._done = self._lanes = 0
            self._resumes = False

    def __len__(self) -> int:
        """How many batches this rank reads in a whole epoch."""
        return self._deal(0).batches

    def __iter__(self) -> Iterator[Any]:
        if not self._resumes:
            self._start = self._done = self._lanes = 0
        self._resumes = False
        worker, epoch, deal = get_worker_info(), self.epoch, self._deal(self._start)
        self._lanes = self._lanes or deal.world_size
        order = self._order(epoch)
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        numbers = range(first + step * self._done, deal.batches, step)
        for batch in self._deliver(epoch, len(numbers), lambda i: order[deal.positions(numbers[i])]):
            self._done += 1
            yield batch
        if not worker and self.epoch == epoch:
            self.set_epoch(epoch + 1)

    def _order(self, epoch: int) -> Ints:
        options, count = self.options, len(self.selection)
        if options.order == "shuffle":
            return shuffled_order(count, options.seed, epoch)
        if options.order == "shards":
            return windowed_order(self.selection.units, self._lanes, options.window, options.seed, epoch)
        return torch.arange(count).numpy()

    def _deal(self, start: int) -> Deal:
        options, (rank, world_size) = self.options, self._share or distributed_share()
        deal = Deal(len(self.selection), start, options.batch_size, options.remainder, rank, world_size)
        if options.remainder == "drop" and deal.count < deal.step:
            raise LayerMixError(
                f"expected at least {deal.step} images for a batch of {deal.batch_size} on each of {world_size} ranks, "
                f"found {deal.count}; lower batch_size, or read with remainder='pad'"
            )
        return deal

    def state_dict(self) -> dict[str, Any]:
        """All it takes to go on from here, in plain values: a few integers, and what they are true of."""
        worker, deal = get_worker_info(), self._deal(self._start)
        state = {"epoch": self.epoch, "lanes": self._lanes, "of": self.identity}
        if worker:
            return state | {"consumed": self._start, "worker": [worker.id, worker.num_workers, self._done]}
        return state | {"consumed": deal.consumed(self._done)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken, by any number of ranks and threads.

        Raises `LayerMixError` where it is the state of another dataset, selection, seed or order.
        """
        differences = [
            f"{name} {state['of'].get(name)!r} -> {value!r}"
            for name, value in self.identity.items()
            if state["of"].get(name) != value
        ]
        if differences:
            raise LayerMixError(
                f"this is the state of another reader: {'; '.join(differences)}; read that, or begin without the state"
            )
        worker, (*place, done) = get_worker_info(), state.get("worker", (0, 0, 0))
        if "worker" in state and (not worker or place != [worker.id, worker.num_workers]):
            raise LayerMixError(
                f"this is the state of worker {place[0]} of {place[1]} of a DataLoader; load it by a "
                f"StatefulDataLoader with num_workers={place[1]}"
            )
        self._epoch[0] = state["epoch"]
        self._start, self._done, self._lanes = state["consumed"], done, state["lanes"]
        self._resumes = True

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process gets: the share of its rank, which it could not ask torch.distributed for."""
        return self.__dict__ | {"_share": self._share or distributed_share()}


def distributed_share() -> tuple[int, int]:
    """Rank and world size as torch.distributed has them, (0, 1) without it."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
