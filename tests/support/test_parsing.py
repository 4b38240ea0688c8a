"""JSON is parsed strictly, and made into dataclasses whose fields have the types of their annotations."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.support.parsing import made_of, parse_json, parse_object


class Pair(TypedDict):
    """Two numbers."""

    first: int
    second: int


@dataclass(frozen=True)
class Inner:
    """A value with a check of its own."""

    side: int

    def __post_init__(self) -> None:
        if self.side < 1:
            raise LayerMixError(f"side must be positive, got {self.side}; change --side")


@dataclass(frozen=True)
class Outer:
    """A field of each type."""

    root: Path
    name: str
    size: int
    share: float
    flag: bool
    scale: Literal["small", "large"]
    sizes: tuple[int, ...]
    pairs: dict[str, Pair]
    inner: Inner | None
    mixed: str | int | float = ""
    more: dict[str, str] = field(default_factory=dict)


GOOD: dict[str, Any] = {
    "name": "é",
    "size": 2**63 - 1,
    "share": 1,
    "flag": False,
    "scale": "small",
    "sizes": [1, 2],
    "pairs": {"a": {"first": 1, "second": 2}},
    "inner": {"side": 3},
}


def test_a_dataclass_is_made(tmp_path: Path) -> None:
    made = made_of(Outer, GOOD, root=tmp_path)
    assert made == Outer(tmp_path, "é", 2**63 - 1, 1.0, False, "small", (1, 2), GOOD["pairs"], Inner(3))
    assert type(made.share) is float
    assert made_of(Outer, GOOD | {"inner": None, "mixed": 0.5}, root=tmp_path).mixed == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, "expected a text as name, found 1"),
        ({"name": "\ud800"}, r"expected a text in Unicode without zero bytes as name, found '\ud800'"),
        ({"name": "a\0"}, r"expected a text in Unicode without zero bytes as name, found 'a\x00'"),
        ({"size": True}, "expected a whole number of 64 bits as size, found True"),
        ({"size": 1.0}, "expected a whole number of 64 bits as size, found 1.0"),
        ({"size": 2**63}, "expected a whole number of 64 bits as size, found 9223372036854775808"),
        ({"share": float("inf")}, "expected a finite number as share, found inf"),
        ({"share": 10**400}, "expected a finite number as share, found 10000"),
        ({"share": False}, "expected a finite number as share, found False"),
        ({"flag": 0}, "expected true or false as flag, found 0"),
        ({"scale": ["small"]}, "expected one of small, large as scale, found ['small']"),
        ({"sizes": "12"}, "expected a list as sizes, found '12'"),
        ({"sizes": [1, None]}, "expected a whole number of 64 bits as sizes[1], found None"),
        ({"pairs": []}, "expected an object as pairs, found []"),
        ({"pairs": {"a": {"first": 1}}}, "no field 'pairs.a.second'"),
        ({"pairs": {"a": {"first": 1, "second": "2"}}}, "expected a whole number of 64 bits as pairs.a.second, found"),
        ({"pairs": {"\ud800": {}}}, "expected a text in Unicode without zero bytes as pairs, found"),
        ({"inner": {"side": 0}}, "side must be positive, got 0"),
        ({"inner": {}}, "no field 'inner.side'"),
        ({"inner": 3}, "expected an object as inner, found 3"),
        ({"mixed": None}, "expected a finite number as mixed, found None"),
        ({"root": "/"}, "a field too many, 'root'"),
        ({"other": 1}, "a field too many, 'other'"),
    ],
)
def test_other_types_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        made_of(Outer, GOOD | change, root=Path())


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ValueError, match=r"^no field 'name'$"):
        made_of(Outer, {key: value for key, value in GOOD.items() if key != "name"}, root=Path())
    with pytest.raises(ValueError, match=r"^expected an object as its content, found \[\]$"):
        made_of(Inner, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("{} x", "Extra data"),
        ("NaN", "NaN is no number of JSON"),
        ("[-Infinity]", "-Infinity is no number of JSON"),
        ("[" * 200_000, "nested too deeply"),
        ("9" * 5000, "Exceeds the limit"),
        (b"\xff", "'utf-8' codec can't decode"),
    ],
)
def test_what_is_no_json_is_a_value_error(text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)


@pytest.mark.parametrize("value", [None, [], 1, "x"])
def test_an_object_is_expected(value: Any) -> None:
    with pytest.raises(ValueError, match="expected an object, found"):
        parse_object(json.dumps(value))
