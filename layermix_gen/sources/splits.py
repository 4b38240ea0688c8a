"""Splits of a dataset, such as `train` and `val`, are sources of their own and no classes of one."""

from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import SPLITS, is_image_name
from layermix_gen.sources.folder import leads_to_folder, scan
from layermix_gen.support.text import as_text

_ILSVRC = (
    "CLS-LOC",
    "Data/CLS-LOC",
    "ILSVRC/Data/CLS-LOC",
)  # where ImageNet's archives have them
_DEEPEST = 3  # folders, each the only one in the one above, that are looked into


def refuse_splits(root: Path) -> None:
    """Raise `LayerMixError` where a folder holds splits instead of classes, there or in the only folder in it."""
    place = root
    for _ in range(_DEEPEST):
        for folder in (place, *(place / name for name in _ILSVRC)):
            if folder.is_dir() and (splits := _splits(folder)):
                where = as_text(folder)
                raise LayerMixError(
                    f"expected class folders in {as_text(root)}, found the {_phrase(splits)} in {where}; give one, "
                    f"such as {where}/{as_text(splits[0])}, or --kind folder to take them as classes"
                )
        entries = scan(place)
        folders = [] if any(is_image_name(entry.name) for entry in entries) else list(filter(leads_to_folder, entries))
        if len(folders) != 1:
            return
        place = Path(folders[0].path)


def _splits(folder: Path) -> list[str]:
    """The folders that are splits, training first; none where a class only happens to be named like one.

    `train` is also a vehicle: a single folder of such a name is a split if nothing else is there, or if it has folders
    of its own.
    """
    entries = scan(folder)
    named = [entry.name for entry in entries if entry.name.lower() in SPLITS and leads_to_folder(entry)]
    if not named:
        return []
    is_alone = len(named) == sum(map(leads_to_folder, entries))
    if len(named) > 1 or is_alone or any(map(leads_to_folder, scan(folder / named[0]))):
        return sorted(named, key=lambda name: (not name.lower().startswith("train"), name))
    return []


def _phrase(splits: list[str]) -> str:
    names = " and ".join([", ".join(map(as_text, splits[:-1])), as_text(splits[-1])] if splits[1:] else splits)
    return f"split {names}" if len(splits) == 1 else f"splits {names}"
