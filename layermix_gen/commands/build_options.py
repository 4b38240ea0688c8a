"""Options that commands which build share: what is built from what, and how the work is done."""

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any

import click

from layermix_gen.building.engines import ENGINES
from layermix_gen.commands.parameters import Partition, quiet_option, source_options
from layermix_gen.dataset.names import KEYS
from layermix_gen.dataset.settings import DEFAULTS, VIEW_MODES, BuildSettings
from layermix_gen.images.codec import FORMATS, SUBSAMPLINGS
from layermix_gen.images.views import VIEWS
from layermix_gen.mixing.methods import METHODS
from layermix_gen.sources import KINDS

SETTINGS = {field.name for field in fields(BuildSettings)}


def settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add SOURCE, OUT, and the options that say what is built; the command gets all settings as one `settings`."""

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
        "--size",
        type=int,
        help="Side of the samples in px; default: as SOURCE if that is squares of up to 224, else 224.",
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
    @wraps(command)
    def with_settings(*args: Any, **options: Any) -> None:
        settings = BuildSettings(**{name: options.pop(name) for name in SETTINGS})
        command(*args, settings=settings, **options)

    return with_settings


def work_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how the shards are built."""

    @click.option("--max-errors", type=int, help="Source images that may be skipped; default: 1%, at least 10.")
    @click.option("--workers", type=int, help="Processes; default: the CPUs that may be used.")
    @click.option(
        "--partition",
        type=Partition(),
        metavar="I/N",
        default=(0, 1),
        show_default=False,
        help="Build every n-th shard from shard i on, for job arrays; `slurm` and `k8s` read i and n from the "
        "environment.",
    )
    @click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default=ENGINES[0],
        help="Build on this machine, or on a Ray cluster (a task a shard; --workers: so many at a time).",
    )
    @click.option(
        "--ray-address", metavar="ADDRESS", help="Of the Ray cluster; default: the one that this machine is in."
    )
    @quiet_option
    @wraps(command)
    def with_options(*args: Any, **options: Any) -> None:
        command(*args, **options)

    return with_options
