"""Progress of long work: a bar on standard error where that is a terminal, else a line in the log every 30 seconds.

Lines go to the logger `layermix_gen`, those of progress to `layermix_gen.progress`. Where nobody has set up logging,
they are written to standard error, so that a script that knows nothing of logging does not lose a warning.
"""

import io
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from layermix_gen.errors import printable
from layermix_gen.support.text import count, duration

EVERY = 30.0  # seconds between two lines of progress

_LOG = logging.getLogger("layermix_gen")
_OF_PROGRESS = logging.getLogger("layermix_gen.progress")


def progress_bar(
    total: int | None,
    unit: str,
    show: bool,
    desc: str = "",
    *,
    initial: int = 0,
    leave: bool = True,
    delay: float = 0,
    unit_scale: bool = False,
) -> "tqdm[Any]":
    """A bar that counts `unit`s up to `total`, None if that is not known; `desc` says what is done with them.

    At a terminal it appears after `delay` seconds, shortens numbers with `unit_scale`, and stays there with `leave`.
    """
    if not show or not (sys.stderr or _LOG.hasHandlers()):
        return tqdm(total=total, unit=unit, initial=initial, disable=True)
    if not _is_terminal():
        return ProgressLines(total, unit, desc, initial, leave)
    return tqdm(
        total=total, unit=unit, desc=desc or None, initial=initial, leave=leave, delay=delay, unit_scale=unit_scale
    )


class ProgressLines(tqdm):  # type: ignore[type-arg]  # a subscript of tqdm is for type checkers alone
    """A bar for logs: a line every `EVERY` seconds and, with `leave`, one at the end of work that took so long."""

    def __init__(self, total: int | None, unit: str, desc: str, initial: int, leave: bool) -> None:
        self._told: float = initial  # what the last line said
        what: dict[str, Any] = {"total": total, "unit": unit, "desc": desc or "progress", "initial": initial}
        super().__init__(**what, leave=leave, file=io.StringIO(), delay=EVERY, mininterval=EVERY, miniters=1)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Log how far the work is, unless the last line said so; tqdm gives a `msg` only to clear a terminal."""
        if msg is None and self.n != self._told:
            self._told = self.n
            _log(_OF_PROGRESS, logging.INFO, _line(self.format_dict))

    def set_description(self, desc: str | None = None, refresh: bool | None = False) -> None:
        """Say otherwise what is done, from the next line on."""
        super().set_description(desc, refresh=False)


def _line(state: Mapping[str, Any]) -> str:
    """`building: 500 of 2000 images (25%), 12 images/s, 2.1 minutes left`."""
    done, total, unit, seconds = state["n"], state["total"], state["unit"], state["elapsed"]
    rate = state["rate"] or (done - state["initial"]) / max(seconds, 1e-9)
    pace = f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"
    head = f"{state['prefix'].removesuffix(': ')}: "
    if total is None:
        return f"{head}{count(done, unit)}, {pace} {unit}s/s"
    share = f"{done} of {count(total, unit)} ({100 * done // max(total, 1)}%)"
    left = f"{duration((total - done) / rate)} left" if rate and done < total else f"in {duration(seconds)}"
    return f"{head}{share}, {pace} {unit}s/s, {left}"


def say(line: str) -> None:
    """Tell people a line, above a bar that is being drawn."""
    _log(_LOG, logging.INFO, line)


def warn(line: str) -> None:
    """Warn people, above a bar that is being drawn."""
    _log(_LOG, logging.WARNING, line)


def say_without_bar(line: str) -> None:
    """Tell people a line where `progress_bar` draws nothing: standard error is not a terminal."""
    if not _is_terminal():
        say(line)


@contextmanager
def log_shown() -> Iterator[None]:
    """Show on standard error what the package logs, in whatever way logging is set up otherwise."""
    shown, level = _Shown(), _LOG.level
    _LOG.addHandler(shown)
    _LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        _LOG.removeHandler(shown)
        _LOG.setLevel(level)


class _Shown(logging.Handler):
    """A handler that writes to the standard error of the moment, above a bar that is being drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr:
            warning = "warning: " if record.levelno >= logging.WARNING else ""
            tqdm.write(warning + printable(record.getMessage()), file=sys.stderr)


_STANDARD_ERROR = _Shown()


def _log(log: logging.Logger, level: int, line: str) -> None:
    if log.hasHandlers():
        log.log(level, "%s", line)
    else:
        _STANDARD_ERROR.emit(log.makeRecord(log.name, level, "", 0, line, (), None))


def _is_terminal() -> bool:
    return bool(sys.stderr and sys.stderr.isatty())
