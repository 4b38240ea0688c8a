"""The options of a method on the command line: each method has its own, as its class of options describes them."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import click

from layermix_gen.commands.explained import ExplainedCommand, GroupedOption, write_options
from layermix_gen.commands.parameters import Names, Weights
from layermix_gen.dataset.settings import DEFAULTS
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.methods.option_fields import OPEN, OptionKind
from layermix_gen.support.checks import flag
from layermix_gen.support.text import shown

_METHOD = "--method"


class MethodCommand(ExplainedCommand):
    """A command with `--method`: it also has the options of the method that its arguments name.

    The function gets those that were given by name, as one `options`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = _named(args)
        method = ctx.meta[_METHOD] = named if named in METHODS else DEFAULTS.method
        if named not in METHODS:  # no help hides that it is refused
            args = [arg for arg in args if arg not in ctx.help_option_names]
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if not (others := [name for name in METHODS if _takes(name, error.option_name)]):
                raise
            found = f"{error.option_name} is an option of {' and '.join(others)}, not of {method}"
            raise click.UsageError(f"{found}; leave it out, or give {_METHOD} {others[0]}", ctx) from error
        given = {name: ctx.params.pop(name) for name in METHODS[method].options.kinds()}
        ctx.params["options"] = {name: value for name, value in given.items() if value is not None}
        return rest

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        *params, help_option = super().get_params(ctx)
        return [*params, help_option, *_options(_method_of(ctx))]


def help_of(method: str, ctx: click.Context) -> str:
    """The options of a method as the help of a command shows them; "" where it has none."""
    formatter = ctx.make_formatter()
    write_options(_title(method), _options(method), ctx, formatter)
    return formatter.getvalue().strip()


def _title(method: str) -> str:
    return f"Options of {_METHOD} {method}"


def _method_of(ctx: click.Context) -> str:
    method: str = ctx.meta.get(_METHOD, DEFAULTS.method)
    return method


def _named(args: Sequence[str]) -> str:
    """What arguments name last as the method, which may be none that there is; the default where they name none."""
    words = [word for arg in args for word in ([*arg.split("=", 1)] if arg.startswith(f"{_METHOD}=") else [arg])]
    named = [name for option, name in pairwise(words) if option == _METHOD]
    return named[-1] if named else DEFAULTS.method


def _takes(method: str, option: str) -> bool:
    return any(option in (*one.opts, *one.secondary_opts) for one in _options(method))


@cache
def _options(method: str) -> tuple[click.Option, ...]:
    """The options of a method as parameters, without defaults: only those that are given are passed on."""
    options = METHODS[method].options
    kinds = options.kinds().items()
    return tuple(_option(name, kind, getattr(options(), name), _title(method)) for name, kind in kinds)


def _option(name: str, kind: OptionKind, default: Any, group: str) -> click.Option:
    told = "" if default in OPEN or kind.is_switch else f"  [default: {shown(default)}]"
    named = f"{flag(name)}/--no-{flag(name)[2:]}" if kind.is_switch else flag(name)
    kinds = {"default": None} if kind.is_switch else {"type": _type(kind, default)}
    return GroupedOption([named], group=group, help=kind.help + told, show_default=False, **kinds)


def _type(kind: OptionKind, default: Any) -> Any:
    if kind.choices:
        return click.Choice(kind.choices)
    if kind.names:
        return Weights(kind.names) if default else Names()
    return kind.number
