"""`layermix-gen evaluate corrupt`: the command for `layermix_gen.evaluate.corrupt`."""

from typing import Any

import click

from layermix_gen.commands.explained import ExplainedCommand, options_of
from layermix_gen.commands.parameters import Names, Ranges, quiet_option, source_options, what, workers_option
from layermix_gen.commands.showing import show
from layermix_gen.evaluate.benchmarks import SCALES
from layermix_gen.evaluate.corruptions.corrupter import corrupt
from layermix_gen.evaluate.corruptions.layouts import LAYOUTS
from layermix_gen.evaluate.corruptions.published import FAMILIES
from layermix_gen.sources import KINDS

made, written = options_of("What is made of it"), options_of("How it is written")

EXAMPLES = {
    "layermix-gen evaluate corrupt photos photos-c --suite c": "Write C at all severities.",
    "layermix-gen evaluate corrupt photos photos-cbar --suite cbar --severities 1,3,5": "Write C-bar at three.",
    "layermix-gen evaluate corrupt cifar-10 cifar-10-p --suite p --sample 2000": "Write P's sequences of 2,000 images.",
}


@click.command("corrupt", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("source")
@click.argument("out")
@made(
    "--suite",
    type=click.Choice(FAMILIES),
    required=True,
    help="Which corruptions: the 15 of C and its 4 extra ones, the ten of C-bar, or sequences of P's ten perturbations "
    "and its 4 extra ones.",
)
@made("--scale", type=click.Choice(SCALES), help="Scale of the parameters; default: cifar for squares up to 64 px.")
@made("--severities", type=Ranges(), help="Severities of C or C-bar to write, as in 1-5, or 1,3,5; default: all five.")
@made(
    "--corruptions",
    type=Names(),
    default=(),
    show_default=False,
    help="Corruptions, or perturbations, of the suite to write; default: all.",
)
@made("--seed", default=0, help="Seed of all that is random in the corruptions, and of --sample.")
@what(
    "--kind",
    default="auto",
    metavar="KIND",
    help=f"Kind of SOURCE, perhaps with a split, as in auto:train: auto finds it out; {', '.join(KINDS)}. "
    "A manifest is a table.",
)
@what("--sample", type=int, help="Draw so many images by the seed, evenly from the classes; default: all.")
@source_options
@written(
    "--layout",
    type=click.Choice(LAYOUTS),
    help="How files are laid out; default: arrays for squares up to 64 px, else folders.",
)
@workers_option
@quiet_option
def command(source: str, out: str, **options: Any) -> None:
    """Write corrupted copies of all images of SOURCE to OUT, as C, C-bar and P are published.

    SOURCE is anything that `build` takes, such as a folder of class folders; of CIFAR and MNIST the test split is
    taken. The layout `arrays` is NAME.npy and labels.npy; `folders` is NAME/SEVERITY/CLASS with JPEGs of 224 px, of P
    NAME/CLASS with videos. The same command resumes after the last complete corruption.
    """
    show(corrupt(source, out, **options).summary())
