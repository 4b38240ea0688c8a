"""Options that commands which build share: what is built from what, and how the work is done."""

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from layermix_gen.building.engines import ENGINES
from layermix_gen.commands.explained import how_it_runs, options_of
from layermix_gen.commands.options.likeness import mixing_set_like, plan_of, settings_like
from layermix_gen.commands.parameters import (
    Partition,
    max_errors_option,
    quiet_option,
    source_options,
    workers_option,
)
from layermix_gen.dataset.names import KEYS
from layermix_gen.dataset.settings import DEFAULTS, STORES, VIEW_MODES, BuildSettings
from layermix_gen.images.codec import FORMATS, SUBSAMPLINGS
from layermix_gen.images.views import VIEWS
from layermix_gen.images.whole_images import SOURCE
from layermix_gen.mixing.methods import METHODS
from layermix_gen.sources import KINDS

what, made = options_of("What is read"), options_of("What is made of it")
cut, mixed, written = options_of("How it is cut"), options_of("How it is mixed"), options_of("How it is written")
SETTINGS = {field.name for field in fields(BuildSettings)}


def settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add SOURCE, OUT, and the options that say what is built; the command gets all settings as one `settings`."""

    @click.argument("source")
    @click.argument("out")
    @what(
        "--kind",
        default="auto",
        metavar="KIND",
        help=f"Kind of SOURCE, perhaps with a split, as in cifar10:test: auto finds it out; {', '.join(KINDS)}. "
        "A manifest is a table.",
    )
    @source_options
    @what("--max-pixels", default=DEFAULTS.max_pixels, help="Skip source images that have more pixels than this.")
    @made(
        "--like",
        metavar="DATASET",
        help="Take the settings and the mixing set of another dataset, a folder or a URL; options that are given "
        "override its settings.",
    )
    @made("--variants", default=DEFAULTS.variants, help="How many mixed variants of each image to make.")
    @made("--clean/--no-clean", default=DEFAULTS.clean, help="Write the view of each image before mixing, too.")
    @made(
        "--seed",
        default=DEFAULTS.seed,
        help="Seed of all that is random: order, views, recipes and the default mixing set.",
    )
    @cut(
        "--size",
        type=int,
        help="Side of the samples in px; default: that of SOURCE's images if they are squares of one size up to 224, "
        "else 224. Of whole images, the longest short side; default: as they are.",
    )
    @cut(
        "--view",
        type=click.Choice([*VIEWS, SOURCE]),
        help="How the view of an image is cropped; default: pad-crop up to 64 px, rrc above. `source` stores whole "
        "images, which the reader crops and mixes: give --variants 0, too.",
    )
    @cut(
        "--view-mode",
        type=click.Choice(VIEW_MODES),
        default=DEFAULTS.view_mode,
        help="One crop for each variant, or one for all planes of an image, as the Jensen-Shannon loss needs.",
    )
    @mixed(
        "--method",
        type=click.Choice(list(METHODS)),
        default=DEFAULTS.method,
        help="How recipes are drawn; `--method METHOD --help` lists the options of a method.",
    )
    @mixed(
        "--mixing-set",
        metavar="PATH",
        help="Pictures to mix with: a mixing set (.npy), its URL, or a folder; default: fractals, rendered once.",
    )
    @written("--format", type=click.Choice(FORMATS), help="Format of the images; default: png up to 64 px, jpg above.")
    @written("--quality", default=DEFAULTS.quality, help="Quality of jpg and webp, from 1 to 100.")
    @written(
        "--subsampling",
        type=click.Choice(SUBSAMPLINGS),
        default=DEFAULTS.subsampling,
        help="How finely jpg stores colours; 444 keeps all of them.",
    )
    @written(
        "--keys",
        type=click.Choice(KEYS),
        default=DEFAULTS.keys,
        help="A key for each sample, or one for all planes of an image (to join other tars by key).",
    )
    @written(
        "--store",
        type=click.Choice(STORES),
        help="The images of the variants, or their recipes alone, by which they are rendered from the clean plane when "
        "they are read; default: as OUT has it already, else images.",
    )
    @written(
        "--shard-size",
        default=DEFAULTS.shard_size,
        help="How large a tar may be: in bytes, by a cautious estimate, or in samples (a plain number).",
    )
    @wraps(command)
    def with_settings(*args: Any, like: str | None, **options: Any) -> None:
        values = {name: options.pop(name) for name in SETTINGS}
        if like is None:
            settings = BuildSettings(**values)
        else:
            plan = plan_of(like)
            settings = settings_like(plan, {name: value for name, value in values.items() if _is_given(name)})
            options["mixing_set"] = options["mixing_set"] or mixing_set_like(like, plan, settings)
        command(*args, settings=settings, **options)

    return with_settings


def _is_given(name: str) -> bool:
    """Whether the command line has an option; those of a method are given as `options`."""
    source = click.get_current_context().get_parameter_source(name)
    return name == "options" or source is ParameterSource.COMMANDLINE


def work_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how the shards are built."""

    @max_errors_option
    @workers_option
    @how_it_runs(
        "--partition",
        type=Partition(),
        metavar="I/N",
        default=(0, 1),
        show_default=False,
        help="Build every N-th shard from shard I on, as one job of an array; `slurm` and `k8s` read I and N from the "
        "environment.",
    )
    @how_it_runs(
        "--engine",
        type=click.Choice(ENGINES),
        default=ENGINES[0],
        help="Where shards are built: on this machine, or on a Ray cluster, a task for each shard; then --workers is "
        "how many are built at a time.",
    )
    @how_it_runs(
        "--ray-address",
        metavar="ADDRESS",
        help="Address of the Ray cluster; default: the one that this machine is in.",
    )
    @quiet_option
    @wraps(command)
    def with_options(*args: Any, **options: Any) -> None:
        command(*args, **options)

    return with_options
