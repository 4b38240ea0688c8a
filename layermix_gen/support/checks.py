"""Checks of arguments: each raises one line that says what was expected, what was found and what to change."""

import operator
import os
import re
from collections.abc import Collection, Hashable, Iterable, Set
from contextlib import suppress
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.support.files import reason
from layermix_gen.support.text import as_text

MAX_SEED = 2**63 - 1
_OF_SYSTEMS = frozenset(  # in lower case: file systems, Windows, macOS's archives, network storage
    {"lost+found", "system volume information", "$recycle.bin", "thumbs.db", "ehthumbs.db", "desktop.ini"}
    | {"__macosx", "@eadir", "#recycle", "@recycle"}
)
_URL = re.compile(r"[A-Za-z][\w+.:-]+://")
_LIKE_A_URL = re.compile(r"[A-Za-z][\w+.:-]+:/")  # in a Path, two slashes become one


def check_whole(name: str, value: Any, low: int, high: int | None = None, *, change: str = "") -> None:
    """Raise `LayerMixError` unless `value` is an int, and no bool, in [low, high]; without `high`, from `low` on.

    `change` tells the user what to change, by default the option `--name`.
    """
    if type(value) is not int or not low <= value <= (MAX_SEED if high is None else high):
        bounds = f"from {low} on" if high is None else f"in [{low}, {high}]"
        raise LayerMixError(f"{name} must be a whole number {bounds}, got {value!r:.80}; change {change or flag(name)}")


def as_whole(name: str, value: Any, low: int, high: int | None = None, *, change: str = "") -> int:
    """Return a whole number of any type, including NumPy's, as an int. Raises as `check_whole` does."""
    if not isinstance(value, bool):
        with suppress(TypeError):
            value = int(operator.index(value))
    check_whole(name, value, low, high, change=change)
    number: int = value
    return number


def check_seed(value: Any) -> None:
    """Raise `LayerMixError` unless `value` is a whole number in [0, 2^63)."""
    check_whole("seed", value, 0, MAX_SEED)


def check_number(name: str, value: Any, low: float, high: float, *, what: str = "") -> None:
    """Raise `LayerMixError` unless `value` is a number, and no bool, in [low, high]. `what` describes it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and low <= value <= high):
        exact = isinstance(value, float) and float(f"{value:g}") == value
        found = f"{value:g}" if exact else str(value) if is_number else f"{value!r:.80}"
        raise LayerMixError(f"{name} must be {what}in [{low:g}, {high:g}], got {found}; change {flag(name)}")


def check_share(name: str, value: Any) -> None:
    """Raise `LayerMixError` unless `value` is a number in [0, 1]."""
    check_number(name, value, 0, 1, what="a share ")


def check_choice(name: str, value: Any, choices: Collection[Any], *, change: str = "") -> None:
    """Raise `LayerMixError` unless `value` is one of `choices`; the message leaves out None."""
    # An array has no hash, and compares item by item; in a dict, a tuple with a list in it would be a TypeError.
    if not isinstance(value, Hashable) or value not in tuple(choices):
        known = ", ".join(str(choice) for choice in choices if choice is not None)
        raise LayerMixError(f"{name} must be one of {known}, got {value!r:.80}; change {change or flag(name)}")


def as_several(name: str, values: Any) -> tuple[Any, ...]:
    """Return several values as a tuple. Raises `LayerMixError` for a single one: a text would be split into letters."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise LayerMixError(f"{name} must be several values, got {values!r:.80}; write {name}=({values!r:.80},)")
    return tuple(values)


def as_ordered(name: str, values: Any) -> tuple[Any, ...]:
    """Return several values as `as_several` does. Raises `LayerMixError` for a set, too: their order has a meaning."""
    if isinstance(values, Set):
        raise LayerMixError(f"{name} must be in an order, which a set has not, got {values!r:.80}; give a list")
    return as_several(name, values)


def is_remote(place: str | Path) -> bool:
    """Whether a place is a URL."""
    return isinstance(place, str) and bool(_URL.match(place))


