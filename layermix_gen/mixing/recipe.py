"""The recipe language: how a variant is made from its image, as one line of text that can be stored and rendered.

    rotate(multiply(rotate(image, -3.1), picture, 0.83, 0.21), 4.2)

A call takes expressions first and numbers after them; the leaves are `image` (the view of the training image),
`picture` (a crop of a picture of the mixing set) and `other` (the view of a second training image). Only the operations
and blends in the tables of `operations` and `blends` can be called: text is parsed against them and never evaluated, so
a recipe from an untrusted file is safe to parse and to render.
"""

import re
from typing import Any, NamedTuple, TypeAlias

from layermix_gen.errors import LayerMixError
from layermix_gen.kernels.programs import LEAVES
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.operations import OPERATIONS, Parameter
from layermix_gen.support.notebooks import panels, trees

MAX_DEPTH = 32  # far more than any method nests; keeps hostile text from exhausting the stack
MAX_CALLS = 1000  # far more than any method makes; keeps hostile text from hours of rendering, and from filling memory


class Leaf(NamedTuple):
    """An input of the recipe, by name."""

    name: str

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return _as_code(self)

    def _repr_html_(self) -> str:
        return as_html(self)


class Call(NamedTuple):
    """An operation or a blend, applied to expressions, with its numbers."""

    name: str
    operands: tuple["Expression", ...]
    arguments: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join([*map(str, self.operands), *map(repr, self.arguments)])})"

    def __repr__(self) -> str:
        return _as_code(self)

    def _repr_html_(self) -> str:
        return as_html(self)


Expression: TypeAlias = Leaf | Call
IMAGE, PICTURE, OTHER = map(Leaf, LEAVES)


SIGNATURES: dict[str, tuple[int, tuple[Parameter, ...]]] = {
    **{row.name: (1, row.parameters) for row in OPERATIONS.values() if not row.renders_as},
    **{row.name: (2, row.parameters) for row in BLENDS.values()},
}
"""Every call of the language: how many expressions it takes, then which numbers."""


def _as_code(expression: Expression) -> str:
    """A call that returns an equal expression; as of any tuple, where it is none that could be rendered."""
    try:
        _check(expression, 0)
    except LayerMixError:
        return tuple.__repr__(expression)
    return f"parse({str(expression)!r})"


def as_html(expression: Expression, title: str = "Recipe") -> str:
    """A recipe for notebooks: its tree, and its text below."""

    def operands(part: Expression) -> tuple[Expression, ...]:
        return part.operands if isinstance(part, Call) else ()

    def texts(part: Expression) -> list[str]:
        numbers = ", ".join(map(repr, part.arguments)) if isinstance(part, Call) else ""
        return [part.name, *filter(None, [numbers])]

    return panels.panel(title, trees.tree(expression, operands, texts), panels.lines(str(expression)))


def parse(text: str) -> Expression:
    """Parse the text of a recipe. `str(parse(text)) == text` for the text of every recipe that a method draws.

    Raises `LayerMixError`, naming the first place where the text is not a recipe.
    """
    if not isinstance(text, str):
        raise LayerMixError(f"expected the text of a recipe, got {text!r:.60}")
    parser = _Parser(text)
    expression = parser.expression(0)
    if parser.kind != "end":
        raise parser.error("the end of the recipe")
    return expression


def as_expression(recipe: Any) -> Expression:
    """Return a recipe as an expression: text is parsed, and an expression that was made otherwise is checked alike.

    Raises `LayerMixError`, as `parse` does.
    """
    if isinstance(recipe, str):
        return parse(recipe)
    _check(recipe, 0)
    expression: Expression = recipe
    return expression


_NUMBER = int | float


