"""Is the data there? Looks for suites in a folder, and for what would stop an evaluation, before hours are spent.

Each part is opened as a run opens it, which reads headers and counts files. With `deep` every image is read too.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.lists import Scale, extra_list, mean_list
from layermix_gen.evaluate.suites import Data, Opening, Part, SuiteSource, find_suite, locate
from layermix_gen.evaluate.suites.arrays import dimensions
from layermix_gen.evaluate.suites.arrays import names as array_names
from layermix_gen.evaluate.suites.base import rebatched
from layermix_gen.evaluate.suites.folders import folder_names
from layermix_gen.evaluate.suites.locate import DATASETS, PUBLISHED, plain, published
from layermix_gen.evaluate.suites.shards import is_dataset
from layermix_gen.sources import cifar, idx
from layermix_gen.sources.base import as_text
from layermix_gen.text import count

BATCH = 256  # images that are read at a time
BLANK_SHARE = 0.1  # of images of one colour, from which on a part is not believed


@dataclass(frozen=True, slots=True)
class Finding:
    """A suite that was found, what it holds, and what is wrong with it, a line each."""

    suite: str
    folder: Path
    content: str
    problems: tuple[str, ...]

    def summary(self) -> str:
        """What was found, for people: a line, and a line for each problem."""
        state = count(len(self.problems), "problem") if self.problems else "complete"
        lines = [f"{self.suite}: {state}, {self.content}, in {as_text(self.folder)}"]
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])


def check_data(root: str | Path, *, deep: bool = False, threads: int = 0, progress: bool = True) -> list[Finding]:
    """Look for suites in `root`: published ones under their own names, or one suite that `root` itself is.

    Of each part that has something wrong, the first thing is reported. Raises `LayerMixError` where no suite is found.
    """
    root = Path(root)
    if not root.is_dir():
        raise LayerMixError(f"expected a folder with suites, found none at {as_text(root)}; check the path")
    opening = Opening(extras=True, threads=threads)
    found = [locate({name: root}) for name in DATASETS if published(name, root)] or [locate({_suite_of(root): root})]
    return [_check(suite, data, opening, deep, progress) for data in found for suite in data.folders]


def _suite_of(root: Path) -> str:
    """Which suite a folder is: by the names of its corruptions, and by their form."""
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


def _check(suite: str, data: Data, opening: Opening, deep: bool, progress: bool) -> Finding:
    folder = data.folders[suite]
    try:
        source = find_suite(suite, data, opening)
    except LayerMixError as error:
        return Finding(suite, folder, "unreadable", (str(error),))
    problems = [f"unknown: {name}, which no list names" for name in source.unknown]
    if source.missing:
        problems.append(f"missing: {', '.join(source.missing)}")
    parts: dict[str, Part] = {}
    for name in tqdm(source.parts, desc=suite, unit="part", disable=None if progress else True):
        try:
            parts[name] = source.open(name)
            if deep:
                _read_through(parts[name], name, progress)
        except LayerMixError as error:
            problems.append(str(error))
    usual = Counter(part.total for part in parts.values()).most_common(1)
    if usual:
        problems += _wrong_counts(source, parts, data, usual[0][0])
    return Finding(suite, folder, _content(source, parts), tuple(problems))


def _wrong_counts(source: SuiteSource, parts: dict[str, Part], data: Data, usual: int) -> list[str]:
    """Parts of other lengths than the rest, and a suite of another length than the published one."""
    one = next(iter(parts.values()))
    noun = "videos" if one.labels is None else "images"
    problems = [
        f"expected {usual} {noun} in {name} as in the other parts, found {part.total}; get the part again"
        for name, part in parts.items()
        if part.total != usual
    ]
    expected = PUBLISHED.get(plain(source.folder.name))
    if source.suite == "clean" and data.dataset in cifar.VERSIONS and not is_dataset(source.folder):
        expected = PUBLISHED[f"{data.dataset}c"]
    if expected and usual != expected * len(one.severities):
        each = " at each severity" if len(one.severities) > 1 else ""
        problems.append(
            f"expected {expected} {noun}{each}, as published, found {usual // len(one.severities)}; "
            "get the suite again, or rename a folder of your own"
        )
    return problems


def _content(source: SuiteSource, parts: dict[str, Part]) -> str:
    """`15 parts of 5 x 10000 images as arrays`."""
    if not parts:
        return f"nothing readable as {source.form}"
    part = next(iter(parts.values()))
    severities = f"{len(part.severities)} x " if len(part.severities) > 1 else ""
    size = f"{severities}{part.total // len(part.severities)} {'videos' if part.labels is None else 'images'}"
    extras = len(set(parts) & set(extra_list(source.suite)))
    text = f"{size} as {source.form}" if len(source.parts) == 1 else f"{len(parts)} parts of {size} as {source.form}"
    return text + (f" ({count(extras, 'extra')})" if extras else "")


def _read_through(part: Part, name: str, progress: bool) -> None:
    """Read all images. Raises `LayerMixError` for one that cannot be read, and where many are of one colour."""
    blank = images = 0
    with tqdm(total=part.total, desc=name, unit="image", leave=False, disable=None if progress else True) as bar:
        for batch in rebatched(part.pieces(BATCH), BATCH):
            flat = batch.reshape(len(batch), -1)
            blank += int((flat.min(1) == flat.max(1)).sum())
            images += len(batch)
            bar.update(len(batch))
    if blank > BLANK_SHARE * images:
        raise LayerMixError(f"expected pictures in {name}, found {blank} of {images} of one colour; get the part again")
