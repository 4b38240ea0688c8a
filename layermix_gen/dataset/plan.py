"""The plan of a build: every input in its shuffled order, cut into shards, frozen before the first pixel is touched.

`plan.json` says what is built from what; `sources.parquet` lists the inputs in planned order, so that a worker reads
the rows of its shard and little else. The fingerprint covers all that can change a byte: inputs, settings, mixing set
and the versions of the code. The number of variants is not part of it, because planes can be added; nor is whether
they are virtual, because they can be stored later.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from layermix_gen._version import __version__
from layermix_gen.dataset.listings.listing import WRITE_AGAIN, Listing, check_items, read_items
from layermix_gen.dataset.names import LISTING, PLAN, SHA256
from layermix_gen.dataset.outlets.base import IN_PLACE, Outlet
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.sources import Item, Source, SourceOptions, open_source
from layermix_gen.sources.base import DEFAULT_OPTIONS
from layermix_gen.support.checks import is_remote
from layermix_gen.support.files import (
    cannot_read,
    check_format,
    file_digest,
    read_json,
    reason,
    regular,
    replacing,
    sealed,
    unsealed,
    with_retries,
    write_json,
)
from layermix_gen.support.parsing import made_of

FORMAT = "layermix-gen plan 6"
ADDABLE = ("variants", "clean", "store")  # settings that only say which planes there are, and in which form
FEW_SHARDS, SMALL_SHARD = 64, 128  # a small dataset has up to 64 shards for cores to share, of about 128 inputs
LIBRARIES = ("numpy", "simplejpeg", "pillow", "deflate", "duckdb")  # the bytes depend on them

_NAMES = {"mixing_set": "pool"}  # of fields that have another name in the file
_NAMES_READ = {there: here for here, there in _NAMES.items()}


@dataclass(frozen=True, slots=True)
class Inputs:
    """The source as it was listed. `digest` is over ids, labels and sizes; location is where it is now."""

    kind: str
    location: str
    digest: str
    count: int
    ignored: int
    classes: tuple[str, ...]
    options: SourceOptions = DEFAULT_OPTIONS

    def open(self, max_pixels: int) -> Source:
        """Open the source again. Raises `LayerMixError` where it is gone."""
        return open_source(self.location, self.kind, max_pixels, self.options)


@dataclass(frozen=True, slots=True)
class MixingSetFacts:
    """The mixing set of a plan: where it is, its digest and its dimensions."""

    location: str
    digest: str
    count: int
    size: int
    color: bool

    @classmethod
    def of(cls, mixing_set: MixingSet) -> "MixingSetFacts":
        location = str(mixing_set.path.absolute()) if mixing_set.path else ""
        return cls(location, mixing_set.digest, len(mixing_set), mixing_set.size, mixing_set.color)


def versions() -> dict[str, str]:
    """The versions of the code that the bytes of a sample depend on."""
    return {"layermix-gen": __version__} | {name: version(name) for name in LIBRARIES}


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is built from what.

    `listing` is the sha256 of `sources.parquet`, "" for a plan that does not answer for what inputs were when listed.
    """

    root: Path
    inputs: Inputs
    settings: BuildSettings
    mixing_set: MixingSetFacts | None
    shards: int
    listing: str = ""
    versions: dict[str, str] = field(default_factory=versions)
    outlet: Outlet = IN_PLACE  # of what is written in `root`; no part of what is built

    @property
    def fingerprint(self) -> str:
        """A digest of all that can change a byte of a sample or its place."""
        identity, options = self.identity(), self.settings.options
        left_out = options.kinds().keys() - options.chosen(self.settings.side).keys()
        if identity["keys"] == "unique":
            left_out |= {"keys"}
        # Without what has its default, a plan from before there was that choice has the same fingerprint.
        text = json.dumps({name: value for name, value in identity.items() if name not in left_out}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def identity(self) -> dict[str, Any]:
        """The facts that the fingerprint covers, by readable names."""
        settings = {name: value for name, value in asdict(self.settings).items() if name not in ADDABLE}
        inputs = {"source": self.inputs.digest, "images": self.inputs.count, "classes": self.inputs.classes}
        mixing_set = {"mixing set": self.mixing_set and self.mixing_set.digest}
        options = settings.pop("options")
        return inputs | settings | options | mixing_set | self.versions | {"shards": self.shards}

    @property
    def mixing_set_place(self) -> str | Path | None:
        """The path or URL of the mixing set, perhaps in the dataset's own folder; None where nothing is mixed."""
        if self.mixing_set is None:
            return None
        location = self.mixing_set.location
        return location if is_remote(location) else self.root / location

    def bounds(self, number: int) -> tuple[int, int]:
        """The first input of shard `number`, and the first of the next; sizes differ by one at most."""
        return shard_bounds(self.inputs.count, self.shards, number)

    def shard_of(self, ordinal: int) -> int:
        """The shard of an input."""
        return (self.shards * (ordinal + 1) - 1) // self.inputs.count

    def items(self, number: int, *, as_listed: bool = False) -> Iterator[tuple[int, Item]]:
        """The inputs of one shard with their ordinals, read from `sources.parquet`.

        With `as_listed`, reading one that was replaced since is an error, where the plan answers for that.
        """
        start, stop = self.bounds(number)
        answers = as_listed and self.listing
        items = read_items(self.root / LISTING, start, stop)
        return enumerate((item if answers else replace(item, version="") for item in items), start)


def shard_bounds(count: int, shards: int, number: int) -> tuple[int, int]:
    """The bounds of shard `number` when `count` inputs are cut into `shards` as evenly as possible."""
    return count * number // shards, count * (number + 1) // shards


def shard_count(count: int, samples_at_most: int) -> int:
    """How many shards to cut `count` inputs into, with a bound on a tar's samples that comes from a size in bytes."""
    for_cores = min(FEW_SHARDS, 2 * round(count / (2 * SMALL_SHARD)))  # even, so that two workers end together
    return max(1, for_cores, -(-count // samples_at_most))


def make_plan(
    root: Path,
    source: Source,
    listing: Listing,
    settings: BuildSettings,
    mixing_set: MixingSetFacts | None,
    shards: int,
) -> Plan:
    """Plan a build of the inputs of a source, as they were listed, with resolved settings. Writes nothing."""
    inputs = Inputs(
        source.kind, source.location, listing.digest, len(listing), source.ignored, source.classes, source.options
    )
    return Plan(root, inputs, settings, mixing_set, shards, listing.sha256)


def check_listing(plan: Plan) -> None:
    """Raise `LayerMixError` unless `sources.parquet` has the inputs of the plan, in its order, and is as it was."""
    check_items(plan.root / LISTING, plan.settings.seed, plan.inputs.count, plan.inputs.digest)
    if not is_listed(plan):
        raise LayerMixError("its bytes are not those of the plan")


def write_listing(root: Path, listing: Listing) -> None:
    """Write `sources.parquet`, the inputs in planned order, atomically."""
    with replacing(root / LISTING) as draft:
        shutil.copyfile(listing.path, draft)


def is_listed(plan: Plan) -> bool:
    """Whether `sources.parquet` is the listing of the plan, to the last byte."""
    path = plan.root / LISTING
    try:
        return with_retries(lambda: file_digest(regular(path)), path) == plan.listing
    except FileNotFoundError:
        return False
    except OSError as error:
        raise cannot_read(path, reason(error), WRITE_AGAIN) from error


def write_plan(plan: Plan, *, new: bool = False) -> None:
    """Write `plan.json`, atomically. With `new`, raises FileExistsError where there is one already."""
    facts = {"format": FORMAT, "fingerprint": plan.fingerprint} | plan_facts(plan)
    write_json(plan.root / PLAN, sealed(facts), new=new)


def plan_facts(plan: Plan) -> dict[str, Any]:
    """The content of a plan, without the folder that it lies in, and without its outlet."""
    facts = asdict(replace(plan, outlet=IN_PLACE))
    return {_NAMES.get(name, name): facts[name] for name in facts if name not in ("root", "outlet")}


def read_plan(root: Path) -> Plan | None:
    """The plan of the dataset at `root`, or None where there is none. Raises `LayerMixError` where it is damaged."""
    path = root / PLAN
    try:
        value = read_json(path)
        check_format(value.get("format", "no format"), FORMAT, path)
        return _from_json(root, unsealed(value))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LayerMixError(f"{path} is damaged ({error}); restore it, or build into another folder") from error


def _from_json(root: Path, value: dict[str, Any]) -> Plan:
    """Rebuild a plan from parsed JSON. Raises ValueError if that is not a plan."""
    fingerprint, _ = value.pop("fingerprint", None), value.pop("format")
    plan = made_of(Plan, {_NAMES_READ.get(name, name): one for name, one in value.items()}, root=root, outlet=IN_PLACE)
    if not plan.settings.is_resolved:
        raise ValueError("settings without size, view or format")
    if not 1 <= plan.shards <= plan.inputs.count:
        raise ValueError(f"{plan.inputs.count} inputs in {plan.shards} shards")
    if not re.fullmatch(SHA256, plan.listing):
        raise ValueError("no digest of its listing")
    if plan.fingerprint != fingerprint:
        raise ValueError("its fingerprint does not fit its content")
    return plan
