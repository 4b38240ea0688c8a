"""`layermix-gen demo`: the command for `layermix_gen.demo.demo`."""

import click

from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.parameters import quiet_option
from layermix_gen.commands.showing import show
from layermix_gen.demo import demo
from layermix_gen.errors import printable

EXAMPLES = {
    "layermix-gen demo": "Build into the folder layermix-demo.",
    "layermix-gen demo first-look --quiet": "Build into the folder first-look, without a bar.",
}


@click.command("demo", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("out", default="layermix-demo")
@quiet_option
def command(out: str, progress: bool) -> None:
    """Build shards of scikit-image's photographs in OUT (default: layermix-demo), list samples, draw a sheet."""
    manifest, samples, sheet = demo(out, progress)
    show(manifest.summary())
    show(f"\n{samples}\n\ncontact sheet: {printable(sheet)}")
