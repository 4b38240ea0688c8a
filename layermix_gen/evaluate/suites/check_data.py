"""Look for suites in a folder, and for what would stop an evaluation of them, before hours are spent.

Each part is opened as a run opens it, which reads headers and counts files. With `deep` every image is read too.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layermix_gen.dataset.manifest import is_dataset
from layermix_gen.errors import LayerMixError, printable
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.benchmarks import Scale, extra_list, mean_list
from layermix_gen.evaluate.suites import Data, Part, SuiteOptions, SuiteSource, find_suite, locate
from layermix_gen.evaluate.suites.agreement import contradiction, differs
from layermix_gen.evaluate.suites.arrays import dimensions
from layermix_gen.evaluate.suites.arrays import names as array_names
from layermix_gen.evaluate.suites.folders import folder_names
from layermix_gen.evaluate.suites.suite_folders import DATASETS, PUBLISHED, plain, published
from layermix_gen.sources.array_files import cifar, idx
from layermix_gen.support.checks import as_path
from layermix_gen.support.parsing import jsonable
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.text import as_text, count

BATCH = 256  # images that are read at a time
BLANK_SHARE = 0.1  # a part with a larger share of images of one colour is reported as broken


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """A suite that was found, what it holds, and its problems, one line each."""

    suite: str
    folder: Path
    content: str
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """What was found, as JSON has it."""
        facts: dict[str, Any] = jsonable(self)
        return facts

    def summary(self) -> str:
        """What was found, for people: one line, and one more for each problem."""
        state = count(len(self.problems), "problem") if self.problems else "complete"
        lines = [f"{self.suite}: {state}, {self.content}, in {as_text(self.folder)}"]
        return "\n".join(map(printable, [*lines, *(f"  {problem}" for problem in self.problems)]))


def check_data(root: str | Path, *, deep: bool = False, threads: int = 0, progress: bool = True) -> list[SuiteReport]:
    """Look for suites in `root`: published ones under their own names, or one suite that `root` itself is.

    Only the first problem of each part is reported. Raises `LayerMixError` where no suite is found.
    """
    root = as_path(root, "folder with suites")
    check_type("deep", deep, bool)
    check_type("progress", progress, bool)
    if not root.is_dir():
        raise LayerMixError(f"expected a folder with suites, found none at {as_text(root)}; check the path")
    options = SuiteOptions(extras=True, threads=threads)
    found = [locate({name: root}) for name in DATASETS if published(name, root)] or [locate({_suite_of(root): root})]
    return [finding for data in found for finding in _check_all(data, options, deep, progress)]


def _check_all(data: Data, options: SuiteOptions, deep: bool, progress: bool) -> Iterator[SuiteReport]:
    """Check the suites of one dataset, each by itself, and the corrupted ones against the clean one."""
    clean: tuple[SuiteSource, Part] | None = None
    for suite, folder in data.folders.items():
        try:
            source = find_suite(suite, data, options)
        except LayerMixError as error:
            yield SuiteReport(suite, folder, "unreadable", (str(error),))
            continue
        parts, problems = _look_through(source, deep, progress)
        if parts:
            usual = _usual(parts)
            problems += _wrong_parts(parts, usual) + _wrong_count(source, usual, data)
            if suite == "clean":
                clean = source, usual
            elif clean and suite in ("c", "cbar"):
                problem = contradiction(usual, clean[1], source.in_order and clean[0].in_order)
                problems += [problem] * bool(problem)
        yield SuiteReport(suite, folder, _content(source, parts, data.scale), tuple(dict.fromkeys(problems)))


def _suite_of(root: Path) -> str:
    """The suite that a folder holds, judged by the names and the form of its corruptions."""
    if is_dataset(root) or idx.find(root) or any(cifar.find(name, root) for name in cifar.VERSIONS):
        return "clean"
    arrays = array_names(root)
    names, scale = (set(arrays), "cifar") if arrays else (set(folder_names(root)), "imagenet")
    if any(dimensions(root, name) == 5 for name in arrays) or any(
        next(root.glob(f"{name}/*/*.mp4"), None) for name in sorted(names) if not arrays
    ):
        return "p"
    shares = {suite: len(names & _known(suite, scale)) for suite in ("c", "cbar")}
    best = max(shares, key=lambda suite: shares[suite])
    if shares[best]:
        return best
    if arrays:
        raise LayerMixError(
            f"expected arrays of C, C-bar or P in {as_text(root)}, found {arrays[0]}.npy, which no list names; "
            "check the path"
        )
    return "clean"


def _known(suite: str, scale: str) -> set[str]:
    which: Scale = "cifar" if scale == "cifar" else "imagenet"
    return {*mean_list(suite, which), *extra_list(suite)}


def _look_through(source: SuiteSource, deep: bool, progress: bool) -> tuple[dict[str, Part], list[str]]:
    """The parts of a suite that can be opened, and the problems of the suite and its other parts."""
    problems = [f"unknown: {name}, which no list names" for name in source.unknown]
    if source.missing:
        problems.append(f"missing: {', '.join(source.missing)}")
    parts: dict[str, Part] = {}
    with progress_bar(len(source.parts), "part", progress, desc=source.suite) as bar:
        for name in source.parts:
            try:
                parts[name] = source.open(name)
                if deep:
                    parts[name] = replace(parts[name], size=_read_through(parts[name], name, progress))
            except LayerMixError as error:
                problems.append(str(error))
            bar.update()
    return parts, problems


def _usual(parts: dict[str, Part]) -> Part:
    """A part that is like most others."""
    facts = [(part.total, part.size, None if part.labels is None else part.labels.tobytes()) for part in parts.values()]
    usual = Counter(facts).most_common(1)[0][0]
    return list(parts.values())[facts.index(usual)]


def _wrong_parts(parts: dict[str, Part], usual: Part) -> list[str]:
    """The problems of parts that differ from the usual one."""
    return [problem for name, part in parts.items() if (problem := differs(part, usual, name))]


def _wrong_count(source: SuiteSource, usual: Part, data: Data) -> list[str]:
    """The problem of a suite whose length is not that of the published one, if so."""
    expected = PUBLISHED.get(plain(source.folder.name))
    if source.suite == "clean" and data.dataset in cifar.VERSIONS and not is_dataset(source.folder):
        expected = PUBLISHED[f"{data.dataset}c"]
    found, times = usual.total, len(usual.severities)
    if not expected or found == expected * times:
        return []
    noun = "videos" if usual.labels is None else "images"
    each = " at each severity" if times > 1 else ""
    return [
        f"expected {expected} {noun}{each}, as published, found {found // times}; "
        "get the suite again, or rename a folder of your own"
    ]


def _content(source: SuiteSource, parts: dict[str, Part], scale: Scale) -> str:
    """What a suite holds, as in `15 parts of 5 x 10000 images as arrays`."""
    if not parts:
        return f"nothing readable as {source.form}"
    part = next(iter(parts.values()))
    severities = f"{len(part.severities)} x " if any(part.severities) else ""
    size = f"{severities}{part.total // len(part.severities)} {'videos' if part.labels is None else 'images'}"
    if source.suite not in ("c", "cbar", "p"):
        return f"{size} as {source.form}"
    extras = len(set(parts) & set(extra_list(source.suite)))
    listed, of = len(parts) - extras, len(mean_list(source.suite, scale))
    number = str(len(parts)) if listed == of else f"{len(parts)} of {of}"
    return f"{number} parts of {size} as {source.form}" + (f" ({count(extras, 'extra')})" if extras else "")


def _read_through(part: Part, name: str, progress: bool) -> tuple[int, int]:
    """Read all images; return their (H, W).

    Raises `LayerMixError` for one that cannot be read or is of another size, and where many are of one colour.
    """
    blank = images = 0
    size = (0, 0)
    with progress_bar(part.total, "image", progress, desc=name, leave=False) as bar:
        for batch in part.batches(BATCH):
            size = batch.shape[1:3]
            flat = batch.reshape(len(batch), -1)
            blank += int((flat.min(1) == flat.max(1)).sum())
            images += len(batch)
            bar.update(len(batch))
    if blank > BLANK_SHARE * images:
        raise LayerMixError(f"expected pictures in {name}, found {blank} of {images} of one colour; get the part again")
    return size
