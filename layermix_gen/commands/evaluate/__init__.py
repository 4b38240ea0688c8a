"""`layermix-gen evaluate`: one module for each of its commands; every module defines `command`."""

import click

from layermix_gen.commands.lazy import LazyGroup

COMMANDS: dict[str, str] = {
    "corrupt": "Write corrupted copies of your own images, as the benchmarks are published.",
}


@click.command("evaluate", cls=LazyGroup, package=__name__, helps=COMMANDS)
def command() -> None:
    """Measure what the training bought: errors, robustness, consistency, calibration."""
