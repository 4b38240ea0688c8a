"""The variants of an epoch: each in its turn, different within a step, the same for images of one unit."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.reading.order import VERSION, draw_image, draw_variants


def shown(variants: int, views: int, epochs: int, **options: bool) -> np.ndarray:
    """The variants that are drawn, (epochs, images, views)."""
    units, allowed = np.arange(64), np.ones((64, variants), bool)
    return np.stack([draw_variants(units, allowed, views, 0, epoch, **options) for epoch in range(epochs)])


@pytest.mark.parametrize(
    ("variants", "views", "epochs", "times"),
    [
        (4, 1, 4, 1),  # each of four variants once in four epochs
        (1, 1, 3, 3),
        (4, 2, 2, 1),  # two at a time: each once in two
        (3, 2, 3, 2),  # two at a time of three: each twice in three
        (6, 4, 3, 2),
        (5, 5, 1, 1),
    ],
)
def test_variants_are_drawn_without_replacement(variants, views, epochs, times):
    for cycle in range(3):
        part = shown(variants, views, 3 * epochs)[cycle * epochs : (cycle + 1) * epochs]
        for image in range(64):
            assert Counter(part[:, image].ravel().tolist()) == dict.fromkeys(range(variants), times)


@given(variants=st.integers(1, 9), epoch=st.integers(0, 50), data=st.data())
def test_views_of_a_step_differ_and_are_allowed(variants, epoch, data):
    views = data.draw(st.integers(1, variants))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    allowed = np.argsort(rng.random((20, variants))) < rng.integers(views, variants + 1, (20, 1))
    for without_replacement in (True, False):
        drawn = draw_variants(np.arange(20), allowed, views, 7, epoch, without_replacement=without_replacement)
        assert np.take_along_axis(allowed, drawn, 1).all()
        assert all(len(set(row)) == views for row in drawn.tolist())


def test_one_epoch_mixes_planes_and_cycles_differ():
    drawn = shown(4, 1, 8)[:, :, 0]
    assert all(np.bincount(epoch, minlength=4).min() > 4 for epoch in drawn)
    assert not np.array_equal(drawn[:4], drawn[4:])


@pytest.mark.parametrize(("variants", "views", "epochs"), [(4, 2, 2), (6, 4, 3), (5, 5, 1), (9, 6, 3)])
def test_each_cycle_is_drawn_anew(variants, views, epochs):
    """As soon as each variant was shown equally often, and not only after as many epochs as there are variants."""
    drawn = shown(variants, views, 3 * epochs).reshape(3, epochs, 64, views)
    for one, other in pairwise(drawn):
        assert np.mean((one == other).all((0, 2))) < 0.5  # a few images may draw the same order by chance


def test_the_cycle_is_that_of_the_variants_which_an_image_may_show():
    """Of an image with 2 variants and an image with 3, in one call, each shows its own equally often."""
    allowed = np.array([[True, False, True], [True, True, True]])
    drawn = np.stack([draw_variants(np.arange(2), allowed, 1, 0, epoch)[:, 0] for epoch in range(6)])
    assert [sorted(drawn[start : start + 2, 0]) for start in (0, 2, 4)] == [[0, 2]] * 3
    assert [sorted(drawn[start : start + 3, 1]) for start in (0, 3)] == [[0, 1, 2]] * 2


def test_random_variants_come_with_replacement():
    drawn = shown(4, 1, 400, without_replacement=False)[:, :, 0]
    repeats = np.mean([np.mean(a == b) for a, b in pairwise(drawn)])
    assert 0.22 < repeats < 0.28
    assert np.abs(np.bincount(drawn.ravel()) / drawn.size - 0.25).max() < 0.01


def test_images_of_one_unit_show_the_same_variant():
    drawn = draw_variants(np.repeat(np.arange(5), 4), np.ones((20, 4), bool), 1, 0, 3)
    assert all(len(set(unit)) == 1 for unit in drawn.reshape(5, 4).tolist())


def test_stand_ins_are_spread_over_all_images():
    drawn = [draw_image(image, attempt, 10, seed=3) for image in range(100) for attempt in range(10)]
    assert np.bincount(drawn, minlength=10).min() > 60
    assert drawn[:10] == [draw_image(0, attempt, 10, seed=3) for attempt in range(10)]


def test_variants_never_change() -> None:
    """They are drawn by rules of the same `VERSION` as the orders: a state that is resumed shows the same variants."""
    units, allowed = np.array([0, 1, 2, 1_281_166]), np.ones((4, 6), bool)
    assert VERSION == 1
    drawn = draw_variants(units, allowed, 4, 7, 5)
    assert drawn.tolist() == [[2, 3, 1, 0], [5, 3, 4, 2], [5, 2, 1, 3], [2, 5, 4, 0]]
    assert draw_variants(units, allowed, 1, 7, 5, without_replacement=False).ravel().tolist() == [5, 1, 0, 2]
    assert [draw_image(image, attempt, 1000, 3) for image in (0, 999) for attempt in (0, 1)] == [615, 821, 478, 974]
