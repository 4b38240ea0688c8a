"""`layermix-gen demo`: the twin of `layermix_gen.demo.demo`."""

from pathlib import Path

import click

from layermix_gen.demo import demo


@click.command("demo")
@click.argument("out", type=click.Path(path_type=Path), default=Path("layermix-demo"))
def command(out: Path) -> None:
    """Build shards from the photographs of scikit-image in OUT (default: layermix-demo), list samples, draw a sheet."""
    manifest, samples, sheet = demo(out)
    click.echo(manifest.summary())
    click.echo(f"\n{samples}\n\ncontact sheet: {sheet}")
