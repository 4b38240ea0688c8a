"""Write the pages that are made from the code: `python docs/generate.py [FOLDER]`. A test holds them to it."""

import sys
from pathlib import Path

import click

from layermix_gen.cli import main
from layermix_gen.commands.options.method_options import MethodCommand, help_of
from layermix_gen.dataset.settings import DEFAULTS
from layermix_gen.mixing.methods import METHODS

HEAD = r"""# The command line

Made from the code by `make docs`. In Python, `build` and `estimate` take the same names; see [building](build.md).

A shell completes commands and options by Tab after one line, for instance in its start-up file (`~/.bashrc`):

| shell | line |
|---|---|
| bash | `eval "$(_LAYERMIX_GEN_COMPLETE=bash_source layermix-gen)"` |
| zsh | `eval "$(_LAYERMIX_GEN_COMPLETE=zsh_source layermix-gen)"` |
| fish | `_LAYERMIX_GEN_COMPLETE=fish_source layermix-gen \| source` |
"""


def command_line() -> str:
    """The help of every command as Markdown."""
    return HEAD + "".join(_sections(main, "layermix-gen", None))


def _sections(command: click.Command, name: str, parent: click.Context | None) -> list[str]:
    settings = {**command.context_settings, "terminal_width": 100}
    context = click.Context(command, parent, info_name=name, **settings)
    sections = [f"\n## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"]
    if isinstance(command, MethodCommand):
        helps = {method: help_of(method, context) for method in METHODS if method != DEFAULTS.method}
        sections += [
            f"\n### {context.command_path} --method {method}\n\n```\n{text}\n```\n"
            for method, text in helps.items()
            if text
        ]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            subcommand = command.get_command(context, child)
            assert subcommand is not None
            sections += _sections(subcommand, child, context)
    return sections


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    (folder / "command-line.md").write_text(command_line(), encoding="utf-8")
