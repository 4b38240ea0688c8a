"""The state: exact at every batch of an epoch, for any number of ranks and threads, and only for the same reader."""

import copy
import json
import pickle
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.reader_state import Epochs
from tests.reading.truth import Truth, flat, keys

ORDERS = [{"order": "shuffle"}, {"order": "shards", "window": 2}]


def read(ds: Epochs, batches: int) -> tuple[list[list[str]], dict]:
    """The keys of the next batches, and the state after them, taken while the epoch is still being read."""
    seen = []
    for _, _, facts in ds:
        seen.append(facts["key"])
        if len(seen) == batches:
            return seen, json.loads(json.dumps(ds.state_dict()))
    raise AssertionError("the epoch is shorter")


@pytest.mark.parametrize("options", ORDERS)
@pytest.mark.parametrize("remainder", ["drop", "pad", "exact"])
def test_resumed_at_every_batch(tiny: Truth, options: dict, remainder: str) -> None:
    whole = tiny.reader(remainder=remainder, **options)
    whole.set_epoch(2)
    expected, after = keys(whole), keys(whole)
    for batches in range(1, len(expected) + 1):
        ds = tiny.reader(remainder=remainder, threads=1 + batches % 4, prefetch=batches % 3, **options)
        ds.set_epoch(2)
        seen, state = read(ds, batches)
        resumed = tiny.reader(remainder=remainder, threads=3, **options)
        resumed.load_state_dict(state)
        if batches < len(expected):
            assert seen + keys(resumed) == expected
        assert keys(resumed) == after


