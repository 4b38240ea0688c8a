"""`layermix-gen evaluate temperature`: the command for `layermix_gen.evaluate.find_temperature`."""

from typing import Any

import click

from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.options.model_options import model_options
from layermix_gen.commands.parameters import quiet_option
from layermix_gen.commands.showing import show
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS
from layermix_gen.evaluate.running.run_options import Forward
from layermix_gen.evaluate.suites import SuiteOptions

FORWARD, SUITES_AS = Forward(), SuiteOptions()
EXAMPLES = {
    "layermix-gen evaluate temperature rest.npz --model net.py:wrn --checkpoint last.pt --mean 0.5 --std 0.5": (
        "Find the temperature by images that were held out of the training set."
    ),
    "layermix-gen evaluate temperature held-out --model timm:resnet50.a1_in1k --device cuda": (
        "Find that of a model of timm, by a folder of class folders."
    ),
}


@click.command("temperature", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("held_out", type=click.Path())
@model_options
@click.option(
    "--preprocessing",
    type=click.Choice(list(PREPROCESSINGS)),
    default=SUITES_AS.preprocessing,
    help="How image files are cropped, as for evaluate run.",
)
@click.option("--device", default=FORWARD.device, help="Where the model runs, such as cpu, cuda or cuda:1.")
@click.option("--batch-size", default=FORWARD.batch_size, help="How many images the model gets at a time.")
@click.option("--threads", default=SUITES_AS.threads, help="Threads that decode images; 0: one for each CPU.")
@quiet_option
def command(held_out: str, preprocessing: str, threads: int, device: str, batch_size: int, **options: Any) -> None:
    """Print the temperature that calibrates a model best on HELD_OUT, for evaluate run --temperature.

    These are labelled images that were neither trained on nor are tested with; of CIFAR, or a file of arrays, the test
    split is read.
    """
    from layermix_gen.evaluate.running.calibrating import find_temperature  # imported here, as torch takes 1.5 s

    options["suite_options"] = SuiteOptions(preprocessing=preprocessing, threads=threads)
    found = find_temperature(held_out=held_out, forward=Forward(device, batch_size), **options)
    show(f"{found:.4g}")
