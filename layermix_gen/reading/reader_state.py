"""The state of a reader: its epoch, how much of it is consumed, and which share of it this process reads.

Positions are counted over all ranks together, and when a batch is handed out, not when it is read. A DataLoader's
worker process, which hands out every n-th batch of its rank, counts its own batches. Which epoch workers resume is
known when all of them have loaded their states: the earliest that any of them has batches left of.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Self

import torch
from torch.utils.data import IterableDataset, get_worker_info

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.batches.drawn_views import FIXED
from layermix_gen.reading.distribution import distributed_share, refuse_dispatch
from layermix_gen.reading.options import ReadOptions
from layermix_gen.reading.order import Ints, RankShare, shuffled_order, windowed_order
from layermix_gen.reading.selection import Selection
from layermix_gen.support.checks import as_whole
from layermix_gen.support.notebooks import panels
from layermix_gen.support.text import count, facts

NONE = -1
EPOCH, READ, WARNED, CHOSEN, LOADED = range(5)
"""What processes share: the epoch; the last that workers have read to its end; whether they warned of reading it again;
whether `set_epoch` chose the epoch and it has not begun; how many workers have a state, which then says the epoch."""
MOST_WORKERS = 1024  # that share their epochs, in 8 KiB


class Epochs(IterableDataset[Any]):
    """The batches of a selection, epoch after epoch; each kind of reader implements `_deliver`.

    When the last batch of an epoch is handed out, the next epoch follows; `set_epoch` chooses another. A new iteration
    begins the epoch again, except right after `load_state_dict`. The state describes the newest iteration.
    """

    def __init__(
        self,
        options: ReadOptions,
        selection: Selection,
        identity: dict[str, Any],
        class_names: tuple[str, ...],
        num_classes: int,
    ) -> None:
        self.options, self.selection = options, selection
        self.identity = identity
        self.class_names, self.num_classes = class_names, num_classes
        self._share = options.share
        self._shared = torch.tensor([0, NONE, 0, 0, 0]).share_memory_()
        self._resumed = torch.zeros(MOST_WORKERS, dtype=torch.int64).share_memory_()  # the epoch of each worker's state
        self._begin(0)

    def __repr__(self) -> str:
        images = count(len(self.selection), "image")
        return f"<{type(self).__name__} of {images} in batches of {self.options.batch_size}, epoch {self.epoch}>"

    def _repr_html_(self) -> str:
        return panels.described(type(self).__name__, self._facts)

    def _facts(self) -> str:
        """What is read, how and in which order, one fact a line."""
        options, of, share = self.options, self.identity, self._rank_share(0)
        rows = {
            "images": f"{len(self.selection)}; the dataset has {self.num_classes} classes",
            "batches": f"{len(self)} of {options.batch_size}, on rank {share.rank} of {share.world_size}",
            "views": " ".join(of["views"]).removesuffix(" of"),
            "mix": " ".join(of.get("mix", [])[:2]).removesuffix(" {}"),
            "view": " of ".join(map(str, of.get("view", []))) + " px" * ("view" in of),
            "where": of["where"] or "",
            "order": f"{options.order}, seed {options.seed}, remainder {options.remainder}",
            "epoch": str(self.epoch),
            "dataset": of["dataset"],
        }
        return facts(rows)

    def _begin(self, start: int, done: int = 0, lanes: int = 0, epoch: int = NONE) -> None:
        """Set the state to a position in an epoch. An iteration that is in progress is no longer counted."""
        self._start, self._done = start, done  # positions consumed before the iteration, batches handed out by it
        self._at = epoch  # the epoch of this position; `NONE` at the start of whichever is read next
        self._lanes = lanes  # how many ranks the order is made for; 0: as many as there are
        self._resumes = epoch != NONE  # whether the next iteration goes on from this state
        self._ended = False  # whether this rank has handed out its last batch, so that the next epoch follows
        self._counted: object = None  # the iteration whose batches are counted

    def _deliver(self, epoch: int, count: int, rows: Callable[[int], Ints]) -> Iterator[Any]:
        """Yield `count` batches; `rows(i)` gives the rows of the selection that batch i reads."""
        raise NotImplementedError

    @property
    def epoch(self) -> int:
        """The epoch that is being read, or else the one to be read next."""
        if self._ended:
            return self._at + 1
        workers = int(self._shared[LOADED])
        return int(self._resumed[:workers].min() if workers else self._shared[EPOCH])

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch to read next. If it is the epoch of a loaded state, reading resumes where that was taken."""
        if as_whole("epoch", epoch, 0, change="epoch=") != self.epoch:
            self._begin(0)
        self._share_epoch(epoch - self._ended, chosen=True)

    def _share_epoch(self, epoch: int, *, chosen: bool = False) -> None:
        self._shared[EPOCH], self._shared[CHOSEN], self._shared[LOADED] = epoch, chosen, 0

    def __len__(self) -> int:
        """How many batches this rank reads in a whole epoch."""
        return self._rank_share(0).batches

    def __iter__(self) -> Iterator[Any]:
        refuse_dispatch(self)
        if get_worker_info() and not self._resumes:
            self._restart()  # now: a worker's state may be asked for before its first batch
        return self._batches()

    def _restart(self) -> None:
        """Go to the start of the epoch, or of the next one if this one has ended."""
        if self._ended:
            self._share_epoch(self.epoch)
        self._begin(0)

    def _batches(self) -> Iterator[Any]:
        worker, epoch = get_worker_info(), self.epoch
        if not self._resumes or self._at != epoch or (worker and self._resumed[: worker.num_workers].min() > epoch):
            self._restart()
        self._at, self._resumes, self._shared[CHOSEN] = epoch, False, 0
        self._counted = this = object()
        share = self._rank_share(self._start)
        self._lanes = self._lanes or share.world_size
        order = self._order(epoch)
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        if worker and not worker.id:
            self._warn_of_repetition(epoch)
        numbers = range(first + step * self._done, share.batches, step)
        self._ended = not numbers and not worker
        for i, batch in enumerate(self._deliver(epoch, len(numbers), lambda i: order[share.positions(numbers[i])])):
            if self._counted is this:
                self._done += 1
                if i + 1 == len(numbers):  # now: many loops never ask for another batch
                    self._end(epoch)
            yield batch

    def _end(self, epoch: int) -> None:
        """Go on to the next epoch. A worker only records it, as it cannot know when the other workers get there."""
        worker = get_worker_info()
        self._ended = not worker
        if worker and not worker.id:
            self._shared[READ] = epoch

    def _warn_of_repetition(self, epoch: int) -> None:
        """Warn once if workers read an epoch again: only the caller of `set_epoch` can tell them which one is next."""
        varies = self.options.order != "sequential" or (self.selection.fixed < 0).any() or "mix" in self.identity
        varies = varies or self.identity.get("view", [FIXED])[0] != FIXED
        if varies and self._shared[[READ, WARNED]].tolist() == [epoch, 0]:
            self._shared[WARNED] = 1
            warnings.warn(
                f"epoch {epoch} is read a second time, in the same order and with the same variants: with num_workers, "
                "call set_epoch(epoch) of the dataset before each epoch",
                stacklevel=2,
            )

    def _order(self, epoch: int) -> Ints:
        options, count = self.options, len(self.selection)
        if options.order == "shuffle":
            return shuffled_order(count, options.seed, epoch)
        if options.order == "shards":
            return windowed_order(self.selection.units, self._lanes, options.window, options.seed, epoch)
        return torch.arange(count).numpy()

    def _rank_share(self, start: int) -> RankShare:
        options, (rank, world_size) = self.options, self._share or distributed_share()
        share = RankShare(len(self.selection), start, options.batch_size, options.remainder, rank, world_size)
        if options.remainder == "drop" and share.count < share.step:
            place = f" on each of {world_size} ranks" if world_size > 1 else ""
            raise LayerMixError(
                f"expected at least {share.step} images for a batch of {share.batch_size}{place}, found {share.count}; "
                "lower batch_size, or read with remainder='pad'"
            )
        return share

    def state_dict(self) -> dict[str, Any]:
        """The state to resume from here, in plain values: a few integers, and the identity of their reader."""
        worker, share = get_worker_info(), self._rank_share(self._start)
        state = {"epoch": self.epoch - self._ended, "lanes": self._lanes, "of": self.identity}
        if worker:
            state |= {"epoch": self.epoch if self._at == NONE else self._at, "consumed": self._start}
            return state | {"worker": [worker.id, worker.num_workers, self._done, share.step]}
        consumed = share.consumed(self._done)
        if self._ended and (share.remainder != "exact" or consumed == share.count):  # else other ranks read on
            return state | {"epoch": self.epoch, "lanes": 0, "consumed": 0}
        return state | {"consumed": consumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume where `state` was taken, with any number of ranks and threads.

        A StatefulDataLoader's workers load their states when the iteration begins. An epoch that `set_epoch` has chosen
        by then is read from its start if it is not that of the state. Without workers, the state is resumed, with a
        warning. Raises `LayerMixError` if it is the state of another dataset, selection, seed or order, or no state.
        """
        worker = get_worker_info()
        of, epoch, consumed, lanes, (*place, done, step) = _parts(state)
        differences = [
            f"{name} {of.get(name)!r} -> {value!r}" for name, value in self.identity.items() if of.get(name) != value
        ]
        if differences:
            raise LayerMixError(
                f"this is the state of another reader: {'; '.join(differences)}; read that, or begin without the state"
            )
        if consumed > len(self.selection):
            raise LayerMixError(f"expected at most {len(self.selection)} images consumed, got {consumed}; {_NO_STATE}")
        if place != [0, 0] and (not worker or place != [worker.id, worker.num_workers]):
            raise LayerMixError(
                f"this is the state of worker {place[0]} of {place[1]} of a DataLoader; load it by a "
                f"StatefulDataLoader with num_workers={place[1]}"
            )
        if worker and place != [0, 0]:
            self._load_of_worker(worker, epoch, consumed, lanes, done, step)
            return
        if self._shared[CHOSEN] and self.epoch != epoch:
            warnings.warn(
                f"the state of epoch {epoch} is loaded after set_epoch({self.epoch}) and resumed in epoch {epoch}; to "
                "read another epoch, leave out the state",
                stacklevel=2,
            )
        self._share_epoch(epoch)
        self._resumed.zero_()
        self._begin(consumed, done, lanes, epoch)

    def _load_of_worker(self, worker: Any, epoch: int, consumed: int, lanes: int, done: int, step: int) -> None:
        share = self._rank_share(consumed)
        if step != share.step:
            raise LayerMixError(
                f"expected ranks that read {step} images together for one batch each, as in the state, got "
                f"{share.step}; with worker processes, resume with as many ranks and the same batch_size"
            )
        is_over = worker.id + worker.num_workers * done >= replace(share, rank=0).batches  # no rank has more
        self._resumed[worker.id] = epoch + is_over
        if not self._shared[CHOSEN]:
            self._shared[LOADED] = worker.num_workers
        elif self.epoch != epoch:
            self._begin(0)
            return
        self._begin(consumed, done, lanes, epoch)

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process gets, including the share of its rank, which it cannot ask torch.distributed for."""
        return self.__dict__ | {"_share": self._share or distributed_share(), "_counted": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take on what `__getstate__` gave; what workers share is the sender's own, or that of a pickled copy alone."""
        self.__dict__ |= state
        for shared in (self._shared, self._resumed):
            shared.share_memory_()

    def __copy__(self) -> Self:
        """A reader in the same state, whose epochs are its own from then on."""
        twin = self.__class__.__new__(self.__class__)
        own = {"_share": self._share, "_shared": self._shared.clone(), "_resumed": self._resumed.clone()}
        twin.__setstate__(self.__getstate__() | own)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """As a copy: nothing else of a reader changes."""
        return self.__copy__()


_NO_STATE = "give what state_dict() returned"


def _parts(state: Any) -> tuple[dict[str, Any], int, int, int, list[int]]:
    """The parts of a state: identity of its reader, epoch, positions consumed, lanes; of a worker its place."""
    try:
        of, places = dict(state["of"]), list(state.get("worker", (0, 0, 0, 0)))
        epoch, consumed, lanes = (as_whole(name, state[name], 0) for name in ("epoch", "consumed", "lanes"))
        worker, workers, done, step = (as_whole("worker", number, 0) for number in places)
    except (AttributeError, KeyError, TypeError, ValueError, LayerMixError) as error:
        raise LayerMixError(f"expected the state of a reader, got {str(state)[:100]}; {_NO_STATE}") from error
    return of, epoch, consumed, lanes, [worker, workers, done, step]
