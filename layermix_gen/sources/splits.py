"""Splits of a dataset, such as `train` and `val`, are sources of their own and no classes of one."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import SPLITS, is_image_name
from layermix_gen.sources.folder import leads_to_folder, scan
from layermix_gen.support.text import as_text

MOST = 32  # folders of one depth that are looked into
_DEEPEST = 5  # folders below the root: ILSVRC/Data/CLS-LOC, and where its archive was unpacked
_BESIDE = frozenset({"pred", "extra", "unlabeled"})  # no splits to train on, but no classes beside some, either


def refuse_splits(root: Path) -> None:
    """Raise `LayerMixError` where folders of images are splits instead of classes, in the root or in folders of it."""
    places, is_only = [root], True
    for _ in range(_DEEPEST + 1):
        is_only, inner = is_only and len(places) == 1, []
        for place in places:
            entries = sorted(scan(place), key=lambda entry: entry.name)
            if splits := _splits(entries, is_only):
                where = as_text(place)
                raise LayerMixError(
                    f"expected class folders in {as_text(root)}, found the {_phrase(splits)} in {where}; give one, "
                    f"such as {where}/{as_text(splits[0])}, or --kind folder to take them as classes"
                )
            if not any(is_image_name(entry.name) for entry in entries):
                inner += [Path(entry.path) for entry in entries if leads_to_folder(entry)]
        places = inner[:MOST]


def _splits(entries: Sequence[os.DirEntry[str]], is_only: bool) -> list[str]:
    """The folders that are splits, training first; none where a class only happens to be named like one.

    Two whole names are splits anywhere. In the root, or in the only folder in it (`is_only`), so is a name with more
    words where all folders have such names. A single one is a split if nothing else is there, or if it has folders of
    its own: `train` is also a vehicle.
    """
    named = [entry for entry in entries if _words(entry.name) & SPLITS and leads_to_folder(entry)]
    whole = [entry for entry in named if entry.name.lower() in SPLITS]
    if not named or not (is_only or whole[1:]):
        return []
    has_others = any(leads_to_folder(one) and not _words(one.name) & (SPLITS | _BESIDE) for one in entries)
    found = whole if has_others or not is_only else named
    is_alone = bool(whole) and not has_others
    if len(found) < 2 and not is_alone and not any(leads_to_folder(one) for at in found for one in scan(Path(at.path))):
        return []
    if not any(_has_images(Path(entry.path)) for entry in found):
        return []
    return sorted((entry.name for entry in found), key=lambda name: (not _words(name) & {"train", "training"}, name))


def _words(name: str) -> set[str]:
    """The first and the last word of a name, in lower case: "seg" and "train" of "seg_train1"."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return {*words[:1], *words[-1:]}


def _has_images(folder: Path, depth: int = 2) -> bool:
    """Whether there are images in a folder, or in the first folders in it: annotations have splits, too."""
    entries = scan(folder)
    if any(is_image_name(entry.name) for entry in entries):
        return True
    inner = [Path(entry.path) for entry in entries if leads_to_folder(entry)][:MOST] if depth else []
    return any(_has_images(one, depth - 1) for one in inner)


def _phrase(splits: list[str]) -> str:
    names = " and ".join([", ".join(map(as_text, splits[:-1])), as_text(splits[-1])] if splits[1:] else splits)
    return f"split {names}" if len(splits) == 1 else f"splits {names}"
