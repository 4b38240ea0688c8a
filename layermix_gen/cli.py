"""The command line: parse, call one library function, show the result.

Commands live in `layermix_gen.commands`, one module each, imported only when they are used, so that `--help` is fast.
"""

import errno
from typing import Any

import click

from layermix_gen._version import __version__
from layermix_gen.commands.lazy import LazyGroup
from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.support.files import reason
from layermix_gen.support.interrupts import INTERRUPTED, interruptible

COMMANDS = {
    "build": "Compute LayerMix variants of every image and write them as shards.",
    "demo": "Build shards from a few photographs, and show them.",
    "evaluate": "Measure trained models: errors, robustness, consistency, calibration.",
    "fractals": "Make mixing sets: render fractals, or pack pictures of your own.",
    "inspect": "Summarize a dataset; find, show and extract its samples.",
    "verify": "Check every byte of a dataset, render samples again, repair what is damaged.",
}


class Commands(LazyGroup):
    """The commands by name; where one fails, it prints one line and exits with status 1, or 130 after Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with interruptible():
                return super().invoke(ctx)
        except Interrupted as error:
            click.echo(f"Interrupted: {error}", err=True)
            ctx.exit(INTERRUPTED)
        except KeyboardInterrupt:  # which no other code has reported
            click.echo("Interrupted: run the same command to resume", err=True)
            ctx.exit(INTERRUPTED)
        except LayerMixError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:  # which no other code has reported: a path that is too long, a folder without access
            if error.errno == errno.EPIPE:  # the reader of standard output has gone: click handles it
                raise
            if error.filename is None:
                message = f"cannot write the report: {reason(error)}; lead standard output elsewhere"
            else:
                message = f"cannot open {error.filename}: {reason(error)}; check the path and the rights"
            raise click.ClickException(message) from error


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


@click.command(cls=Commands, package="layermix_gen.commands", helps=COMMANDS, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="layermix-gen")
def main() -> None:
    """LayerMix training sets, computed offline and written as WebDataset shards."""