@pytest.mark.parametrize("options", ORDERS)
@pytest.mark.parametrize(("before", "after", "every"), [(4, 2, 1), (2, 4, 5), (1, 3, 9), (8, 1, 1)])
def test_resumed_by_another_number_of_ranks(tiny: Truth, options: dict, before: int, after: int, every: int) -> None:
    options = options | {"batch_size": 3, "remainder": "exact"}
    expected = Counter(
        key for rank in range(before) for key in flat(tiny.reader(rank=rank, world_size=before, **options))
    )
    assert len(expected) == 97
    for batches in range(1, 97 // (3 * before) + 1, every):
        done = [read(tiny.reader(rank=rank, world_size=before, **options), batches) for rank in range(before)]
        assert len({json.dumps(state) for _, state in done}) == 1
        seen = Counter(key for some, _ in done for batch in some for key in batch)
        for rank in range(after):
            ds = tiny.reader(rank=rank, world_size=after, threads=1 + rank, **options)
            ds.load_state_dict(done[0][1])
            seen.update(flat(ds))
        assert seen == expected


def test_resumed_twice_with_ranks_changing(tiny: Truth) -> None:
    options: dict[str, Any] = {"batch_size": 4, "remainder": "drop", "order": "shards"}
    first = [read(tiny.reader(rank=rank, world_size=4, **options), 2) for rank in range(4)]
    seen, state = [key for some, _ in first for batch in some for key in batch], first[0][1]
    for world in (2, 3):
        ranks = [tiny.reader(rank=rank, world_size=world, **options) for rank in range(world)]
        for ds in ranks:
            ds.load_state_dict(state)
        again = [read(ds, 2) for ds in ranks]
        seen += [key for some, _ in again for batch in some for key in batch]
        state = again[0][1]
    assert len(seen) == len(set(seen)) == (8 + 4 + 6) * 4
    assert state["consumed"] == len(seen)


def test_the_state_counts_what_was_handed_out(tiny: Truth) -> None:
    ds = tiny.reader(prefetch=6)
    assert ds.state_dict()["consumed"] == 0
    batches = iter(ds)
    for number in range(1, 4):
        next(batches)
        assert ds.state_dict()["consumed"] == 8 * number
    batches.close()  # type: ignore[attr-defined]
    assert ds.state_dict()["consumed"] == 24


def test_the_state_is_kept_until_it_is_read(tiny: Truth) -> None:
    _, state = read(tiny.reader(), 3)
    ds = tiny.reader()
    ds.load_state_dict(state)
    assert ds.state_dict() == state
    iter(ds)
    assert ds.state_dict() == state


def test_setting_the_epoch_of_the_state_goes_on_in_it(tiny: Truth) -> None:
    expected = keys(tiny.reader())
    _, state = read(tiny.reader(), 5)
    ds = tiny.reader()
    ds.load_state_dict(state)
    ds.set_epoch(0)
    assert keys(ds) == expected[5:]
    ds.load_state_dict(state)
    ds.set_epoch(1)
    assert keys(ds) == keys_of_epoch(tiny, 1)


def keys_of_epoch(tiny: Truth, epoch: int, **options: Any) -> list[list[str]]:
    ds = tiny.reader(**options)
    ds.set_epoch(epoch)
    return keys(ds)


def test_a_state_at_the_end_begins_the_next_epoch(tiny: Truth) -> None:
    ds = tiny.reader()
    list(ds)
    assert (ds.state_dict()["epoch"], ds.state_dict()["consumed"]) == (1, 0)
    resumed = tiny.reader()
    resumed.load_state_dict(ds.state_dict())
    assert keys(resumed) == keys_of_epoch(tiny, 1)


@pytest.mark.parametrize("remainder", ["drop", "pad", "exact"])
def test_a_loop_that_takes_no_more_than_len(tiny: Truth, remainder: str) -> None:
    """The last batch ends the epoch: the state after it begins the next one, and so does the next iteration."""
    ds = tiny.reader(remainder=remainder)
    for epoch in range(3):
        assert ds.epoch == epoch
        batches = iter(ds)
        taken = [next(batches)[2]["key"] for _ in range(len(ds))]
        assert taken == keys_of_epoch(tiny, epoch, remainder=remainder)
        state = ds.state_dict()
        assert (state["epoch"], state["consumed"]) == (epoch + 1, 0)
        resumed = tiny.reader(remainder=remainder)
        resumed.load_state_dict(state)
        assert keys(resumed) == keys_of_epoch(tiny, epoch + 1, remainder=remainder)
        assert ds.state_dict() == state


def test_a_rank_that_ends_before_the_others_has_their_state(tiny: Truth) -> None:
    """97 images, 3 on each of 4 ranks: only the first rank has a ninth batch, and a state after 8 must not lose it."""
    options: dict[str, Any] = {"batch_size": 3, "world_size": 4, "remainder": "exact"}
    ranks = [tiny.reader(rank=rank, **options) for rank in range(4)]
    assert [len(ds) for ds in ranks] == [9, 8, 8, 8]
    states = [read(ds, 8)[1] for ds in ranks]
    assert [(state["epoch"], state["consumed"]) for state in states] == [(0, 96)] * 4
    assert [ds.epoch for ds in ranks] == [0, 1, 1, 1]
    ranks[1].load_state_dict(states[1])
    assert (ranks[1].epoch, keys(ranks[1]), ranks[1].epoch) == (0, [], 1)


def test_the_state_belongs_to_the_newest_iteration(tiny: Truth) -> None:
    ds = tiny.reader()
    first = iter(ds)
    for _ in range(3):
        next(first)
    second = iter(ds)
    next(second)
    taken = [next(first)[2]["key"] for _ in range(9)]
    assert taken == keys(tiny.reader())[3:]
    assert (ds.epoch, ds.state_dict()["consumed"]) == (0, 8)
    ds.set_epoch(5)
    next(second)
    assert (ds.state_dict()["epoch"], ds.state_dict()["consumed"]) == (5, 0)
    assert len(list(second)) == 10
    assert (ds.state_dict()["epoch"], ds.state_dict()["consumed"]) == (5, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"consumed": -8},
        {"consumed": 98},
        {"consumed": 1.5},
        {"lanes": -1},
        {"lanes": "a"},
        {"epoch": None},
        {"worker": [0, 1]},
        {"worker": 3},
        {"of": 3},
    ],
)
def test_what_is_no_state_is_refused(tiny: Truth, change: dict) -> None:
    ds = tiny.reader()
    state = ds.state_dict() | change
    with pytest.raises(LayerMixError, match=r"^expected .*, got .*; give what state_dict\(\) returned$"):
        ds.load_state_dict(state)
    for nothing in ({}, None, {"of": ds.state_dict()["of"]}, "state"):
        with pytest.raises(LayerMixError, match=r"^expected the state of a reader, got .*; give what state_dict\(\)"):
            ds.load_state_dict(nothing)  # type: ignore[arg-type]
    assert keys(ds) == keys(tiny.reader())


