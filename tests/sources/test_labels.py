"""Labels that stand as text."""

import pytest

from layermix_gen.sources.labels import numbered


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
