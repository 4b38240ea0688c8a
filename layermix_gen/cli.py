"""The command line: parse, call one library function, show the result.

Commands live in `layermix_gen.commands`, one module each, imported when they are used: `--help` waits for nothing.
"""

import errno
import signal
from contextlib import suppress
from typing import Any

import click

from layermix_gen._version import __version__
from layermix_gen.commands.lazy import LazyGroup
from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.support.interrupts import INTERRUPTED

COMMANDS = {
    "build": "Compute LayerMix variants of every image and write them as shards.",
    "demo": "Build shards from a few photographs, and show them.",
    "evaluate": "Measure what the training bought: errors, robustness, consistency, calibration.",
    "fractals": "Make mixing sets: render fractals, or pack pictures of your own.",
    "inspect": "Summarize a dataset; find, show and extract its samples.",
    "verify": "Check every byte of a dataset, render samples again, mend what is damaged.",
}


class Commands(LazyGroup):
    """The commands by name, and how they fail: one line and status 1, or 130 after Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # what clusters send before they take a node
        try:
            return super().invoke(ctx)
        except Interrupted as error:
            click.echo(f"Interrupted: {error}", err=True)
            ctx.exit(INTERRUPTED)
        except KeyboardInterrupt:  # while nothing was at work that says more
            click.echo("Interrupted: run the same command to resume", err=True)
            ctx.exit(INTERRUPTED)
        except LayerMixError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:  # what nothing said more of: a path that is too long, a folder that is closed
            if error.errno == errno.EPIPE:  # nobody reads on: click knows what to do
                raise
            if error.filename is None:
                message = f"cannot write the report: {error.strerror}; lead standard output elsewhere"
            else:
                message = f"cannot open {error.filename}: {error.strerror}; check the path and the rights"
            raise click.ClickException(message) from error


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


@click.command(cls=Commands, package="layermix_gen.commands", helps=COMMANDS, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="layermix-gen")
def main() -> None:
    """LayerMix training sets, computed offline and written as WebDataset shards."""
