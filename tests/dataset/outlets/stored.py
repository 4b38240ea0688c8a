"""Builds in object stores, and what they leave, compared with a folder."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import Result

from layermix_gen import BuildSettings, build
from layermix_gen.dataset.outlets import holders
from tests.helpers import files, without_start
from tests.servers import objects

SETTINGS = BuildSettings(variants=1, size=16, shard_size="6")  # 24 photographs in 4 shards
MORE = replace(SETTINGS, variants=2)
MEMORY = "memory://outlet/shards"


def built(photographs: Path, pool: Path) -> Callable[..., Any]:
    return partial(build, photographs, mixing_set=pool, workers=1, progress=False)


def differs(url: str, root: Path) -> list[str]:
    """The names of what differs between a store and a folder, but for the time of a run in the manifest."""
    found = objects(url)
    names = set(found).symmetric_difference(files(root))
    both = set(found) - names - {"dataset.json"}
    return sorted(names | {name for name in both if found[name] != (root / name).read_bytes()})


def said(found: Result) -> str:
    """What a command wrote to standard error after it said what it builds."""
    return without_start(found.stderr)


def scratch() -> list[Path]:
    """The temporary folders of builds that are there."""
    return sorted(Path(tempfile.gettempdir()).glob(f"{holders.PREFIX}*-*-*-*"))
