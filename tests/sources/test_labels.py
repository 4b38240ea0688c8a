"""What is a label, and what is none."""

import math
from decimal import Decimal

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.labels import LabelCounts, labels_of


@pytest.mark.parametrize(
    ("values", "labels", "names"),
    [
        (["3", "0", "-1"], [3, 0, -1], ()),
        (["3.0", "", " 1 "], [3, -1, 1], ()),
        ([3, 0.0, None, Decimal("7")], [3, 0, -1, 7], ()),
        (["dog", "cat", "dog", ""], [1, 0, 1, -1], ("cat", "dog")),
        (["²"], [0], ("²",)),  # a digit of Unicode is no number
        (["", None], [-1, -1], ()),
        ([], [], ()),
    ],
)
def test_numbers_stay_and_names_are_sorted(values: list[object], labels: list[int], names: tuple[str, ...]) -> None:
    assert labels_of(values, str, gaps=True) == (labels, names)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (["cat", "10"], "either numbers or names as labels, got '10' in 1 and 'cat' in 0"),
        (["cat", "-1"], "got '-1' in 1 and 'cat' in 0"),
        (["cat", "NaN"], "in 1, got 'NaN'"),
        (["1", "<NA>"], "in 1, got '<NA>'"),
        (["1.5", "2"], "in 0, got '1.5'"),
        ([0, 1_000_000], "a name or an integer in [-1, 999999] as label in 1, got '1000000'"),
        ([0, "99999999999"], "in 1, got '99999999999'"),
        ([math.inf], "in 0, got inf"),
        ([[1]], "in 0, got [1]"),
    ],
)
def test_what_is_no_label_is_refused(values: list[object], fault: str) -> None:
    for gaps in (False, True):
        with pytest.raises(LayerMixError) as caught:
            labels_of(values, str, gaps=gaps)
        assert fault in str(caught.value)


@pytest.mark.parametrize("value", ["", None])
def test_gaps_are_refused_where_there_may_be_none(value: object) -> None:
    with pytest.raises(LayerMixError, match=f"in 1, got {value!r}"):
        labels_of(["1", value], str)


@pytest.mark.parametrize(
    ("labels", "classes", "text"),
    [
        ([0, 1, 1], ("ant", "bee"), "3 labelled images in 2 classes"),
        ([0, 2, 2], ("ant", "bee", "cow"), "3 labelled images in 3 classes, no image in bee"),
        ([5], [*"abcdefgh"], "1 labelled image in 8 classes, no image in a, b, c and 4 more"),
        ([3, 0, 2, 1, 0], (), "5 labelled images in 4 classes"),  # without names, those that occur
        ([0, -1, 0], ("ant",), "2 labelled images in 1 class, 1 of 3 images without a label"),
        ([], ("a", "b"), "no images"),
        ([-1, -1], (), "no image of 2 has a label: all are -1"),
        ([-1], ("ant", "bee"), "no image of 1 has a label: all are -1"),
    ],
)
def test_counts_of_labels_in_words(labels: list[int], classes: tuple[str, ...], text: str) -> None:
    assert str(LabelCounts.of(labels, classes)) == text


@pytest.mark.parametrize(
    ("labels", "classes", "before", "text"),
    [
        ([0, 0], ("ant", "bee", "cow"), {0, 1}, "2 labelled images in 2 classes, no image in cow, none written of bee"),
        ([7], (), {7, 3, -1}, "1 labelled image in 1 class, none written of 3"),
        ([-1], ("ant",), {0, -1}, "no image of 1 has a label: all are -1, none written of ant"),
        ([0, -1], [*"abcde"], {0, 1, 2, 3, 4, -1}, "1 labelled image in 1 class, none written of b, c, d and 1 more,"),
        ([], ("ant",), {0}, "no images, none written of ant"),
    ],
)  # fmt: skip
def test_classes_of_which_nothing_is_left(
    labels: list[int], classes: tuple[str, ...], before: set[int], text: str
) -> None:
    assert str(LabelCounts.of(labels, classes, before)).startswith(text)
