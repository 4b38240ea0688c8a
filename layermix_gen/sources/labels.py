"""Labels: those that stand as text, and how many there are.

Whole numbers are labels as they are, names are sorted into classes.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from layermix_gen.support.text import count

_NUMBER = re.compile(r"(-1|\d{1,18})(?:\.0*)?", re.ASCII)  # a table that was saved with gaps has "3.0"

_NAMED = 3  # classes without an image that are named


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How many labels images have, as text for people too. Without class names, classes are the labels that occur."""

    images: int
    labels: int  # images that have one
    classes: int
    empty: tuple[str, ...] = ()  # names of the classes without an image

    @classmethod
    def of(cls, labels: Iterable[int], classes: Sequence[str]) -> "LabelCounts":
        """Count the labels of images, -1 for none, where `classes` names the classes or is empty."""
        found = Counter(labels)
        images, unlabelled = found.total(), found.pop(-1, 0)
        empty = tuple(name for label, name in enumerate(classes) if label not in found)
        return cls(images, images - unlabelled, max(len(classes), len(found)), empty)

    def __str__(self) -> str:
        if not self.labels:
            return f"no image of {self.images} has a label: all are -1"
        text = f"{count(self.labels, 'label')} in {_classes(self.classes)}"
        if self.empty:
            more = f" and {len(self.empty) - _NAMED} more" if len(self.empty) > _NAMED else ""
            text += f", no image in {', '.join(self.empty[:_NAMED])}{more}"
        without = self.images - self.labels
        return text + (f", {without} of {self.images} images without a label" if without else "")


def _classes(number: int) -> str:
    return f"{number} class{'es' * (number != 1)}"


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
