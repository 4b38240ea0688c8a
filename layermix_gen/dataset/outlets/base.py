"""The interface of an outlet, by which a dataset that is written in a folder reaches its place."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from layermix_gen.support.files import disk_errors
from layermix_gen.support.locks import Lock, alone, in_turn, together

PLANNING = ".lock-plan"  # held by the one process that makes for all what they share


class Outlet(Protocol):
    """An outlet for the files of the folder `root`, to which each of its methods is given."""

    def place(self, root: Path) -> str:
        """The path or URL of the dataset, for people."""

    def scratch(self, root: Path) -> Path | None:
        """The folder where files lie until they are taken; None where they stay there."""

    def tar_bytes(self, root: Path, name: str) -> int | None:
        """The size of a tar, None if it is not there."""

    def take_shard(self, root: Path, tars: Sequence[str], index: str) -> None:
        """Take tars of a shard and then its index, which are complete in the folder."""

    def publish(self, root: Path, planes: Collection[str] | None = None) -> None:
        """Take what has changed in the folder, but for tars; remove those that are of none of the `planes`."""

    def refresh(self, root: Path) -> None:
        """Bring what others have published to the folder."""

    def bring_index(self, root: Path, number: int) -> None:
        """Bring the index of one shard, where there is one."""

    def alone(self, root: Path) -> AbstractContextManager[None]:
        """A context in which no other process writes to the dataset. Raises `LayerMixError` if one does."""

    def planning(self, root: Path, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """A context in which no other process makes a plan or a mixing set for the dataset.

        Where another one does, calls `waiting()` and waits.
        """

    def together(
        self,
        root: Path,
        plan: str,
        partition: tuple[int, int] | None,
        *,
        prepare: Callable[[], None],
        is_prepared: Callable[[], bool],
        waiting: Callable[[], None],
    ) -> AbstractContextManager[None]:
        """A context in which other processes build other partitions by the same `plan`, a digest; None is no shard.

        `prepare()` is called by a process that is alone, `is_prepared()` tells each that it may go on. Where others
        hold partitions that overlap with this one, calls `waiting()` and waits. Raises `LayerMixError` where others
        build by another plan.
        """


class FolderOutlet:
    """The outlet of a dataset that stays in its folder: there is nothing to take or to bring."""

    def place(self, root: Path) -> str:
        return str(root)

    def scratch(self, root: Path) -> Path | None:
        return None

    def tar_bytes(self, root: Path, name: str) -> int | None:
        path = root / name
        return path.stat().st_size if path.is_file() else None

    def take_shard(self, root: Path, tars: Sequence[str], index: str) -> None:
        pass

    def publish(self, root: Path, planes: Collection[str] | None = None) -> None:
        pass

    def refresh(self, root: Path) -> None:
        pass

    def bring_index(self, root: Path, number: int) -> None:
        pass

    def alone(self, root: Path) -> AbstractContextManager[None]:
        return alone(root)

    @contextmanager
    def planning(self, root: Path, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold a lock of its own: builds that are at work go on."""
        turn = Lock(root / PLANNING)
        with disk_errors(root):
            turn.wait(waiting)
        try:
            yield
        finally:
            turn.leave()

    @contextmanager
    def together(
        self,
        root: Path,
        plan: str,
        partition: tuple[int, int] | None,
        *,
        prepare: Callable[[], None],
        is_prepared: Callable[[], bool],
        waiting: Callable[[], None],
    ) -> Iterator[None]:
        """Hold the locks of the folder and of the partition."""
        turn = in_turn(root, partition, waiting) if partition else nullcontext()
        with together(root, prepare, is_prepared), turn:
            yield


IN_PLACE = FolderOutlet()
