"""`layermix-gen fractals`: the commands for `render_set`, `pack` and `write_sheet`."""

from typing import Any

import click

from layermix_gen.commands.parameters import Names, quiet_option
from layermix_gen.commands.showing import show
from layermix_gen.errors import printable
from layermix_gen.mixing_sets.fractals import KINDS, render_set, write_sheet
from layermix_gen.mixing_sets.mixing_set import open_mixing_set
from layermix_gen.mixing_sets.packing import pack


@click.group("fractals")
def command() -> None:
    """Make mixing sets: render fractals, or pack pictures of your own."""


@command.command("render")
@click.argument("out")
@click.option("--count", default=14230, help="Pictures; the paper has 14230.")
@click.option("--size", default=256, help="Side in px: 256 for views of 224 px, 36 for 32.")
@click.option("--seed", default=0, help="A longer set of one seed begins with the shorter one.")
@click.option("--kinds", type=Names(), help=f"Default: all, which are {', '.join(kind for kind in KINDS)}.")
@click.option("--detail", type=int, help="Render at most so many px a side, and enlarge; default: SIZE.")
@click.option("--workers", type=int, help="Processes; default: the CPUs that may be used.")
@quiet_option
def render(out: str, **options: Any) -> None:
    """Render a mixing set of fractals to OUT (.npy). The same command resumes an unfinished one."""
    mixing_set = open_mixing_set(render_set(out, **options))
    show(f"{printable(out)}: {len(mixing_set)} pictures of {mixing_set.size} px, digest {mixing_set.digest}")


@command.command("pack")
@click.argument("folder")
@click.argument("out")
@click.option("--size", default=256, help="Side in px.")
@click.option("--color", is_flag=True, help="Keep colours; default: gray.")
@click.option("--crops", default=0, help="Random squares of each picture; 0: its centre square.")
@click.option("--seed", default=0, help="Of the random squares.")
@quiet_option
def pack_folder(folder: str, out: str, size: int, color: bool, **options: Any) -> None:
    """Pack the pictures below FOLDER into the mixing set OUT (.npy), as resized squares."""
    packed = pack(folder, out, size, color, **options)
    for line in packed.skipped:
        show(f"skipped {printable(line)}", err=True)
    pictures = packed.mixing_set
    skipped = f"{len(packed.skipped)} skipped"
    show(f"{printable(out)}: {len(pictures)} pictures of {size} px, {skipped}, digest {pictures.digest}")


@command.command("preview")
@click.argument("mixing_set", metavar="SET")
@click.argument("out")
@click.option("--count", default=100, help="Pictures to show, the first of the set.")
def preview(mixing_set: str, out: str, count: int) -> None:
    """Draw a contact sheet of the mixing set SET (.npy) to OUT (.png, .jpg or .webp)."""
    show(write_sheet(open_mixing_set(mixing_set).pictures, out, count))
