"""Errors that are no fault of the code; a message is one line: what was expected, what was found, what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

# Controls (C0, DEL, C1), marks that change the direction of text, separators of lines, and halves of surrogate pairs.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable_json(text: str) -> str:
    r"""JSON on one line with the same value, in which what `printable` would write as an escape is one, as `\u202e`."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


LONGEST = 2000  # characters of a message


def printable(text: object) -> str:
    r"""A text that can be shown anywhere: what would move, hide or break it is written as an escape, such as `\x1b`."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))


class LayerMixError(Exception):
    """A mistake in the input, the settings or the environment that the user can correct."""

    def __init__(self, message: str) -> None:
        r"""Hold the message, made printable; a line break in it, which may come from a path, is shown as `\n`.

        Of a message that is too long, as one that quotes a hostile file may be, the middle is left out.
        """
        text = printable(message)
        super().__init__(text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}")


class OutOfResources(LayerMixError):
    """Memory, open files, disk space or the time of a query have run out; nothing is said of what was read."""


class StoreError(LayerMixError):
    """An object store refuses, or cannot be reached; nothing is said of what was to be read or written."""


class BadImage(LayerMixError):
    """One image cannot be read. A build records the reason, skips the image and goes on."""


class Interrupted(LayerMixError):
    """The user stopped the work. What was finished is kept; the message says how to resume."""


# --- extras: packages that only parts of this one need --------------------------------------------------------------

EXTRAS = {  # by the module that is missing: the package, what needs it, and the extra that brings it
    "torch": ("PyTorch", "the reader and for running models", "torch"),
    "matplotlib": ("Matplotlib", "plots", "plots"),
    "pyarrow": ("pyarrow", "Arrow files and tables", "arrow"),
    "pandas": ("pandas", "data frames of queries", "pandas"),
    "polars": ("Polars", "data frames of queries", "polars"),
    "skimage": ("scikit-image", "the demo's photographs", "demo"),
}


class MissingExtraError(LayerMixError, ImportError):
    """A package is missing that only a part of this one needs; the message names the extra to install."""


def missing(module: str) -> MissingExtraError:
    """The error for a module of an extra that was not found."""
    package, use, extra = EXTRAS[module]
    return MissingExtraError(f"expected {package} for {use}, found none; pip install 'layermix-gen[{extra}]'")


def missing_extra(fault: ModuleNotFoundError) -> MissingExtraError | None:
    """The error to raise for such a fault; None if the module is of no extra."""
    module = (fault.name or "").partition(".")[0]
    return missing(module) if module in EXTRAS else None


@contextmanager
def extras_explained() -> Iterator[None]:
    """Import modules that may need an extra. Raises `MissingExtraError` where one is not installed."""
    try:
        yield
    except ModuleNotFoundError as fault:
        if explained := missing_extra(fault):
            raise explained from fault
        raise
