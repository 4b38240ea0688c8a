"""Leases: what locks are to a folder, for a dataset in an object store. A dead holder does not keep one.

A lease is an empty object, whose name says who holds it and what for; the holder writes it again and again. It has
expired when it is two minutes older than one that has just been written: all times are the store's, and no clock of
a machine matters. Whoever wants a lease writes it, then lists all, and goes on if no other is in the way. Of two that
do so at once, at least one sees the other, because stores list what was written before.
"""

import re
import secrets
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import gcd
from typing import Self

from layermix_gen.dataset.outlets.holders import HOLDER, holder, is_dead
from layermix_gen.dataset.outlets.object_store import ObjectStore
from layermix_gen.errors import Interrupted, LayerMixError, StoreError

FOLDER, PLANNING = ".lease", ".lease-plan"  # of processes that write shards, and that make plans
SECONDS = 120.0  # that a lease is held without being written again
BEAT = SECONDS / 4  # seconds between two writes
FAREWELL = 10.0  # seconds that a process which is stopped waits for a store that does not answer
TURN, TURNS = 0.1, 50  # seconds that one that may stay waits for others to leave, and how often


@dataclass(frozen=True, slots=True)
class Claim:
    """What a lease is for: a partition of what a plan describes, or all of the dataset, alone, where `plan` is "".

    A step of 0 is for no shard.
    """

    plan: str = ""  # a digest: builds with the same one may work together
    first: int = 0
    step: int = 1

    def __str__(self) -> str:
        return f"{self.plan}-{self.first}-{self.step}" if self.plan else "alone"

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Take the text of a claim."""
        plan, _, partition = text.partition("-")
        return cls(plan, *map(int, partition.split("-"))) if partition else cls()

    def excludes(self, other: "Claim") -> bool:
        """Whether the two cannot be held at once: one is alone, the plans differ, or a shard is in both partitions."""
        if not self.plan or self.plan != other.plan:
            return True
        return 0 not in (self.step, other.step) and (self.first - other.first) % gcd(self.step, other.step) == 0


ALONE = Claim()
NO_SHARD = (0, 0)  # first and step


@dataclass(frozen=True, slots=True)
class _Found:
    """A lease in the store."""

    name: str
    holder: str
    token: str
    claim: Claim
    seconds: float


class Lease:
    """The lease of this process in a store, not held at first."""

    def __init__(self, store: ObjectStore, folder: str = FOLDER) -> None:
        self._store, self._folder, self._token = store, folder, secrets.token_hex(8)
        self._claim: Claim | None = None
        self._ended = threading.Event()
        self._writing = threading.Lock()

    @property
    def name(self) -> str:
        """The name of the object; empty where the lease is not held."""
        return self._named(self._claim) if self._claim else ""

    def others(self) -> list[Claim]:
        """What other processes seem to claim; by the clock of this machine, so that only `take` knows for sure."""
        expired = time.time() - SECONDS
        return [one.claim for one in self._found() if one.seconds > expired and not self._removed(one, 0.0)]

    def take(self, claim: Claim) -> list[Claim]:
        """Take the lease; return the claims that are in the way, none if it is held now.

        Of several that want to be alone at one moment, the one with the least token waits for the others to leave.
        """
        try:
            self._write(claim)
            for _ in range(TURNS):
                found = self._found(own=True)
                now = max((one.seconds for one in found if one.token == self._token), default=0.0)
                others = [one for one in found if one.token != self._token and not self._removed(one, now)]
                rivals = [one for one in others if claim.excludes(one.claim)]
                if not rivals:
                    self._claim = claim
                    self._ended.clear()
                    threading.Thread(target=self._keep, daemon=True, name="layermix-lease").start()
                    return []
                if claim != ALONE or any(one.claim != ALONE or one.token < self._token for one in rivals):
                    break
                time.sleep(TURN)
        except BaseException:
            with suppress(StoreError):
                self._store.remove([self._named(claim)])
            raise
        self._store.remove([self._named(claim)])
        return [one.claim for one in rivals]

    def convert(self, claim: Claim) -> None:
        """Make a lease that is held alone, so that nothing is in the way, one of a claim of less.

        Raises `LayerMixError` where it is gone.
        """
        with self._writing:
            check_held(self._store, self.name)
            self._write(claim)
            name, self._claim = self.name, claim
        self._store.remove([name])

    def is_last(self) -> bool:
        """Whether nobody else holds a lease."""
        return not self.others()

    def drop(self) -> None:
        """Give the lease back, if it is held; one that cannot be removed expires."""
        if self._claim:
            with self._writing:
                self._ended.set()
                name, self._claim = self.name, None
            with suppress(StoreError):
                self._store.remove([name])

    def _named(self, claim: Claim) -> str:
        return f"{self._folder}/{holder()}~{self._token}~{claim}"

    def _write(self, claim: Claim) -> None:
        self._store.write(self._named(claim), b"")

    def _found(self, own: bool = False) -> list[_Found]:
        pattern = re.compile(rf"{re.escape(self._folder)}/({HOLDER})~([0-9a-f]{{16}})~(alone|[0-9a-f]+-[0-9]+-[0-9]+)")
        found = []
        for name, stored in self._store.listing(self._folder).items():
            if match := pattern.fullmatch(name):
                one = _Found(name, match[1], match[2], Claim.parsed(match[3]), stored.seconds)
                if own or one.token != self._token:
                    found.append(one)
        return found

    def _removed(self, lease: _Found, now: float) -> bool:
        """Remove a lease whose holder is dead, or which had expired at `now`, and tell whether that was so."""
        dead = is_dead(lease.holder) or now - lease.seconds > SECONDS
        if dead:
            self._store.remove([lease.name])
        return dead

    def _keep(self) -> None:
        """Write the lease again and again, unless somebody has removed it as expired."""
        while not self._ended.wait(BEAT):
            with self._writing, suppress(StoreError):  # the next time may do
                if self._claim and not self._ended.is_set() and self._store.exists(self.name):
                    self._write(self._claim)


def check_held(store: ObjectStore, name: str) -> None:
    """Raise `LayerMixError` where the lease of this name is gone: others took it for expired, and go on with theirs."""
    if name and not store.exists(name):
        raise LayerMixError(
            f"another process took over {store.location}, as this one had not reached it for {SECONDS:.0f} s; run the "
            "same command to resume when the other has ended"
        )


def farewell(leave: Callable[[], None]) -> None:
    """Call `leave`; a process that is stopped does not wait long for it, since the store may not answer."""
    if isinstance(sys.exception(), KeyboardInterrupt | Interrupted):
        leaving = threading.Thread(target=leave, daemon=True, name="layermix-farewell")
        leaving.start()
        leaving.join(FAREWELL)
    else:
        leave()
