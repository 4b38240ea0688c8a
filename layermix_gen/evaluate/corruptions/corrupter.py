"""Write corrupted copies of any images in the benchmarks' layouts: one corruption after the other, on all cores.

A corruption is made at several severities, a perturbation of P as a sequence of frames. The pixels of an image depend
on the seed, its id, the corruption and the severity, and on nothing else: neither on the number of workers nor on which
other corruptions are made. `corruptions.json` says what was made, and how; a later call
can continue a folder only with the same settings.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from layermix_gen.errors import BadImage, Interrupted, LayerMixError
from layermix_gen.evaluate.arguments import as_texts, check_type
from layermix_gen.evaluate.benchmarks import SEVERITIES, Scale
from layermix_gen.evaluate.corruptions import corrupted, names_of
from layermix_gen.evaluate.corruptions.layouts import LAYOUTS, Layout, LayoutName, MadeImages, make_layout, write_labels
from layermix_gen.evaluate.corruptions.perturbations.published_sequences import (
    MOST_FRAMES,
    perturbed,
    sequence_parameters,
)
from layermix_gen.evaluate.corruptions.published import FAMILIES, Family, parameters
from layermix_gen.evaluate.corruptions.record import RECORD, check_record, describe
from layermix_gen.evaluate.corruptions.sampling import draw_sample
from layermix_gen.evaluate.corruptions.sequence_layouts import make_sequence_layout
from layermix_gen.evaluate.preprocessing import CROP
from layermix_gen.images import SMALL, Image
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources import Item, Source, SourceOptions, open_source, open_test_set
from layermix_gen.sources.base import DEFAULT_OPTIONS
from layermix_gen.support.checks import as_path, as_several, check_choice, check_output, check_seed, check_whole
from layermix_gen.support.files import disk_errors, write_json
from layermix_gen.support.locks import alone
from layermix_gen.support.processes import checked_workers, working
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.seeds import corruption_generator, perturbation_generator
from layermix_gen.support.text import count, facts

CHUNK = 32  # images per task
MOST_BYTES = 1 << 25  # of the sequences of a task; one image always fits


@dataclass(frozen=True, slots=True)
class Corrupted:
    """What `corrupt` has made."""

    root: Path
    record: dict[str, Any]  # as in corruptions.json
    made: tuple[str, ...]
    kept: tuple[str, ...]  # corruptions that were there already

    def summary(self) -> str:
        """The facts, one per line."""
        record = self.record
        severities = ", ".join(map(str, record["severities"]))
        form = f"at severities {severities}" if severities else "as sequences"
        return facts(
            {
                "corrupted": f"{count(record['images'], 'image')} ({record['source']['kind']}) {form}, "
                f"{record['scale']} scale",
                "made": ", ".join(self.made),
                "kept": ", ".join(self.kept),
                "layout": f"{record['layout']} in {self.root}",
            }
        )


@dataclass(frozen=True)
class _Task:
    """The settings that a worker needs."""

    location: str
    kind: str
    max_pixels: int
    options: SourceOptions
    items: list[Item]
    layout: Layout
    suite: Family
    scale: Scale
    severities: tuple[int, ...]
    crop: int  # of sequences, in px; 0 for none
    chunk: int
    seed: int

    @cached_property
    def source(self) -> Source:
        """The source, opened once in each process."""
        return open_source(self.location, self.kind, self.max_pixels, self.options)


def corrupt(
    source: str | Path,
    out: str | Path,
    suite: Family,
    *,
    scale: Scale | None = None,
    severities: tuple[int, ...] | None = None,
    corruptions: tuple[str, ...] = (),
    sample: int | None = None,
    seed: int = 0,
    kind: str = "auto",
    source_options: SourceOptions = DEFAULT_OPTIONS,
    layout: LayoutName | None = None,
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    progress: bool = True,
) -> Corrupted:
    """Corrupt all images of `source` by the corruptions of `suite`, "c" or "cbar", and write them to the folder `out`.

    The suite "p" makes sequences of frames, which have no severities; for the others, None stands for all five.
    `corruptions` names some of the suite; () stands for all. `sample` draws so many images by the seed, evenly from the
    classes; None takes all. `scale` chooses the parameters of "cifar" or "imagenet", and `layout` is "arrays" or
    "folders" (see `layouts`); the defaults are "cifar" and "arrays" for squares of up to 64 px, "imagenet" and
    "folders" for others. `kind`, `max_pixels` and the options are as in `open_source`; by default the test split is
    taken, where there are splits. Corruptions that are there already are kept: the same call resumes, and one that
    names more adds these.

    Raises `LayerMixError` for what the user can mend, such as an image that cannot be read, and `Interrupted` after
    Ctrl-C.
    """
    workers, root, source = checked_workers(workers), as_path(out, "output folder"), as_path(source, "source")
    check_type("kind", kind, str)
    check_whole("max pixels", max_pixels, 1)
    check_type("progress", progress, bool)
    check_choice("suite", suite, FAMILIES)
    corruptions = as_texts("corruptions", corruptions)
    severities = _severities(suite, severities)
    check_seed(seed)
    opened = open_test_set(source, kind, max_pixels, source_options)
    check_output(root, source=source, mark=RECORD)
    items = draw_sample(opened.items(), sample, seed)
    shape = _read(opened, items[0]).shape
    is_small = shape[0] == shape[1] <= SMALL
    scale = scale or ("cifar" if is_small else "imagenet")
    layout = layout or ("arrays" if is_small else "folders")
    check_choice("layout", layout, LAYOUTS)
    names = _names(suite, scale, corruptions)
    made_by = (
        make_sequence_layout(layout, root, opened, items, scale, shape)
        if suite == "p"
        else make_layout(layout, root, opened, items, severities, shape)
    )
    record = describe(opened, items, suite=suite, scale=scale, severities=list(severities), seed=seed, layout=layout)
    task = _Task(
        *(opened.location, opened.kind, max_pixels, opened.options),
        items=items,
        layout=made_by,
        suite=suite,
        scale=scale,
        severities=severities,
        crop=CROP if layout == "folders" else 0,
        chunk=_sequences(CROP**2 if layout == "folders" else shape[0] * shape[1]) if suite == "p" else CHUNK,
        seed=seed,
    )
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        with alone(root):
            check_record(root, record)
            _note(root, record, made_by)  # first: the record marks the folder as ours
            if layout == "arrays" and suite != "p":
                write_labels(root, items, severities)
            return _run(task, root, names, record, workers, progress)


def _run(
    task: _Task, root: Path, names: tuple[str, ...], record: dict[str, Any], workers: int, progress: bool
) -> Corrupted:
    layout, kept = task.layout, tuple(name for name in names if task.layout.path(name).exists())
    missing = tuple(name for name in names if name not in kept)
    size, total = task.chunk, len(task.items)
    chunks = [range(first, min(first + size, total)) for first in range(0, total, size)]
    try:
        with (
            working(task, min(workers, len(chunks)) if missing else 1) as pool,
            progress_bar(len(missing) * total, "image", progress, "corrupting") as bar,
        ):
            for name in missing:
                bar.set_description(name)
                layout.begin(name)
                for done in pool.in_order(_write, [(name, chunk) for chunk in chunks]):
                    bar.update(done)
                layout.finish(name)
                _note(root, record, layout)
    except KeyboardInterrupt as error:
        finished = sum(layout.path(name).exists() for name in names)
        message = f"stopped with {finished} of {len(names)} {_noun(task.suite)}; run the same command to go on"
        raise Interrupted(message) from error
    return Corrupted(root, record, missing, kept)


def _note(root: Path, record: dict[str, Any], layout: Layout) -> None:
    """Write the record, with the parameters of every corruption of the suite that is complete."""
    there = [name for name in names_of(record["suite"], record["scale"]) if layout.path(name).exists()]
    numbers = sequence_parameters if record["suite"] == "p" else parameters
    record["corruptions"] = {name: numbers(name, record["scale"]) for name in there}
    write_json(root / RECORD, record)


# --- in a worker ---------------------------------------------------------------------------------------------------


def _write(task: _Task, part: tuple[str, range]) -> int:
    """Corrupt and write some images; return how many."""
    name, numbers = part
    task.layout.write(name, numbers, [_corrupted(task, task.items[number], name) for number in numbers])
    return len(numbers)


def _corrupted(task: _Task, item: Item, name: str) -> MadeImages:
    """Corrupt one image of the source at all severities, or make its frames."""
    image = _read(task.source, item)
    try:
        view = task.layout.view(image)
    except BadImage as fault:
        raise LayerMixError(
            f"expected images that fit the layout, got {item.id}: {fault}; make them alike, or change --layout"
        ) from fault
    if task.suite == "p":
        return perturbed(view, name, task.scale, perturbation_generator(task.seed, item.id, name), task.crop)
    rngs = [corruption_generator(task.seed, item.id, name, severity) for severity in task.severities]
    return [
        corrupted(view, name, severity, task.scale, rng) for severity, rng in zip(task.severities, rngs, strict=True)
    ]


def _read(source: Source, item: Item) -> Image:
    try:
        return source.read(item)
    except BadImage as fault:
        raise LayerMixError(
            f"cannot read {item.id}: {fault}; a test set needs all of its images: mend it, or take it out of the source"
        ) from fault


# --- checks --------------------------------------------------------------------------------------------------------


def _severities(suite: Family, severities: tuple[int, ...] | None) -> tuple[int, ...]:
    """The severities in rising order. Raises `LayerMixError` for others than 1 to 5, and for any of P."""
    if severities is None:
        return () if suite == "p" else SEVERITIES
    severities = as_several("severities", severities)
    if suite == "p":
        raise LayerMixError("expected no severities for suite p, whose sequences have none; leave out --severities")
    wrong = [severity for severity in severities if type(severity) is not int or severity not in SEVERITIES]
    if wrong or not severities:
        found = repr(wrong[0]) if wrong else "none"
        raise LayerMixError(f"severities must be whole numbers in [1, 5], got {found}; change --severities")
    return tuple(sorted(set(severities)))


def _sequences(size: int) -> int:
    """How many sequences of images of `size` pixels a worker makes at a time."""
    return min(max(MOST_BYTES // (3 * size * MOST_FRAMES), 1), CHUNK)


def _names(suite: Family, scale: Scale, corruptions: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the corruptions in the benchmark's order. Raises `LayerMixError` for unknown ones."""
    known = names_of(suite, scale)
    unknown = [name for name in corruptions if name not in known]
    if unknown:
        raise LayerMixError(
            f"expected {_noun(suite)} of {suite} at {scale} scale, which are {', '.join(known)}, "
            f"got {unknown[0]!r}; change --corruptions"
        )
    return tuple(name for name in known if name in corruptions or not corruptions)


def _noun(suite: Family) -> str:
    return "perturbations" if suite == "p" else "corruptions"
