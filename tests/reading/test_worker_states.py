"""States of torchdata's loader: each resumes exactly where it was taken, and at the end of an epoch with the next."""

import gc
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from torch.utils.data import _utils
from torchdata.stateful_dataloader import StatefulDataLoader

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.reader_state import Epochs
from tests.reading.truth import Truth, keys

BATCHES = 3  # of 97 images, 32 at a time
ONE, LAST, END = 1, BATCHES, BATCHES + 1  # the state after a batch, after the last, and when the loop has ended
SOLE, TWO, LASTING = (1, False), (2, False), (2, True)  # workers, and whether they persist
HERE = (0, False)


def loader(ds: Epochs, kind: tuple[int, bool]) -> StatefulDataLoader:
    workers, persistent = kind
    context: dict[str, Any] = {"multiprocessing_context": "fork"} if workers else {}
    return StatefulDataLoader(ds, batch_size=None, num_workers=workers, persistent_workers=persistent, **context)


def opened(tiny: Truth, **options: Any) -> Any:
    return tiny.reader(**{"batch_size": 32, "threads": 1} | options)


def epoch_of(tiny: Truth, epoch: int, **options: Any) -> list[list[str]]:
    ds = opened(tiny, **options)
    ds.set_epoch(epoch)
    return keys(ds)


@pytest.fixture(scope="module")
def states(tiny: Truth) -> Callable[[tuple[int, bool]], dict[int, Any]]:
    """The states of a loader in epoch 1, after it has read epoch 0."""

    @cache
    def of_kind(kind: tuple[int, bool]) -> dict[int, Any]:
        ds = opened(tiny)
        of = loader(ds, kind)
        keys(of)
        ds.set_epoch(1)
        taken = {number: of.state_dict() for number, _ in enumerate(of, 1)}
        return taken | {END: of.state_dict()}

    return of_kind


@pytest.mark.parametrize(
    ("kind", "batches", "chosen"),
    [
        (HERE, LAST, True),
        (HERE, END, False),
        (SOLE, LAST, False),
        (TWO, ONE, False),
        (TWO, LAST, True),
        (TWO, LAST, False),
        (TWO, END, True),
        (TWO, END, False),
        (LASTING, ONE, True),
        (LASTING, LAST, False),
        (LASTING, END, True),
    ],
)
def test_a_state_of_a_loader_is_resumed(
    tiny: Truth, states: Any, kind: tuple[int, bool], batches: int, chosen: bool
) -> None:
    ds = opened(tiny)
    resumed = loader(ds, kind)
    resumed.load_state_dict(states(kind)[batches])
    epoch, rest = (1, epoch_of(tiny, 1)[1:]) if batches == ONE else (2, epoch_of(tiny, 2))
    if chosen:
        ds.set_epoch(epoch)
    found = keys(resumed)
    assert sorted(found) == sorted(rest)
    assert found == rest or (kind[0] > 1 and batches == LAST)  # torchdata then begins with another worker
    assert ds.epoch == epoch + (not kind[0])
    if kind == LASTING:
        ds.set_epoch(7)
        assert keys(resumed) == epoch_of(tiny, 7)


@pytest.mark.parametrize("batches", [LAST, END])
def test_a_state_that_follows_a_resumed_end(tiny: Truth, states: Any, batches: int) -> None:
    """One worker has handed out nothing since the state before, which is from the epoch before."""
    resumed = loader(opened(tiny), LASTING)
    resumed.load_state_dict(states(LASTING)[batches])
    first = keys([next(iter(resumed))])
    again = loader(opened(tiny), LASTING)
    again.load_state_dict(resumed.state_dict())
    assert sorted([*first, *keys(again)]) == sorted(epoch_of(tiny, 2))


@pytest.mark.parametrize(("epoch", "batches"), [(0, LAST), (7, ONE)])
def test_another_epoch_is_read_from_its_start(tiny: Truth, states: Any, epoch: int, batches: int) -> None:
    ds = opened(tiny)
    resumed = loader(ds, TWO)
    resumed.load_state_dict(states(TWO)[batches])
    ds.set_epoch(epoch)
    assert sorted(keys(resumed)) == sorted(epoch_of(tiny, epoch))


def test_a_state_after_another_epoch_was_chosen_is_resumed_with_a_warning(tiny: Truth) -> None:
    ds = opened(tiny)
    ds.set_epoch(5)
    with pytest.warns(UserWarning, match=r"^the state of epoch 1 is loaded after set_epoch\(5\) and resumed in epoch"):
        ds.load_state_dict(opened(tiny).state_dict() | {"epoch": 1, "consumed": 32})
    assert keys(ds) == epoch_of(tiny, 1)[1:]


@pytest.mark.parametrize("change", [{"batch_size": 16}, {"rank": 0, "world_size": 2}])
def test_workers_of_other_ranks_cannot_resume(
    tiny: Truth, states: Any, change: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed = loader(opened(tiny, **change), TWO)
    resumed.load_state_dict(states(TWO)[ONE])
    with pytest.raises(LayerMixError, match=r"expected ranks that read 32 images together for one batch each, as in"):
        iter(resumed)
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    gc.collect()  # ends the workers: torchdata waits so long for each, else 5 s, whichever test is then running


def test_workers_follow_a_direct_loop(tiny: Truth) -> None:
    ds = opened(tiny)
    keys(ds)
    assert keys(loader(ds, TWO)) == epoch_of(tiny, 1)
