"""Options of methods: a frozen class for each method, whose fields say what they mean and which values they take.

The command line, the checks, the plan and the report of a build all read these fields, so an option is described once.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import Field, dataclass, field, fields, replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any, Self

from layermix_gen.errors import LayerMixError
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.support.checks import as_ordered, check_choice, check_number, check_whole, flag

MOST_WEIGHT = 1000
OPEN = (None, ())  # defaults that leave a choice to `MethodOptions.resolve`


@dataclass(frozen=True, slots=True)
class OptionKind:
    """What an option takes: its help, its choices, and a function that checks a value and returns it as it is kept."""

    help: str
    keep: Callable[[str, Any], Any]
    choices: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # that weights are given for, or that are chosen from
    is_switch: bool = False  # on or off
    number: type[int | float] | None = None


def _option(default: Any, kind: OptionKind) -> Any:
    return field(default=default, metadata={"kind": kind})


def number(default: float | None, low: float, high: float, help: str) -> Any:  # noqa: A002 - as click names it
    """A field with a number in [low, high]; with None as the default, the method may be left to choose."""

    def keep(name: str, value: Any) -> float | None:
        if default is None and value is None:
            return None
        check_number(name.replace("_", "-"), value, low, high)
        return float(value)

    return _option(None if default is None else float(default), OptionKind(help, keep, number=float))


def whole(default: int | None, low: int, high: int, help: str) -> Any:  # noqa: A002
    """A field with a whole number in [low, high]; with None as the default, the method may be left to choose."""

    def keep(name: str, value: Any) -> int | None:
        if default is None and value is None:
            return None
        check_whole(name.replace("_", "-"), value, low, high)
        return int(value)

    return _option(default, OptionKind(help, keep, number=int))


def choice(default: str | None, choices: Sequence[str], help: str) -> Any:  # noqa: A002
    """A field with one of several texts; with None as the default, the method may be left to choose."""

    def keep(name: str, value: Any) -> Any:
        check_choice(name.replace("_", " "), value, choices if default else (*choices, None))
        return value

    return _option(default, OptionKind(help, keep, choices=tuple(choices)))


def switch(default: bool | None, help: str) -> Any:  # noqa: A002
    """A field with True or False; with None as the default, the method may be left to choose."""

    def keep(name: str, value: Any) -> Any:
        if type(value) is not bool and (default is not None or value is not None):
            raise LayerMixError(f"{name} must be True or False, got {value!r:.40}; change {flag(name)}")
        return value

    return _option(default, OptionKind(help, keep, is_switch=True))


def operations(help: str) -> Any:  # noqa: A002
    """A field with names of operations, each once; empty where the method is to choose."""
    names = tuple(row.name for row in OPERATIONS.values() if row.paper or row.released)

    def keep(name: str, value: Any) -> tuple[str, ...]:
        ops = as_ordered(name, value)
        for op in ops:
            check_choice(name, op, names)
        if twice := [op for op, times in Counter(ops).items() if times > 1]:
            raise LayerMixError(f"expected each operation once, got {twice[0]!r} again; take it out of {flag(name)}")
        return ops

    return _option((), OptionKind(f"{help} All: {', '.join(names)}.", keep, names=names))


def weights(default: Mapping[str, float], help: str) -> Any:  # noqa: A002
    """A field with a weight in [0, 1000] for each name of `default`, by name or in their order; those left out get 0.

    It is kept as a mapping of the names that have a weight above 0, in the order of `default`; weights of the same
    shares are kept as the same numbers, the least whole ones where these are up to 1000.
    """
    names = tuple(default)

    def keep(name: str, value: Any) -> dict[str, float]:
        given = _by_name(name, value, names)
        for one, weight in given.items():
            check_choice(name, one, names)
            check_number(name, weight, 0, MOST_WEIGHT, what="weights ")
        if not any(given.values()):
            raise LayerMixError(f"{name} must have a weight above 0, got none; change {flag(name)}")
        return _in_lowest_terms({one: float(given[one]) for one in names if given.get(one)})

    return field(default_factory=lambda: dict(default), metadata={"kind": OptionKind(help, keep, names=names)})


def _by_name(name: str, value: Any, names: Sequence[str]) -> dict[Any, Any]:
    """Weights by name, where a whole number stands for its text; in the order of `names` if they are given without."""
    if isinstance(value, Mapping):
        given = {str(one) if type(one) is int else one: weight for one, weight in value.items()}
        if len(given) < len(value):
            raise LayerMixError(f"expected each name of {name} once, got {value!r:.80}; change {flag(name)}")
        return given
    has_order = isinstance(value, Iterable) and not isinstance(value, str | bytes | Set)
    weights = tuple(value) if has_order else ()
    if len(weights) != len(names):
        expected = f"{len(names)} weights, of {', '.join(names)} in this order, or a mapping of these names"
        raise LayerMixError(f"{name} must be {expected}, got {value!r:.80}; change {flag(name)}")
    return dict(zip(names, weights, strict=True))


def _in_lowest_terms(weights: dict[str, float]) -> dict[str, float]:
    """The least whole numbers of the same shares, unless one is above `MOST_WEIGHT`: those of 0.1, 0.2 are 1, 2."""
    parts = [Fraction(str(weight)) for weight in weights.values()]  # of the text: 0.1 is a tenth
    unit = Fraction(gcd(*(part.numerator for part in parts)), lcm(*(part.denominator for part in parts)))
    if max(parts) > MOST_WEIGHT * unit:
        return weights
    return {name: float(part / unit) for name, part in zip(weights, parts, strict=True)}


@dataclass(frozen=True, slots=True)
class MethodOptions:
    """The options of a method, checked when they are made: `LayerMixError` names the option and what it takes."""

    def __init_subclass__(cls) -> None:
        """Add what each option means to the docstring, for `help`."""
        if "__dataclass_fields__" not in vars(cls):  # with slots, a class is made twice
            inherited, own = cls.__dataclass_fields__, vars(cls)
            found = {name: one for name, one in {**inherited, **own}.items() if isinstance(one, Field)}
            lines = [f"- `{name}`: {one.metadata['kind'].help}" for name, one in found.items()]
            cls.__doc__ = "\n".join([cls.__doc__ or cls.__name__, "", *lines])

    def __post_init__(self) -> None:
        for name, kind in self.kinds().items():
            object.__setattr__(self, name, kind.keep(name, getattr(self, name)))

    @classmethod
    def kinds(cls) -> dict[str, OptionKind]:
        """What each option takes, by its name."""
        return {one.name: one.metadata["kind"] for one in fields(cls)}

    def resolve(self, size: int) -> Self:
        """Make every choice that was left open, for views of `size` pixels."""
        return self

    @property
    def most(self) -> tuple[int, int]:
        """How many operations and how many blends a recipe has at most."""
        return 0, 0

    @property
    def color(self) -> bool:
        """Whether pictures are mixed in colour, else in gray."""
        return False

    def chosen(self, size: int) -> dict[str, Any]:
        """The options that are not what views of `size` pixels get by default, by name."""
        values, default = {name: getattr(self, name) for name in self.kinds()}, type(self)()
        return {name: value for name, value in values.items() if value != self._default(default, name, size)}

    def _default(self, default: Self, name: str, size: int) -> Any:
        value = getattr(default, name)
        return getattr(replace(self, **{name: value}).resolve(size), name) if value in OPEN else value


@dataclass(frozen=True, slots=True)
class NoOptions(MethodOptions):
    """The options of a method that has none."""
