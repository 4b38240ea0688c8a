"""Groups of commands that are imported only when they are used, so that `--help` is fast."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from layermix_gen.support.interrupts import quiet_interrupts


class LazyGroup(click.Group):
    """A group of commands: each module of `package` defines one as `command`; `helps` has a line of help for each."""

    def __init__(self, *arguments: Any, package: str, helps: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._package, self._helps = package, helps

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._helps)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._helps:
            return None
        with quiet_interrupts():
            command: click.Command = import_module(f"{self._package}.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._helps.items()))
