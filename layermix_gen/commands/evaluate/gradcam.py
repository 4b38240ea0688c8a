"""`layermix-gen evaluate gradcam`: the command for `layermix_gen.evaluate.write_gradcam_sheet`."""

from itertools import zip_longest
from pathlib import Path
from typing import Any

import click

from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.parameters import Fractions
from layermix_gen.commands.showing import show
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import RESIZE_AND_CENTER
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS

EXAMPLES = {
    "layermix-gen evaluate gradcam dog.jpg cat.jpg --model timm:resnet50.a1_in1k --out sheet.png": (
        "Draw where a model of timm looks in two images."
    ),
    "layermix-gen evaluate gradcam dog.jpg --model m.py:net --model m.py:net --checkpoint a.pt --checkpoint b.pt "
    "--mean 0.5 --std 0.5 --out sheet.png": "Compare two checkpoints.",
}


@click.command("gradcam", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option(
    "--model", "specs", multiple=True, required=True, help="Model, as for evaluate run; repeat it for more columns."
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.Path(),
    help="File of weights: one for each --model, or none.",
)
@click.option(
    "--title",
    "titles",
    multiple=True,
    help="Title of a column: one for each --model; default: checkpoint or model.",
)
@click.option(
    "--out", required=True, type=click.Path(), help="Draw the sheet to this file: .png, .jpg, .webp, .pdf or .svg."
)
@click.option("--mean", type=Fractions(), help="Mean of the pixels in [0, 1] in training, as for evaluate run.")
@click.option("--std", type=Fractions(), help="Deviation of the pixels in [0, 1] in training, as for evaluate run.")
@click.option("--classes", "n_classes", default=0, help="Outputs of a timm model; 0: as many as it has by default.")
@click.option(
    "--preprocessing",
    type=click.Choice(list(PREPROCESSINGS)),
    default=RESIZE_AND_CENTER,
    help="How images are cropped before the model sees them.",
)
@click.option("--layer", default="", show_default=False, help="Layer to look at; default: the last with feature maps.")
@click.option("--class", "target", type=int, help="Class to explain; default: the one predicted.")
@click.option("--device", default="cpu", help="Where the models run, such as cpu, cuda or cuda:1.")
def command(
    images: tuple[str, ...],
    specs: tuple[str, ...],
    checkpoints: tuple[str, ...],
    titles: tuple[str, ...],
    n_classes: int,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    **options: Any,
) -> None:
    """Draw where models look in IMAGES: Grad-CAM, a row for each image and a column for each model."""
    from layermix_gen.evaluate.gradcam_maps.gradcam_sheet import write_gradcam_sheet
    from layermix_gen.evaluate.models.loading import load_model  # imported here, as torch takes 1.5 s

    for name, given in (("--checkpoint", checkpoints), ("--title", titles)):
        if given and len(given) != len(specs):
            raise LayerMixError(f"expected one {name} for each of {len(specs)} models, or none, got {len(given)}")
    models = []
    for spec, checkpoint, title in zip_longest(specs, checkpoints, titles):
        model = load_model(spec, checkpoint, mean=mean, std=std, n_classes=n_classes)
        models.append((title or (Path(checkpoint).stem if checkpoint else spec), model))
    show(write_gradcam_sheet(models, images, **options))