@pytest.mark.parametrize("epoch", [-1, 1.5, "2", None])
def test_epochs_are_whole_numbers(tiny: Truth, epoch: object) -> None:
    with pytest.raises(LayerMixError, match=r"^epoch must be a whole number from 0 on, got "):
        tiny.reader().set_epoch(epoch)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, "seed 0 -> 1"),
        ({"where": "layer = 1", "batch_size": 1}, "where None -> 'layer = 1'"),
        ({"views": "clean"}, r"views \['variant', 'of', 'v00', 'v01', 'v02', 'v03'\] -> \['clean', 'of'\]"),
        ({"order": "shards"}, r"order \['shuffle'\] -> \['shards', 8\]"),
        ({"classes": (1,)}, r"classes None -> \[1\]"),
    ],
)
def test_the_state_of_another_reader_is_refused(tiny: Truth, options: dict, message: str) -> None:
    _, state = read(tiny.reader(), 1)
    with pytest.raises(LayerMixError, match=f"^this is the state of another reader: {message}; read that, or begin"):
        tiny.reader(**options).load_state_dict(state)


def test_the_state_of_another_dataset_is_refused(tiny: Truth, independent: Truth) -> None:
    _, state = read(independent.open(), 1)
    with pytest.raises(LayerMixError, match=r"^this is the state of another reader: dataset '[0-9a-f]{64}' -> '"):
        tiny.reader().load_state_dict(state)


def test_the_state_of_another_order_is_refused(tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    _, state = read(tiny.reader(), 1)
    monkeypatch.setattr("layermix_gen.reading.reader.VERSION", 2)
    with pytest.raises(LayerMixError, match=r"^this is the state of another reader: version 1 -> 2; read that, or"):
        tiny.reader().load_state_dict(state)


def test_a_reader_can_be_pickled(tiny: Truth) -> None:
    ds = tiny.reader(rank=1, world_size=2)
    assert keys(pickle.loads(pickle.dumps(tiny.reader()))) == keys(tiny.reader())  # noqa: S301
    assert len(ds) == 6


@pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy, lambda ds: pickle.loads(pickle.dumps(ds))])  # noqa: S301
@pytest.mark.parametrize("kind", ["reader", "memory"])
def test_a_copy_has_its_own_epochs(tiny: Truth, twin_of: Callable[[Any], Any], kind: str) -> None:
    ds: Any = tiny.reader() if kind == "reader" else tiny.reader().in_memory()
    ds.set_epoch(2)
    read(ds, 3)
    twin = twin_of(ds)
    assert twin.state_dict() == ds.state_dict()
    assert all(shared.is_shared() for shared in (twin._shared, twin._resumed))
    twin.set_epoch(5)
    assert (ds.epoch, twin.epoch) == (2, 5)
    assert keys(ds) == keys_of_epoch(tiny, 2)
    assert (ds.epoch, twin.epoch) == (3, 5)
    assert keys(twin) == keys_of_epoch(tiny, 5)


def test_a_copy_asks_for_its_rank_when_it_reads(tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = copy.copy(tiny.reader())
    monkeypatch.setattr("layermix_gen.reading.reader_state.distributed_share", lambda: (1, 2))
    assert keys(twin) == keys(tiny.reader(rank=1, world_size=2))