def as_path(path: Any, what: str) -> Path:
    """Return the path that a user gave, with the home folder for a `~`. Raises `LayerMixError` for a URL or no path.

    A path that would be another one the second time is made absolute, such as `~` for `./~`.
    """
    if not isinstance(path, str | Path):
        raise LayerMixError(f"expected a path as the {what}, got {path!r:.80}; give a text or a Path")
    if path == "":
        raise LayerMixError(f"expected a path as the {what}, got an empty text; name one")
    if "\0" in str(path):
        raise LayerMixError(f"expected a path as the {what}, got a zero byte in {path!r}; take it out")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise LayerMixError(f"expected a path as the {what}, got {path!r}; give it as the system does") from error
    if _LIKE_A_URL.match(str(path)):
        raise LayerMixError(
            f"expected a path of this machine as the {what}, got the URL {as_text(path)}; copy from or to it by other "
            "means (only datasets, mixing sets and the sources of builds are read or written at URLs, given as text)"
        )
    if str(path).startswith("~") and os.path.expanduser(path) == os.fspath(path):  # noqa: PTH111
        raise LayerMixError(
            f"expected a path as the {what}, got {as_text(path)}, of a user that is not there; mend the name, or "
            "give the path from / on, if it begins like this"
        )
    found = Path(os.path.expanduser(path))  # noqa: PTH111 - a Path would take ./~ for the home folder
    return found.absolute() if str(found).startswith("~") or _LIKE_A_URL.match(str(found)) else found


def as_utf8_path(path: Any, what: str) -> Path:
    """Return a path as `as_path` does, checked to be valid as UTF-8 text, as in a plan."""
    path = as_path(path, what)
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        found, remedy = as_text(path.absolute()), "rename it, or use a UTF-8 locale if that is what it is in"
        raise LayerMixError(f"expected a path in UTF-8 as the {what}, got {found}; {remedy}") from error
    return path


def is_of_system(name: str) -> bool:
    """Tell by its name whether an operating system put a file or folder where it is, such as `__MACOSX`."""
    return name.lower() in _OF_SYSTEMS


def entries(folder: Path) -> list[str]:
    """The sorted names in a folder, without hidden ones and those that operating systems put there. Raises OSError."""
    names = (one.name for one in folder.iterdir())
    return sorted(name for name in names if not name.startswith(".") and not is_of_system(name))


def check_output(
    folder: Path,
    *,
    source: Path | None = None,
    mark: str = "",
    own: Collection[str] = (),
    hidden: bool = False,
    remedy: str = "choose another",
) -> None:
    """Raise `LayerMixError` unless `folder` is missing or empty and can be written to, or was begun by this command.

    A folder with a file `mark` in it was begun by this command; `own` are names that it may have written before that.
    Hidden entries, and those of operating systems, count only with `hidden`. The folder may not lie in `source`, the
    folder that is read.
    """
    try:
        if source and source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
            raise LayerMixError(f"expected an output folder outside of {source}, got {folder}; {remedy}")
        parents = (folder, *folder.absolute().parents)
        for one in parents:
            if one.is_symlink() and not one.exists():
                raise LayerMixError(f"expected a folder to write into, found a broken link at {one}; {remedy}")
        if folder.exists() and not folder.is_dir():
            raise LayerMixError(f"expected a folder to write into, found a file at {folder}; {remedy}")
        there = next(one for one in parents if one.exists())
        if not (there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK)):
            raise LayerMixError(f"cannot write to {folder}: {there} is no folder, or closed to you; {remedy}")
        if folder.is_dir() and not (mark and (folder / mark).exists()):
            names = sorted(one.name for one in folder.iterdir()) if hidden else entries(folder)
            if others := [name for name in names if name not in own]:
                raise LayerMixError(f"expected an empty folder, found {others[0]!r} in {folder}; {remedy}")
    except OSError as error:
        raise LayerMixError(f"cannot write to {folder}: {reason(error)}; {remedy}") from error


def flag(name: str) -> str:
    """The name of an option on the command line: `--blending-ratio`."""
    return f"--{name.replace(' ', '-').replace('_', '-')}"
