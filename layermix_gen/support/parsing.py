"""JSON from files that anyone may have written, parsed strictly and made into dataclasses; and JSON of dataclasses."""

import json
import math
import os
import reprlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from layermix_gen.errors import LayerMixError
from layermix_gen.support.text import as_text, is_storable

T = TypeVar("T")
NAMES = {bool: "true or false", int: "a whole number of 64 bits", float: "a finite number", str: "a text"}


def parse_json(text: str | bytes, *, unique: bool = False) -> Any:
    """Parse JSON. Raises ValueError for anything else, among that NaN, infinities and nesting too deep for Python."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=object_of if unique else None)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parse_object(text: str | bytes, *, unique: bool = False) -> dict[str, Any]:
    """Parse a JSON object. Raises ValueError for anything else, as `parse_json` does.

    With `unique`, also where a name stands twice in an object: JSON leaves open which one counts.
    """
    value = parse_json(text, unique=unique)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {reprlib.repr(value)}")
    return value


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON by its names and values. Raises ValueError where a name stands twice."""
    value = dict(pairs)
    if len(value) < len(pairs):
        name = next(name for name, number in Counter(name for name, _ in pairs).items() if number > 1)
        raise ValueError(f"the name {reprlib.repr(name)} stands twice in an object")
    return value


def made_of(kind: type[T], value: Any, **given: Any) -> T:
    """Make the dataclass `kind` of parsed JSON; the fields in `given` are the caller's.

    Each value must have the type that its field is annotated with: bool, int, float, str, Literal, a union, `tuple[X,
    ...]`, `dict[str, X]`, a dataclass or a TypedDict. Only fields with a default may be missing, and none may be added.
    Raises ValueError with the path of the field.
    """
    made: T = _dataclass(kind, value, "", given)
    return made


def jsonable(value: Any) -> Any:
    """The value with an object for each dataclass, a list for each tuple, a text for each path, and None for infinity.

    JSON has texts as names alone, so the names of a mapping become texts.
    """
    if is_dataclass(value):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): jsonable(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [jsonable(one) for one in value]
    if isinstance(value, os.PathLike):
        return as_text(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _dataclass(kind: Any, value: Any, place: str, given: Mapping[str, Any]) -> Any:
    needed = {one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING}
    values = _members(_hints(kind), needed, value, place, given)
    try:
        return kind(**values)
    except LayerMixError as error:  # its remedy, after the semicolon, speaks of arguments
        raise ValueError(str(error).partition(";")[0]) from error


def _members(
    hints: Mapping[str, Any], needed: set[str], value: Any, place: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of an object, each as its hint says."""
    if type(value) is not dict:
        _refuse("an object", value, place)
    if wrong := sorted((needed - value.keys() - given.keys()) | (value.keys() - (hints.keys() - given.keys()))):
        what = "no field" if wrong[0] not in value else "a field too many,"
        raise ValueError(f"{what} {reprlib.repr(_path(place, wrong[0]))}")
    for name in value:
        _check_text(name, place)
    return {name: _typed(hints[name], one, _path(place, name)) for name, one in value.items()} | dict(given)


def _typed(kind: Any, value: Any, place: str) -> Any:
    """A value, checked to be of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return _one_of(inner, value, place)
    if origin is tuple:
        if type(value) is not list:
            _refuse("a list", value, place)
        return tuple(_typed(inner[0], one, f"{place}[{i}]") for i, one in enumerate(value))
    if origin is dict:
        return _members(dict.fromkeys(value, inner[1]) if type(value) is dict else {}, set(), value, place, {})
    if origin is Literal:
        return value if value in inner else _refuse(f"one of {', '.join(inner)}", value, place)
    if is_typeddict(kind):
        return _members(_hints(kind), set(kind.__required_keys__), value, place, {})
    if is_dataclass(kind):
        return _dataclass(kind, value, place, {})
    return _scalar(kind, value, place)


def _one_of(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    """A value of one of several types."""
    if value is None and NoneType in kinds:
        return None
    *others, last = (one for one in kinds if one is not NoneType)
    for one in others:
        with suppress(ValueError):
            return _typed(one, value, place)
    return _typed(last, value, place)


def _scalar(kind: Any, value: Any, place: str) -> Any:
    if type(value) is int and kind in (int, float) and -(2**63) <= value < 2**63:
        return kind(value)
    if type(value) is not kind or kind is int or (kind is float and not math.isfinite(value)):
        _refuse(NAMES[kind], value, place)
    if kind is str:
        _check_text(value, place)
    return value


def _check_text(text: str, place: str) -> None:
    """Raise ValueError for a text that UTF-8 cannot hold, or with a zero byte, which no name of a file may have."""
    if not is_storable(text):
        _refuse("a text in Unicode without zero bytes", text, place)


def _path(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _refuse(expected: str, value: Any, place: str) -> NoReturn:
    raise ValueError(f"expected {expected} as {place or 'its content'}, found {reprlib.repr(value)}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
