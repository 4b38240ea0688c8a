"""`layermix-gen build`: the command for `layermix_gen.build` and, with `--dry-run`, for `layermix_gen.estimate`."""

from dataclasses import fields
from typing import Any

import click

from layermix_gen.building.builder import build
from layermix_gen.building.estimator import estimate
from layermix_gen.commands.method_options import MethodCommand
from layermix_gen.commands.parameters import Partition, source_options
from layermix_gen.commands.showing import show
from layermix_gen.dataset.names import KEYS
from layermix_gen.dataset.settings import DEFAULTS, VIEW_MODES, BuildSettings
from layermix_gen.images.codec import FORMATS, SUBSAMPLINGS
from layermix_gen.images.views import VIEWS
from layermix_gen.mixing.methods import METHODS
from layermix_gen.sources import KINDS
from layermix_gen.support.worker_pool import keep_memory

SETTINGS = {field.name for field in fields(BuildSettings)}


@click.command("build", cls=MethodCommand)
@click.argument("source")
@click.argument("out")
@click.option(
    "--kind",
    default="auto",
    metavar="KIND",
    help=f"Kind of SOURCE: auto, {', '.join(KINDS)}; cifar10:test. `manifest` is a table.",
)
@source_options
@click.option("--variants", default=DEFAULTS.variants, help="Variants of each image.")
@click.option("--clean/--no-clean", default=DEFAULTS.clean, help="Also write each view before mixing.")
@click.option(
    "--size", type=int, help="Side of the samples in px; default: as SOURCE if that is squares of up to 224, else 224."
)
@click.option("--view", type=click.Choice(list(VIEWS)), help="Crop; default: pad-crop up to 64 px, rrc above.")
@click.option(
    "--view-mode",
    type=click.Choice(VIEW_MODES),
    default=DEFAULTS.view_mode,
    help="A crop for each variant, or one for all planes of an image (needed for JSD).",
)
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default=DEFAULTS.method,
    help="How recipes are drawn; `--method METHOD --help` lists the options of one.",
)
@click.option(
    "--mixing-set",
    metavar="PATH",
    help="Mixing set (.npy) or folder of pictures; default: fractals, rendered once.",
)
@click.option("--format", type=click.Choice(FORMATS), help="Default: png up to 64 px, jpg above.")
@click.option("--quality", default=DEFAULTS.quality, help="Of jpg and webp.")
@click.option("--subsampling", type=click.Choice(SUBSAMPLINGS), default=DEFAULTS.subsampling, help="Chroma of jpg.")
@click.option(
    "--keys",
    type=click.Choice(KEYS),
    default=DEFAULTS.keys,
    help="A key for each sample, or one for all planes of an image (to join other tars by key).",
)
@click.option(
    "--shard-size",
    default=DEFAULTS.shard_size,
    help="At most so many bytes a tar, by a cautious estimate, or so many samples (a plain number).",
)
@click.option("--seed", default=DEFAULTS.seed, help="Of order, views, recipes and the default mixing set.")
@click.option("--max-pixels", default=DEFAULTS.max_pixels, help="Skip source images that are larger.")
@click.option("--max-errors", type=int, help="Source images that may be skipped; default: 1%, at least 10.")
@click.option("--workers", type=int, help="Processes; default: the CPUs that may be used.")
@click.option(
    "--partition",
    type=Partition(),
    default=(0, 1),
    show_default=False,
    help="Build every n-th shard from shard i on, for job arrays.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be built and how long it would take; write nothing.")
def command(source: str, out: str, dry_run: bool, **options: Any) -> None:
    """Compute LayerMix variants of every image of SOURCE and write them to OUT as WebDataset shards.

    OUT is a folder or a URL, such as s3://bucket/shards: then a temporary folder, below $TMPDIR, holds a shard of each
    worker until it is uploaded: workers x planes x --shard-size.

    SOURCE is a folder of class folders, a published set (CIFAR, MNIST, STL-10, SVHN), NumPy's arrays, WebDataset tars,
    a table of paths and labels, or Parquet or Arrow files with images. The same command resumes an unfinished OUT; with
    more --variants it adds planes to it.
    """
    settings = BuildSettings(**{name: options.pop(name) for name in SETTINGS})
    keep_memory()
    show((estimate if dry_run else build)(source, out, settings, **options).summary())
