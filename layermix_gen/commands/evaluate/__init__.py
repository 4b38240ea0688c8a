"""`layermix-gen evaluate`: one module for each of its commands; every module defines `command`."""

import click

from layermix_gen.commands.lazy import LazyGroup

COMMANDS = {
    "corrupt": "Write corrupted copies of your own images, as the benchmarks are published.",
    "run": "Run a model over suites, save its predictions, print the metrics.",
    "temperature": "Find the number that calibrates a model's confidences.",
    "check-data": "Say which suites are there, and what is wrong with them.",
    "gradcam": "Draw where models look.",
    "report": "Compare results: tables, plots, and the paper's numbers next to them.",
}


@click.command("evaluate", cls=LazyGroup, package=__name__, helps=COMMANDS)
def command() -> None:
    """Measure trained models: errors, robustness, consistency, calibration."""
