"""The order of epochs: every position once over all ranks, resumed by any number of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.reading.order import (
    REMAINDERS,
    VERSION,
    RankShare,
    shuffled_order,
    windowed_order,
)

counts = st.integers(1, 200)
worlds = st.sampled_from([1, 2, 3, 8])
batch_sizes = st.integers(1, 9)


def dealt(count: int, start: int, batch_size: int, remainder: str, world_size: int) -> list[list[list[int]]]:
    """Positions by rank and batch."""
    deals = [RankShare(count, start, batch_size, remainder, rank, world_size) for rank in range(world_size)]
    return [[deal.positions(batch).tolist() for batch in range(deal.batches)] for deal in deals]


def flat(ranks: list[list[list[int]]]) -> list[int]:
    return [position for batches in ranks for batch in batches for position in batch]


@pytest.mark.parametrize(
    ("count", "remainder", "world_size", "expected"),
    [
        # batches of 2
        (8, "drop", 2, [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]),  # nothing remains: all agree
        (8, "pad", 2, [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]),
        (8, "exact", 2, [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]),
        (7, "drop", 2, [[[0, 2]], [[1, 3]]]),  # three fill no batch on both ranks
        (7, "pad", 2, [[[0, 2], [4, 6]], [[1, 3], [5, 3]]]),  # position 7 repeats 7 - 4
        (7, "exact", 2, [[[0, 2], [4, 6]], [[1, 3], [5]]]),  # a last batch is short
        (5, "exact", 2, [[[0, 2], [4]], [[1, 3]]]),  # and a rank has none
        (1, "pad", 3, [[[0, 0]], [[0, 0]], [[0, 0]]]),  # fewer images than ranks
        (1, "exact", 3, [[[0]], [], []]),
    ],
)
def test_deals(count, remainder, world_size, expected):
    assert dealt(count, 0, 2, remainder, world_size) == expected


@given(count=counts, batch_size=batch_sizes, world_size=worlds)
def test_exact_deals_every_position_once(count, batch_size, world_size):
    assert sorted(flat(dealt(count, 0, batch_size, "exact", world_size))) == list(range(count))


@given(count=counts, batch_size=batch_sizes, world_size=worlds)
def test_drop_and_pad_deal_full_batches_in_step(count, batch_size, world_size):
    dropped = dealt(count, 0, batch_size, "drop", world_size)
    padded = dealt(count, 0, batch_size, "pad", world_size)
    assert {len(batch) for ranks in (dropped, padded) for batches in ranks for batch in batches} <= {batch_size}
    assert len({len(batches) for batches in dropped}) == len({len(batches) for batches in padded}) == 1
    assert sorted(flat(dropped)) == list(range(len(flat(dropped))))
    assert count - len(flat(dropped)) < batch_size * world_size
    assert set(flat(padded)) == set(range(count))
    assert len(flat(padded)) - count < batch_size * world_size


@given(count=counts, batch_size=batch_sizes, before=worlds, after=worlds, steps=st.integers(0, 30))
def test_what_remains_is_dealt_to_any_number_of_ranks(count, batch_size, before, after, steps):
    first = RankShare(count, 0, batch_size, "exact", 0, before)
    start = first.consumed(steps)
    done = [p for batches in dealt(count, 0, batch_size, "exact", before) for batch in batches[:steps] for p in batch]
    assert sorted(done) == list(range(start))
    assert sorted(flat(dealt(count, start, batch_size, "exact", after))) == list(range(start, count))


@pytest.mark.parametrize("remainder", REMAINDERS)
@given(count=counts, batch_size=batch_sizes, world_size=worlds, steps=st.integers(0, 30))
def test_resumed_by_as_many_ranks_nothing_changes(remainder, count, batch_size, world_size, steps):
    whole = dealt(count, 0, batch_size, remainder, world_size)
    start = RankShare(count, 0, batch_size, remainder, 0, world_size).consumed(steps)
    rest = dealt(count, start, batch_size, remainder, world_size)
    assert [batches[steps:] for batches in whole] == rest


@given(count=counts, seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 100))
def test_shuffled_order_has_every_image_once(count, seed, epoch):
    order = shuffled_order(count, seed, epoch)
    assert sorted(order) == list(range(count))
    assert np.array_equal(order, shuffled_order(count, seed, epoch))


def test_orders_differ_by_seed_and_epoch():
    orders = {tuple(shuffled_order(50, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


sizes = st.lists(st.integers(1, 12), min_size=1, max_size=20)


@given(sizes=sizes, lanes=worlds, window=st.integers(1, 5), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_windowed_order_has_every_image_once(sizes, lanes, window, seed, epoch):
    shards = np.repeat(np.arange(len(sizes)), sizes)
    assert sorted(windowed_order(shards, lanes, window, seed, epoch)) == list(range(len(shards)))


@pytest.mark.parametrize(("lanes", "window"), [(1, 1), (1, 3), (4, 1), (4, 2)])
def test_windowed_order_reads_few_shards_at_a_time(lanes, window):
    shards = np.repeat(np.arange(32), 10)
    order = windowed_order(shards, lanes, window, seed=0, epoch=0)
    firsts = []
    for lane in range(lanes):
        seen = shards[order[lane::lanes]]
        spans = [(int(np.flatnonzero(seen == s)[0]), int(np.flatnonzero(seen == s)[-1])) for s in set(seen)]
        assert all(last - first < 10 * (window + 1) for first, last in spans)
        assert len(set(seen[:20])) > 1
        assert len(spans) <= 32 // lanes + 1  # a lane shares a shard with its neighbour at most
        firsts.append(seen[0])
    assert firsts != sorted(firsts) or lanes == 1


def test_empty_windowed_order():
    assert len(windowed_order(np.arange(0), 2, 4, 0, 0)) == 0


def test_orders_never_change() -> None:
    """States are resumed by these rules: whoever changes one raises `VERSION`, so that older states are refused."""
    assert VERSION == 1
    assert shuffled_order(8, 7, 5).tolist() == [4, 3, 7, 1, 2, 0, 6, 5]
    assert windowed_order(np.repeat(np.arange(4), 3), 2, 2, 7, 5).tolist() == [0, 6, 1, 8, 9, 7, 2, 4, 10, 3, 11, 5]
