"""The plan of a build: every input in its shuffled order, cut into shards, frozen before the first pixel is touched.

`plan.json` says what is built from what; `sources.jsonl` lists the inputs in planned order, one line each, so that a
worker reads the lines of its shard and nothing else. The fingerprint covers all that can change a byte: inputs,
settings, mixing set and the versions of the code. The number of variants is not part of it, because planes can be
added.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from layermix_gen._version import __version__
from layermix_gen.dataset.names import LISTING, PLAN
from layermix_gen.dataset.outlets.base import IN_PLACE, Outlet
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.sources import Item, Source, SourceOptions, open_source
from layermix_gen.sources.base import DEFAULT_OPTIONS, MAX_ID
from layermix_gen.support.files import (
    cannot_read,
    check_format,
    read_json,
    reason,
    regular,
    replacing,
    sealed,
    unsealed,
    with_retries,
    write_json,
)
from layermix_gen.support.parsing import made_of, parse_json
from layermix_gen.support.seeds import shuffled

FORMAT = "layermix-gen plan 5"
ADDABLE = ("variants", "clean")  # settings that only say which planes there are
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
    """What is built from what. `offsets` are the bytes at which each shard begins in `sources.jsonl`."""

    root: Path
    inputs: Inputs
    settings: BuildSettings
    mixing_set: MixingSetFacts | None
    offsets: tuple[int, ...]
    versions: dict[str, str] = field(default_factory=versions)
    outlet: Outlet = IN_PLACE  # of what is written in `root`; no part of what is built

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self.offsets)

    @property
    def fingerprint(self) -> str:
        """A digest of all that can change a byte of a sample or its place."""
        identity, options = self.identity(), self.settings.options
        left_out = options.kinds().keys() - options.chosen(self.settings.size).keys()
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

    def bounds(self, number: int) -> tuple[int, int]:
        """The first input of shard `number`, and the first of the next; sizes differ by one at most."""
        return shard_bounds(self.inputs.count, self.shards, number)

    def items(self, number: int) -> Iterator[tuple[int, Item]]:
        """The inputs of one shard with their ordinals, read from `sources.jsonl`."""
        start, stop = self.bounds(number)
        lines = _lines(self.root / LISTING, self.offsets[number], stop - start)
        return ((ordinal, _item(line, ordinal)) for ordinal, line in enumerate(lines, start))


def shard_bounds(count: int, shards: int, number: int) -> tuple[int, int]:
    """The bounds of shard `number` when `count` inputs are cut into `shards` as evenly as possible."""
    return count * number // shards, count * (number + 1) // shards


def shard_count(count: int, samples_at_most: int) -> int:
    """How many shards to cut `count` inputs into, with a bound on a tar's samples that comes from a size in bytes."""
    for_cores = min(FEW_SHARDS, 2 * round(count / (2 * SMALL_SHARD)))  # even, so that two workers end together
    return max(1, for_cores, -(-count // samples_at_most))


def planned_order(source: Source, seed: int) -> list[Item]:
    """All inputs, shuffled: a stream sorted by class would train badly."""
    items = source.items()
    return [items[i] for i in shuffled(len(items), seed)]


def make_plan(
    root: Path,
    source: Source,
    items: Sequence[Item],
    settings: BuildSettings,
    mixing_set: MixingSetFacts | None,
    shards: int,
) -> Plan:
    """Plan a build of `items`, in this order, with resolved settings. Writes nothing."""
    offsets, offset = [], 0
    starts = {shard_bounds(len(items), shards, number)[0] for number in range(shards)}
    for ordinal, item in enumerate(items):
        if ordinal in starts:
            offsets.append(offset)
        offset += len(_line(item))
    inputs = Inputs(
        source.kind, source.location, _digest(items), len(items), source.ignored, source.classes, source.options
    )
    return Plan(root, inputs, settings, mixing_set, tuple(offsets))


def check_listing(plan: Plan) -> None:
    """Raise `LayerMixError` unless `sources.jsonl` has the inputs of the plan, in its order and at its offsets."""
    offsets, items, offset = [], [], 0
    starts = {plan.bounds(number)[0] for number in range(plan.shards)}
    with regular(plan.root / LISTING).open("rb") as file:
        for ordinal, line in enumerate(file):
            if ordinal in starts:
                offsets.append(offset)
            offset += len(line)
            items.append(_item(line, ordinal))
    if len(items) != plan.inputs.count or _digest(items) != plan.inputs.digest or tuple(offsets) != plan.offsets:
        raise LayerMixError("its inputs are not those of the plan")
    listed = [""] * len(items)
    for item, place in zip(items, shuffled(len(items), plan.settings.seed).tolist(), strict=True):
        listed[place] = item.id
    if listed != sorted(listed):  # sources list their items sorted by id
        raise LayerMixError("its inputs are in another order than that of the plan")


def _digest(items: Sequence[Item]) -> str:
    """The digest of the inputs, which depends neither on their order nor on their location."""
    facts = sorted((item.id, item.label, item.size) for item in items)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _lines(path: Path, offset: int, count: int) -> list[bytes]:
    """So many lines of a file from `offset` on, empty ones after its end."""

    def read() -> list[bytes]:
        with regular(path).open("rb") as file:
            file.seek(offset)
            return [file.readline() for _ in range(count)]

    with _reading_listing(path):
        return with_retries(read, path)


@contextmanager
def _reading_listing(path: Path) -> Iterator[None]:
    """Say of a listing that is there and cannot be read what to do; one that is missing raises FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise cannot_read(path, reason(error), "delete it and run the same command to write it again") from error


def _line(item: Item) -> bytes:
    return (json.dumps([item.id, item.label, item.size, item.at]) + "\n").encode()


def _item(line: bytes, ordinal: int) -> Item:
    try:
        source_id, label, size, at = facts = parse_json(line)
        if list(map(type, facts)) != [str, int, int, list] or not _is_id(source_id) or size < 0:
            raise ValueError("no item of a source")
        return Item(source_id, label, size, tuple(at))
    except (ValueError, TypeError) as error:
        message = f"{LISTING} is damaged at input {ordinal}; delete it and run the same command to write it again"
        raise LayerMixError(message) from error


def _is_id(text: str) -> bool:
    """Whether a text can be an id: valid Unicode, as long as the path of a file at most, without a zero byte."""
    return len(text.encode()) <= MAX_ID and "\0" not in text


def write_listing(root: Path, items: Sequence[Item]) -> None:
    """Write `sources.jsonl`, the inputs in planned order, atomically."""
    with replacing(root / LISTING) as draft, draft.open("wb") as file:
        file.writelines(map(_line, items))


def is_listed(root: Path, items: Sequence[Item]) -> bool:
    """Whether `sources.jsonl` lists these inputs, in this order and with these sizes and places, and nothing else."""
    path = root / LISTING

    def compare() -> bool:
        with regular(path).open("rb") as file:
            return all(file.readline() == _line(item) for item in items) and not file.read(1)

    try:
        with _reading_listing(path):
            return with_retries(compare, path)
    except FileNotFoundError:
        return False


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
    if not plan.offsets or plan.offsets[0] or list(plan.offsets) != sorted(plan.offsets):
        raise ValueError("offsets of shards that do not begin at 0 and rise")
    if plan.inputs.count < plan.shards:
        raise ValueError(f"{plan.inputs.count} inputs in {plan.shards} shards")
    if plan.fingerprint != fingerprint:
        raise ValueError("its fingerprint does not fit its content")
    return plan
