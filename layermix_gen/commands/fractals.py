"""`layermix-gen fractals`: the commands for `render_set`, `pack` and `write_sheet`."""

from typing import Any

import click

from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.parameters import Names, quiet_option, workers_option
from layermix_gen.commands.showing import show
from layermix_gen.errors import printable
from layermix_gen.mixing_sets.fractals import KINDS, render_set, write_sheet
from layermix_gen.mixing_sets.mixing_set import open_mixing_set
from layermix_gen.mixing_sets.packing import pack


@click.group("fractals")
def command() -> None:
    """Make mixing sets: render fractals, or pack pictures of your own."""


@command.command(
    "render",
    cls=ExplainedCommand,
    examples={
        "layermix-gen fractals render fractals.npy": "Render as many pictures as the paper has, for views of 224 px.",
        "layermix-gen fractals render small.npy --size 36 --count 1000 --seed 1": "Render 1000 for views of 32 px.",
    },
)
@click.argument("out")
@click.option("--count", default=14230, help="How many pictures to render; the paper has 14230.")
@click.option("--size", default=256, help="Side of the pictures in px: 256 for views of 224 px, 36 for 32.")
@click.option("--seed", default=0, help="Seed of the set; a longer set of the same seed begins with the shorter one.")
@click.option(
    "--kinds", type=Names(), help=f"Kinds of fractals; default: all, which are {', '.join(kind for kind in KINDS)}."
)
@click.option("--detail", type=int, help="Render at most so many px a side, and enlarge these; default: --size.")
@workers_option
@quiet_option
def render(out: str, **options: Any) -> None:
    """Render a mixing set of fractals to OUT (.npy). The same command resumes an unfinished one."""
    mixing_set = open_mixing_set(render_set(out, **options))
    show(f"{printable(out)}: {len(mixing_set)} pictures of {mixing_set.size} px, digest {mixing_set.digest}")


@command.command(
    "pack",
    cls=ExplainedCommand,
    examples={
        "layermix-gen fractals pack pictures pictures.npy": "Pack the centre square of each picture, in gray.",
        "layermix-gen fractals pack pictures crops.npy --crops 4 --color": "Pack four squares of each, in colour.",
    },
)
@click.argument("folder")
@click.argument("out")
@click.option("--size", default=256, help="Side of the squares in px.")
@click.option("--color", is_flag=True, help="Keep colours; by default, pictures become gray.")
@click.option("--crops", default=0, help="How many random squares of each picture to take; 0: its centre square.")
@click.option("--seed", default=0, help="Seed of the random squares.")
@quiet_option
def pack_folder(folder: str, out: str, size: int, color: bool, **options: Any) -> None:
    """Pack the pictures below FOLDER into the mixing set OUT (.npy), as resized squares."""
    packed = pack(folder, out, size, color, **options)
    for line in packed.skipped:
        show(f"skipped {printable(line)}", err=True)
    pictures = packed.mixing_set
    skipped = f"{len(packed.skipped)} skipped"
    show(f"{printable(out)}: {len(pictures)} pictures of {size} px, {skipped}, digest {pictures.digest}")


@command.command(
    "preview",
    cls=ExplainedCommand,
    examples={
        "layermix-gen fractals preview fractals.npy sheet.png": "Draw the first 100 pictures.",
        "layermix-gen fractals preview fractals.npy sheet.jpg --count 400": "Draw 400 pictures, as a JPEG.",
    },
)
@click.argument("mixing_set", metavar="SET")
@click.argument("out")
@click.option("--count", default=100, help="How many pictures to show, the first ones of the set.")
def preview(mixing_set: str, out: str, count: int) -> None:
    """Draw a contact sheet of the mixing set SET (.npy) to OUT (.png, .jpg or .webp)."""
    show(write_sheet(open_mixing_set(mixing_set).pictures, out, count))
