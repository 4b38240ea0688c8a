"""Labels that stand as text in tars and tables: whole numbers are labels as they are, names are sorted into classes."""

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"(-1|\d{1,18})(?:\.0*)?", re.ASCII)  # a table that was saved with gaps has "3.0"


def numbered(texts: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """The labels that texts stand for, and the class names, () where all texts are numbers.

    A text is "" for no label (-1), a whole number from -1 on, or a name. If only one is a name, all are: each class
    has the place of its name among the sorted ones.
    """
    stripped = [text.strip() for text in texts]
    numbers = [_NUMBER.fullmatch(text) for text in stripped]
    if all(number or not text for number, text in zip(numbers, stripped, strict=True)):
        return [int(number[1]) if number else -1 for number in numbers], ()
    names = sorted(set(filter(None, stripped)))
    places = {name: place for place, name in enumerate(names)} | {"": -1}
    return [places[text] for text in stripped], tuple(names)
