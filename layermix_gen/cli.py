"""The command line: parse, call one library function, show the result.

Commands live in `layermix_gen.commands`, one module each, imported only when they are used, so that `--help` is fast.
"""

import errno
from typing import Any

import click

from layermix_gen._version import __version__
from layermix_gen.commands.lazy import LazyGroup
from layermix_gen.errors import Interrupted, LayerMixError, missing_extra, printable
from layermix_gen.support.files import FULL, SHORTAGES, reason
from layermix_gen.support.interrupts import INTERRUPTED, interruptible
from layermix_gen.support.progress import log_shown

COMMANDS = {
    "build": "Compute LayerMix variants of every image and write them as shards.",
    "build-planned": "Build what was planned, or a part of it: for job arrays and clusters.",
    "card": "Write the dataset card for the Hugging Face Hub.",
    "demo": "Build shards from a few photographs, and show them.",
    "evaluate": "Measure trained models: errors, robustness, consistency, calibration.",
    "finish": "Complete a planned dataset, or name the shards that are missing.",
    "fractals": "Make mixing sets: render fractals, or pack pictures of your own.",
    "inspect": "Summarize a dataset; find, show and extract its samples.",
    "plan": "List the source once for all jobs, and write the plan that they build by.",
    "verify": "Check every byte of a dataset, render samples again, repair what is damaged.",
}


OUT_OF_MEMORY = ("failed to map segment", "can't start new thread")
"""What is said where there is not enough memory for a library, or for the stack of a thread."""


class Commands(LazyGroup):
    """The commands by name; where one fails, it prints one line and exits with status 1, or 130 after Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with interruptible(), log_shown():
                return super().invoke(ctx)
        except Interrupted as error:
            click.echo(f"Interrupted: {error}", err=True)
            ctx.exit(INTERRUPTED)
        except KeyboardInterrupt:  # which no other code has reported
            click.echo("Interrupted: run the same command to resume", err=True)
            ctx.exit(INTERRUPTED)
        except click.UsageError as error:  # which quotes what was given, such as names of files
            raise click.UsageError(printable(_in_one_line(error)), error.ctx) from error
        except LayerMixError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:  # which no other code has reported: a path that is too long, a folder without access
            if error.errno == errno.EPIPE:  # the reader of standard output has gone: click handles it
                raise
            raise click.ClickException(_told(error)) from error
        except ModuleNotFoundError as error:
            if explained := missing_extra(error):
                raise click.ClickException(str(explained)) from error
            raise
        except (MemoryError, ImportError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(text in str(error) for text in OUT_OF_MEMORY):
                raise
            raise click.ClickException("memory has run out; free memory, or use fewer workers") from error


def _in_one_line(error: click.UsageError) -> str:
    """What Click says of a mistake; of choices, which it lists one a line, in one."""
    text = error.format_message()
    is_of_choices = isinstance(error, click.MissingParameter)  # which quotes nothing that was given
    return text.replace(". Choose from:\n\t", ": ").replace(",\n\t", ", ") if is_of_choices else text


def _told(error: OSError) -> str:
    """A system error in one line, with what to do."""
    if error.errno in SHORTAGES:
        return f"{reason(error)}; {SHORTAGES[error.errno]}"
    if error.filename is not None:
        return f"cannot open {printable(error.filename)}: {reason(error)}; check the path and the rights"
    if error.errno in (*FULL, errno.EIO, errno.EBADF):
        return f"cannot write the report: {reason(error)}; lead standard output elsewhere"
    return f"the system refused: {reason(error)}; mend that, then run the same command again"


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


@click.command(cls=Commands, package="layermix_gen.commands", helps=COMMANDS, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="layermix-gen")
def main() -> None:
    """LayerMix training sets, computed offline and written as WebDataset shards."""
