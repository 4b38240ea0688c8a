"""The options of commands that run a model: which one, and how its weights were trained."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import click

from layermix_gen.commands.explained import options_of
from layermix_gen.commands.parameters import Fractions

TRAINED = "as the checkpoint or timm tells"
model_is = options_of("Which model")
_OPTIONS = (
    model_is(
        "--model",
        default="",
        show_default=False,
        help="The model: PATH.py:function, PATH.py:function(ARGUMENTS), timm:NAME or PATH.pt2 (of torch.export); "
        "default: the one that the checkpoint names, of timm.",
    ),
    model_is("--checkpoint", type=click.Path(), help="File of its weights, as torch.save writes a state_dict."),
    model_is("--mean", type=Fractions(), help=f"Mean of the pixels in [0, 1] in training; default: {TRAINED}."),
    model_is("--std", type=Fractions(), help=f"Deviation of the pixels in [0, 1] in training; default: {TRAINED}."),
)


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--model`, `--checkpoint`, `--mean` and `--std` to a command."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)
