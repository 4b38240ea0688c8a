"""Types of command line parameters that click does not have."""

from typing import Any

import click


class Partition(click.ParamType[tuple[int, int]]):
    """`i/n`."""

    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        index, _, count = str(value).partition("/")
        if not (index.isdecimal() and count.isdecimal()):
            self.fail(f"expected i/n, as in 0/8, got {value!r}", param, ctx)
        return int(index), int(count)


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "a,b,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(","))
        if "" in names:
            self.fail(f"expected names with commas between them, got {value!r}", param, ctx)
        return names


class Share(click.ParamType[float]):
    """A number in [0, 1], or `all`."""

    name = "share|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return 1.0 if value == "all" else float(value)
        except ValueError:
            self.fail(f"expected a share such as 0.01, or all, got {value!r}", param, ctx)
