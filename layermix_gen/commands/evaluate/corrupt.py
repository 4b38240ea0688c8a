"""`layermix-gen evaluate corrupt`: the command for `layermix_gen.evaluate.corrupt`."""

from typing import Any

import click

from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.parameters import Names, Ranges, quiet_option, source_options, what, workers_option
from layermix_gen.commands.showing import show
from layermix_gen.evaluate.benchmarks import SCALES
from layermix_gen.evaluate.corruptions.corrupter import corrupt
from layermix_gen.evaluate.corruptions.layouts import LAYOUTS
from layermix_gen.evaluate.corruptions.published import FAMILIES
from layermix_gen.sources import KINDS

EXAMPLES = {
    "layermix-gen evaluate corrupt photos photos-c --suite c": "Write C at all severities.",
    "layermix-gen evaluate corrupt photos photos-cbar --suite cbar --severities 1,3,5": "Write C-bar at three.",
}


@click.command("corrupt", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("source")
@click.argument("out")
@click.option(
    "--suite",
    type=click.Choice(FAMILIES),
    required=True,
    help="Which corruptions: the 15 of C and its 4 extra ones, or the ten of C-bar.",
)
@click.option(
    "--scale", type=click.Choice(SCALES), help="Scale of the severities; default: cifar for squares up to 64 px."
)
@click.option("--severities", type=Ranges(), default="1-5", help="Severities to write, as in 1-5, or 1,3,5.")
@click.option(
    "--corruptions",
    type=Names(),
    default=(),
    show_default=False,
    help="Corruptions of the suite to write; default: all.",
)
@click.option("--seed", default=0, help="Seed of all that is random in the corruptions.")
@what(
    "--kind",
    default="auto",
    metavar="KIND",
    help=f"Kind of SOURCE, perhaps with a split, as in auto:train: auto finds it out; {', '.join(KINDS)}. "
    "A manifest is a table.",
)
@source_options
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    help="How files are laid out; default: arrays for squares up to 64 px, else folders.",
)
@workers_option
@quiet_option
def command(source: str, out: str, **options: Any) -> None:
    """Write corrupted copies of all images of SOURCE to OUT, as CIFAR-C and ImageNet-C are published.

    SOURCE is anything that `build` takes, such as a folder of class folders; of CIFAR and MNIST the test split is
    taken. The layout `arrays` is NAME.npy and labels.npy; `folders` is NAME/SEVERITY/CLASS with JPEGs of 224 px. The
    same command resumes after the last complete corruption.
    """
    show(corrupt(source, out, **options).summary())