def _check(recipe: Any, depth: int) -> int:
    """Check an expression, nested in `depth` calls, and return how many calls it has."""
    if isinstance(recipe, Leaf) and recipe in (IMAGE, PICTURE, OTHER):
        return 0
    if not isinstance(recipe, Call) or not isinstance(recipe.name, str) or recipe.name not in SIGNATURES:
        found = recipe.name if isinstance(recipe, Leaf | Call) else recipe
        raise LayerMixError(f"expected one of {', '.join((*LEAVES, *SIGNATURES))} in a recipe, found {found!r:.60}")
    if depth == MAX_DEPTH:
        raise LayerMixError(f"expected at most {MAX_DEPTH} nested calls in a recipe, found more")
    operands, parameters = SIGNATURES[recipe.name]
    if not isinstance(recipe.operands, tuple) or not isinstance(recipe.arguments, tuple):
        found = f"{type(recipe.operands).__name__} and {type(recipe.arguments).__name__}"
        raise LayerMixError(f"expected tuples of expressions and numbers for {recipe.name}, found {found}")
    if (len(recipe.operands), len(recipe.arguments)) != (operands, len(parameters)):
        raise LayerMixError(
            f"expected {operands} expressions and {len(parameters)} numbers for {recipe.name}, "
            f"found {len(recipe.operands)} and {len(recipe.arguments)}"
        )
    for parameter, value in zip(parameters, recipe.arguments, strict=True):
        if not isinstance(value, _NUMBER) or not _fits(value, parameter):
            raise LayerMixError(f"expected {_form(parameter)} of {recipe.name}, found {value!r:.60}")
    calls = 1 + sum(_check(operand, depth + 1) for operand in recipe.operands)
    if calls > MAX_CALLS:
        raise LayerMixError(f"expected at most {MAX_CALLS} calls in a recipe, found more")
    return calls


def _fits(value: float, parameter: Parameter) -> bool:
    return parameter.low <= value <= parameter.high and (not parameter.whole or value == int(value))


def _form(parameter: Parameter) -> str:
    kind = "a whole number" if parameter.whole else "a number"
    return f"{kind} in [{parameter.low:g}, {parameter.high:g}] as {parameter.name}"


_TOKEN = re.compile(
    r"\s*(?:(?P<name>[a-z_]+)|(?P<number>[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)|(?P<sign>[(),])|(?P<end>$))", re.ASCII
)


class _Parser:
    """A recursive descent parser of one text; `kind` and `token` are the next token, `start` is where it begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 0
        self.calls = 0
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.end)
        if match is None:
            raise self.error("a name in lower case, a number, a bracket or a comma", self.end)
        self.kind = str(match.lastgroup)
        self.token = match[self.kind]
        self.start, self.end = match.start(self.kind), match.end()

    def error(self, expected: str, at: int | None = None) -> LayerMixError:
        at = self.start if at is None else at
        found = repr(self.text[at : at + 20]) if at < len(self.text) else "the end"
        return LayerMixError(f"expected {expected} at character {at + 1} of the recipe, found {found}")

    def expect(self, token: str) -> None:
        if self.kind == "end" or self.token != token:
            raise self.error(repr(token))
        self.advance()

    def expression(self, depth: int) -> Expression:
        name = self.token
        if name in LEAVES:
            self.advance()
            return Leaf(name)
        if name not in SIGNATURES:
            raise self.error(f"one of {', '.join((*LEAVES, *SIGNATURES))}")
        if depth == MAX_DEPTH:
            raise self.error(f"at most {MAX_DEPTH} nested calls")
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise self.error(f"at most {MAX_CALLS} calls")
        return self.call(name, depth)

    def call(self, name: str, depth: int) -> Call:
        operands, parameters = SIGNATURES[name]
        self.advance()
        self.expect("(")
        expressions = [self.expression(depth + 1)]
        for _ in range(operands - 1):
            self.expect(",")
            expressions.append(self.expression(depth + 1))
        numbers = []
        for parameter in parameters:
            self.expect(",")
            numbers.append(self.number(parameter))
        self.expect(")")
        return Call(name, tuple(expressions), tuple(numbers))

    def number(self, parameter: Parameter) -> float:
        if self.kind != "number" or not _fits(float(self.token), parameter):
            raise self.error(_form(parameter))
        value = float(self.token)
        self.advance()
        return int(value) if parameter.whole else value
