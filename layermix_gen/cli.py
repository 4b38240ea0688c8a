"""The command line: parse, call one library function, show the result. Heavy imports wait until a command runs."""

from typing import Any

import click

from layermix_gen import __version__
from layermix_gen.errors import Interrupted, LayerMixError


class Command(click.Command):
    """A command whose user's mistakes end in one line and exit status 1, and Ctrl-C in status 130."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except Interrupted as error:
            click.echo(f"Stopped: {error}", err=True)
            context.exit(130)
        except LayerMixError as error:
            raise click.ClickException(str(error)) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="layermix-gen")
def main() -> None:
    """LayerMix training sets, computed offline and written as WebDataset shards."""


main.command_class = Command
