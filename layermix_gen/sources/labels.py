"""What a label is, wherever it stands: as text or as a number, in which range; and how many there are.

Whole numbers are labels as they are, names are sorted into classes.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from reprlib import repr as shortened
from typing import TypeAlias, TypeVar

from layermix_gen.errors import LayerMixError
from layermix_gen.support.text import count, is_storable

T = TypeVar("T")
Numbered: TypeAlias = tuple[list[int], tuple[str, ...]]

MAX_LABEL = 999_999  # a larger one is some other number by mistake, and would set the number of classes
MAX_UNNAMED = 999_999_999  # in tars, where the labels alone do not set a number of classes
_EMPTY = ("nan", "null", "<na>")  # how a value that is missing is written
_NUMERIC = re.compile(r"[-+]?[.,]?\d[\d., _']*(?:e[-+]?\d+)?", re.ASCII | re.IGNORECASE)  # meant as a number
_NUMBER = re.compile(r"(-1|\d{1,18})(?:\.0*)?", re.ASCII)  # a table that was saved with gaps has "3.0"

_NAMED = 3  # classes that are named


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How many labels images have, as text for people too. Without class names, classes are the labels that occur."""

    images: int
    labels: int  # images that have one
    classes: int  # without those that are lost
    empty: tuple[str, ...] = ()  # names of the classes without an image
    lost: tuple[str, ...] = ()  # names of the classes that had images, of which none is left

    @classmethod
    def of(
        cls, labels: Iterable[int] | Mapping[int, int], classes: Sequence[str], before: Collection[int] = ()
    ) -> "LabelCounts":
        """Count the labels of images, -1 for none, where `classes` names the classes or is empty.

        A mapping has labels that were counted. `before` are the labels that there were before images were left out.
        """
        found = Counter(labels)
        images, unlabelled = found.total(), found.pop(-1, 0)
        gone = sorted(set(before) - found.keys() - {-1})
        empty = tuple(name for label, name in enumerate(classes) if label not in found and label not in gone)
        lost = tuple(classes[label] if label < len(classes) else str(label) for label in gone)
        number = max(len(classes) - len(gone), len(found))
        return cls(images, images - unlabelled, number, empty, lost)

    def __str__(self) -> str:
        lost = f", none written of {few(self.lost)}" if self.lost else ""
        if not self.images:
            return f"no images{lost}"
        if not self.labels:
            return f"no image of {self.images} has a label: all are -1{lost}"
        text = f"{count(self.labels, 'labelled image')} in {_classes(self.classes)}"
        if self.empty:
            text += f", no image in {few(self.empty)}"
        without = self.images - self.labels
        return text + lost + (f", {without} of {self.images} images without a label" if without else "")


def few(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _classes(number: int) -> str:
    return f"{number} class{'es' * (number != 1)}"


def is_numeric(text: str) -> bool:
    """Whether a text is meant as a number, if not a valid one: "1", "-1.5", "1,234"."""
    return bool(_NUMERIC.fullmatch(text))


def is_empty(text: str) -> bool:
    """Whether a text says that there is no value: "", "nan", "null"."""
    return not text or text.casefold() in _EMPTY


def number_in(text: str) -> int | None:
    """The whole number from -1 on that a text is: "3", "3.0", "-1"; None if it is none."""
    number = _NUMBER.fullmatch(text)
    return int(number[1]) if number else None


def numbered(names: Sequence[str]) -> Numbered:
    """The labels of names, and the class names: each class has the place of its name among the sorted ones."""
    classes = sorted(set(names))
    places = {name: place for place, name in enumerate(classes)}
    return [places[name] for name in names], tuple(classes)


def labels_of(values: Sequence[object], where: Callable[[int], str], *, gaps: bool = False) -> Numbered:
    """The labels that values stand for, and the class names, () where all values are numbers.

    The names are sorted. With `gaps`, None and "" mean no label, -1. Raises `LayerMixError` for a value that is no
    label, and for numbers among names; `where(n)` tells for the message where value n stands.
    """
    texts: dict[int, str] = {}
    for place, value in enumerate(values):
        if gaps and value in (None, ""):
            continue
        if (text := text_of(value)) is None:
            raise wrong_label(value, where(place))
        texts[place] = text
    labels, classes = labels_by_text({text: place for place, text in reversed(texts.items())}, where)
    return [labels[texts[place]] if place in texts else -1 for place in range(len(values))], classes


def labels_by_text(first: Mapping[str, T], where: Callable[[T], str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """The labels that the texts of values stand for, and the class names, as `labels_of` has them.

    `first` tells where each text stands first, for messages. Where all values are too many to be kept, their texts are
    not: see `text_of`.
    """
    labels: dict[str, int] = {}
    for text in filter(is_numeric, first):
        number = number_in(text)
        if number is None or number > MAX_LABEL:
            raise wrong_label(text, where(first[text]))
        labels[text] = number
    names = [text for text in first if text not in labels]
    if spoilt := next((name for name in names if not is_storable(name)), None):
        raise wrong_label(spoilt, where(first[spoilt]))
    if labels and names:
        one, other = next(iter(labels)), names[0]
        raise LayerMixError(
            f"expected either numbers or names as labels, got {shortened(one)} in {where(first[one])} and "
            f"{shortened(other)} in {where(first[other])}; write all in one way"
        )
    classes = tuple(sorted(names))
    labels |= {name: place for place, name in enumerate(classes)}
    return labels, classes


def text_of(value: object) -> str | None:
    """A value as text, without spaces around it; None for one that is no label."""
    text = str(value).strip()
    is_infinite = isinstance(value, float) and math.isinf(value)
    return None if not isinstance(value, str | int | float | Decimal) or is_empty(text) or is_infinite else text


def wrong_label(value: object, where: str) -> LayerMixError:
    """The error for a value that is no label."""
    return LayerMixError(
        f"expected a name or an integer in [-1, {MAX_LABEL}] as label in {where}, got {shortened(value)}; "
        "mend the table (-1 means none)"
    )
