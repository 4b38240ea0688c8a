"""The columns of a table by the names that they usually have, and its labels as numbers."""

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from reprlib import repr as shortened
from typing import TypeAlias

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import MAX_LABEL
from layermix_gen.sources.labels import numbered

Numbered: TypeAlias = tuple[list[int], tuple[str, ...]]

PATHS = ("path", "file_path", "file", "file_name", "image", "image_path", "img", "img_path")
LABELS = ("label", "label_id", "class", "target", "category", "fine_label")
CLASS_NAMES = ("class_name",)
_EMPTY = ("", "nan", "null", "<na>")  # how tables write that a cell has no value
_NUMERIC = re.compile(r"[-+]?[.,]?\d[\d., _']*(?:e[-+]?\d+)?", re.ASCII | re.IGNORECASE)  # meant as a number


def has_column(columns: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether a column has one of the `wanted` names, without regard to case, spaces, "_" and "-"."""
    return not set(map(_key, wanted)).isdisjoint(map(_key, columns))


def find_column(columns: Sequence[str], wanted: Sequence[str], place: str) -> int | None:
    """The number of the column that `has_column` means, from 0; None if there is none.

    Raises `LayerMixError` if there are two. `place` is the table, for the message.
    """
    found = [number for number, name in enumerate(columns) if has_column([name], wanted)]
    if len(found) > 1:
        names = " and ".join(shortened(columns[number]) for number in found)
        raise LayerMixError(f"expected one column {wanted[0]} in {place}, found {names}; rename or remove all but one")
    return found[0] if found else None


def _key(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def is_numeric(text: str) -> bool:
    """Whether a text is meant as a number, if not a valid one: "1", "-1.5", "1,234"."""
    return bool(_NUMERIC.fullmatch(text))


def labels_of(values: Sequence[object], where: Callable[[int], str]) -> Numbered:
    """The labels that the cells of a column stand for, and the class names, () where all cells are numbers.

    The names are sorted. Raises `LayerMixError` for a cell that is no label, and for numbers among names; `where(n)`
    tells for the message which row cell n is in.
    """
    texts = [_text(value, where, number) for number, value in enumerate(values)]
    first = {text: number for number, text in reversed(list(enumerate(texts)))}
    numbers = [text for text in first if is_numeric(text)]
    names = [text for text in first if not is_numeric(text)]
    for text in numbers:
        (label,), is_name = numbered([text])
        if is_name or label > MAX_LABEL:
            raise _wrong(text, where(first[text]))
    if numbers and names:
        one, other = numbers[0], names[0]
        raise LayerMixError(
            f"expected either numbers or names as labels, got {shortened(one)} in {where(first[one])} and "
            f"{shortened(other)} in {where(first[other])}; write all in one way"
        )
    return numbered(texts)


def _text(value: object, where: Callable[[int], str], number: int) -> str:
    text = str(value).strip()
    if not isinstance(value, str | int | float | Decimal) or text.casefold() in _EMPTY:
        raise _wrong(value, where(number))
    return text


def _wrong(value: object, where: str) -> LayerMixError:
    return LayerMixError(
        f"expected a name or an integer in [-1, {MAX_LABEL}] as label in {where}, got {shortened(value)}; "
        "mend the table (-1 means none)"
    )
