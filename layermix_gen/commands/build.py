"""`layermix-gen build`: the command for `layermix_gen.build` and, with `--dry-run`, for `layermix_gen.estimate`."""

from typing import Any

import click

from layermix_gen.building.builder import build
from layermix_gen.building.estimator import estimate
from layermix_gen.commands.explained import how_it_runs
from layermix_gen.commands.options.build_options import settings_options, work_options
from layermix_gen.commands.options.method_options import MethodCommand
from layermix_gen.commands.parameters import json_option
from layermix_gen.commands.showing import show_report
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.support.worker_pool import keep_memory

EXAMPLES = {
    "layermix-gen build photos shards --dry-run": "Tell how large the dataset will be, and how long it will take.",
    "layermix-gen build photos shards": "Make eight variants of each photograph, and its clean view.",
    "layermix-gen build cifar-10-batches-py s3://bucket/cifar --variants 8 --view-mode shared --workers 16": (
        "Build for the Jensen-Shannon loss into an object store."
    ),
}


@click.command("build", cls=MethodCommand, examples=EXAMPLES)
@settings_options
@work_options
@how_it_runs("--dry-run", is_flag=True, help="Say what would be built and how long it would take; write nothing.")
@json_option
def command(source: str, out: str, settings: BuildSettings, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Compute LayerMix variants of every image of SOURCE and write them to OUT as WebDataset shards.

    OUT is a folder or a URL, such as s3://bucket/shards: then a temporary folder, below $TMPDIR, holds a shard of each
    worker until it is uploaded: workers x planes x --shard-size.

    SOURCE is a folder of class folders, a published set (CIFAR, MNIST, STL-10, SVHN), NumPy's arrays, WebDataset tars,
    a table of paths and labels, or Parquet or Arrow files with images. The same command resumes an unfinished OUT; with
    more --variants it adds planes to it.
    """
    keep_memory()
    show_report((estimate if dry_run else build)(source, out, settings, **options), as_json)
