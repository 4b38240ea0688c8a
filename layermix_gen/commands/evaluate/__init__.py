"""`layermix-gen evaluate`: one module for each of its commands; every module defines `command`."""

import click

from layermix_gen.commands.lazy import LazyGroup

COMMANDS = {
    "report": "Compare results: tables, plots, and the paper's numbers beside them.",
}


@click.command("evaluate", cls=LazyGroup, package=__name__, helps=COMMANDS)
def command() -> None:
    """Measure what the training bought: errors, robustness, consistency, calibration."""
