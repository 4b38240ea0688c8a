"""The tars that a location names: one, a folder of them, or a pattern with wildcards and braces."""

import os
import re
from pathlib import Path

from braceexpand import braceexpand

from layermix_gen.errors import LayerMixError
from layermix_gen.support.text import as_text

MAGIC = re.compile(r"[*?\[{]")  # what makes a location a pattern
_PACKED = re.compile(r"\.(tar\.(gz|bz2|xz|zst|lz4|z)|t(gz|bz2?|xz|zst))$", re.IGNORECASE)
_MAX_TARS = 1_000_000  # that braces may name
_BRACES = re.compile(r"\\.|\{(-?\w+)\.\.(-?\w+)(?:\.\.-?\d+)?\}|[{},]")  # an escape, a range, or a list's parts


def is_pattern(location: str) -> bool:
    """Tell whether this is a pattern of tars and not a path."""
    return not Path(location).exists() and bool(MAGIC.search(_split_pattern(location)[1]))


def expand(location: str) -> list[Path]:
    """Return the tars that a path, a pattern or a folder names, sorted. Raises `LayerMixError` if one is missing."""
    if Path(location).is_dir():
        found = _tars_in(Path(location))
    elif is_pattern(location):
        folder, pattern = _split_pattern(location)
        found = {path for name in expand_braces(pattern) for path in _expand_glob(folder, name)}
    else:
        found = {Path(location)}
    missing = sorted(path for path in found if not path.is_file())
    if missing or not found:
        raise LayerMixError(
            f"expected tars, found none at {as_text(missing[0] if missing else location)}; check the path"
        )
    return sorted(found)


def is_tar_name(name: str) -> bool:
    """Tell by its extension whether a file is meant to be a tar that is not compressed."""
    return name.lower().endswith(".tar")


def is_packed_name(name: str) -> bool:
    """Tell by its extension whether a file is meant to be a compressed tar."""
    return bool(_PACKED.search(name))


def _tars_in(folder: Path) -> set[Path]:
    """The tars directly in a folder, and the compressed ones that do not lie beside what they are decompressed to."""
    with os.scandir(folder) as entries:
        names = {entry.name for entry in entries if not entry.name.startswith(".")}
    packed = {name for name in names if is_packed_name(name) and _PACKED.sub(".tar", name) not in names}
    return {folder / name for name in {*filter(is_tar_name, names), *packed}}


def root_of(location: str) -> Path:
    """Return the folder that the tars' names are relative to: all of the location before the first wildcard."""
    if Path(location).is_dir():
        return Path(location)
    if not is_pattern(location):
        return Path(location).parent
    folder, pattern = _split_pattern(location)
    return folder / MAGIC.split(pattern)[0].rpartition("/")[0]


def _split_pattern(location: str) -> tuple[Path, str]:
    """Split a pattern into the longest leading folder that exists as it is written, and the pattern below it."""
    folder = Path(location).parent
    while not folder.is_dir():
        folder = folder.parent
    return folder, Path(location).relative_to(folder).as_posix()


def expand_braces(pattern: str) -> list[str]:
    """The names that a pattern stands for by its braces. Raises `LayerMixError` for braces that are wrong."""
    try:
        if _count_names(pattern) > _MAX_TARS:
            raise LayerMixError(
                f"expected at most {_MAX_TARS} tars, got more by {as_text(pattern)}; narrow the braces, or use *"
            )
        return [name.lstrip("/") for name in braceexpand(pattern)]
    except ValueError as fault:
        raise LayerMixError(f"expected balanced braces, got {as_text(pattern)}; mend the pattern") from fault


def _count_names(pattern: str) -> int:
    """At least the names that braces expand to: a range counts without its step. Raises ValueError for absurd ends."""
    lists = [(0, 1)]  # of each list that is open: the names of its members so far, and of the member at hand
    for part in _BRACES.finditer(pattern):
        names, member = lists[-1]
        if part[1]:
            first, last = (int(end) if end.lstrip("-").isdigit() else ord(end[0]) for end in part.groups())
            lists[-1] = names, member * (abs(last - first) + 1)
        elif part[0] == "{":
            lists.append((0, 1))
        elif part[0] == "," and len(lists) > 1:
            lists[-1] = names + member, 1
        elif part[0] == "}" and len(lists) > 1:
            lists.pop()
            lists[-1] = lists[-1][0], lists[-1][1] * (names + member)
    return lists[0][1]


def _expand_glob(folder: Path, pattern: str) -> list[Path]:
    if not MAGIC.search(pattern):
        return [folder / pattern]
    return list(folder.glob(pattern))
