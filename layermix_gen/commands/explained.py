"""Commands whose help has its options in groups, by what they are about, and examples at the end."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import click

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
_OTHERS = "Options"  # the group of an option that names none


class GroupedOption(click.Option):
    """An option that belongs to a group in the help of its command."""

    def __init__(self, *arguments: Any, group: str = _OTHERS, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.group = group


def options_of(group: str) -> Callable[..., Decorator]:
    """`click.option` for the options of a group."""
    return partial(click.option, cls=GroupedOption, group=group)


RUNNING = "How it runs"
how_it_runs = options_of(RUNNING)


class ExplainedCommand(click.Command):
    """A command with `examples`: command lines, each with a sentence that says what it does."""

    def __init__(self, *arguments: Any, examples: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[click.Option]] = {}
        for option in self.get_params(ctx):
            if isinstance(option, click.Option):
                is_help = set(option.opts) >= set(ctx.help_option_names)
                group = next(reversed(groups), _OTHERS) if is_help else getattr(option, "group", _OTHERS)
                groups.setdefault(group, []).append(option)
        for group, options in groups.items():
            write_options(group, options, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            formatter.write("\n".join(f"  # {sentence}\n  {line}\n" for line, sentence in self.examples.items()))

    def arguments_of(self, line: str) -> list[str]:
        """The arguments of an example: what follows the names of the program and of this command."""
        words = shlex.split(line)
        return words[words.index(self.name or "") + 1 :]


def write_options(
    title: str, options: Sequence[click.Option], ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write a section of a help, unless it is empty."""
    if records := [record for option in options if (record := option.get_help_record(ctx))]:
        with formatter.section(title):
            formatter.write_dl(records)
