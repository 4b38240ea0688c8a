"""Labels that stand as text."""

import pytest

from layermix_gen.sources.labels import LabelCounts, numbered


@pytest.mark.parametrize(
    ("texts", "labels", "names"),
    [
        (["3", "0", "-1"], [3, 0, -1], ()),
        (["3.0", "", " 1 "], [3, -1, 1], ()),
        (["dog", "cat", "dog", ""], [1, 0, 1, -1], ("cat", "dog")),
        (["10", "9", "b"], [0, 1, 2], ("10", "9", "b")),  # sorted as text, as class folders are
        (["1.5", "2"], [0, 1], ("1.5", "2")),
        (["²"], [0], ("²",)),  # a digit of Unicode is no number
        (["", ""], [-1, -1], ()),
        ([], [], ()),
    ],
)
def test_numbers_stay_and_names_are_sorted(texts: list[str], labels: list[int], names: tuple[str, ...]) -> None:
    assert numbered(texts) == (labels, names)


@pytest.mark.parametrize(
    ("labels", "classes", "text"),
    [
        ([0, 1, 1], ("ant", "bee"), "3 labels in 2 classes"),
        ([0, 2, 2], ("ant", "bee", "cow"), "3 labels in 3 classes, no image in bee"),
        ([5], [*"abcdefgh"], "1 label in 8 classes, no image in a, b, c and 4 more"),
        ([3, 0, 2, 1, 0], (), "5 labels in 4 classes"),  # without names, those that occur
        ([0, -1, 0], ("ant",), "2 labels in 1 class, 1 of 3 images without a label"),
        ([-1, -1], (), "no image of 2 has a label: all are -1"),
        ([-1], ("ant", "bee"), "no image of 1 has a label: all are -1"),
    ],
)
def test_counts_of_labels_in_words(labels: list[int], classes: tuple[str, ...], text: str) -> None:
    assert str(LabelCounts.of(labels, classes)) == text
