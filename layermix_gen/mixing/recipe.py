"""The recipe language: how a variant is made from its image, as one line of text that can be stored and rendered.

    rotate(multiply(rotate(image, -3.1), picture, 0.83, 0.21), 4.2)

A call takes expressions first and numbers after them; the leaves are `image` (the view of the training image) and
`picture` (a crop of a picture of the mixing set). Only the operations and blends in the tables of `operations` and
`blends` can be called: text is parsed against them and never evaluated, so a recipe from an untrusted file is safe to
parse and to render.
"""

import re
from typing import NamedTuple, TypeAlias

from layermix_gen.errors import LayerMixError
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.operations import OPERATIONS, Parameter

LEAVES = ("image", "picture")
MAX_DEPTH = 32  # far more than any method nests; keeps hostile text from exhausting the stack


class Leaf(NamedTuple):
    """An input of the recipe, by name."""

    name: str

    def __str__(self) -> str:
        return self.name


class Call(NamedTuple):
    """An operation or a blend, applied to expressions, with its numbers."""

    name: str
    operands: tuple["Expression", ...]
    arguments: tuple[float, ...] = ()

    def __str__(self) -> str:
        inside = [str(operand) for operand in self.operands] + [repr(number) for number in self.arguments]
        return f"{self.name}({', '.join(inside)})"


Expression: TypeAlias = Leaf | Call
IMAGE, PICTURE = Leaf("image"), Leaf("picture")


SIGNATURES: dict[str, tuple[int, tuple[Parameter, ...]]] = {
    **{row.name: (1, row.parameters) for row in OPERATIONS.values() if not row.renders_as},
    **{row.name: (2, row.parameters) for row in BLENDS.values()},
}
"""Every call of the language: how many expressions it takes, then which numbers."""


def parse(text: str) -> Expression:
    """Parse the text of a recipe. `str(parse(text)) == text` for the text of every recipe that a method draws.

    Raises `LayerMixError`, naming the first place where the text is not a recipe.
    """
    parser = _Parser(text)
    expression = parser.expression(0)
    if parser.kind != "end":
        raise parser.error("the end of the recipe")
    return expression


_TOKEN = re.compile(
    r"\s*(?:(?P<name>[a-z_]+)|(?P<number>[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)|(?P<sign>[(),])|(?P<end>$))", re.ASCII
)


class _Parser:
    """A recursive descent parser of one text; `kind` and `token` are the next token, `start` is where it begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 0
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.end)
        if match is None:
            raise self.error("a name, a number, a bracket or a comma", self.end)
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
        kind = "a whole number" if parameter.whole else "a number"
        expected = f"{kind} in [{parameter.low:g}, {parameter.high:g}] as {parameter.name}"
        if self.kind != "number":
            raise self.error(expected)
        value = float(self.token)
        if not parameter.low <= value <= parameter.high or (parameter.whole and value != int(value)):
            raise self.error(expected)
        self.advance()
        return int(value) if parameter.whole else value
