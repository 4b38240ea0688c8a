"""Progress of long work: a bar on standard error where that is a terminal, else a line in the log every 30 seconds.

A line is also logged while nothing gets done, so that a log tells work that stands still from work that goes on.

Lines go to the logger `layermix_gen`, those of progress to `layermix_gen.progress`. Where nobody has set up logging,
they are written to standard error, so that a script that knows nothing of logging does not lose a warning.
"""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from time import monotonic
from typing import Any, ClassVar, Self

from tqdm import tqdm

from layermix_gen.errors import printable
from layermix_gen.support.text import count, duration

EVERY = 30.0  # seconds between two lines of progress
STILL = 30.0  # seconds after a line until one says that nothing was done
KEPT = 0.7  # how much the pace of all lines before counts in the next, as tqdm smoothes it

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
) -> "tqdm[Any] | ProgressLines":
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


class ProgressLines:
    """Progress for logs: a line every `EVERY` seconds and, with `leave`, one at the end of work that took so long.

    Lines are written as units are done. While none is, a thread writes them within the context, and says for how long.
    """

    _open: ClassVar[list["ProgressLines"]] = []

    def __init__(self, total: int | None, unit: str, desc: str, initial: int, leave: bool) -> None:
        self.n = initial
        self._total, self._unit, self._desc, self._initial, self._leave = total, unit, desc, initial, leave
        self._start = self._moved = self._logged = self._counted = monotonic()  # no clock that is set back
        self._told = initial  # what the last line said
        self._pace = (0.0, 0.0)  # units and seconds, of all lines, the last ones counting most
        self._writing, self._closed = threading.Lock(), threading.Event()
        self._owner = threading.get_ident()

    def __enter__(self) -> Self:
        self._open.append(self)
        self._heart = threading.Thread(target=self._beat, name="progress lines", daemon=True)
        with suppress(RuntimeError):  # no thread can be started: then none is written while nothing is done
            self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Log the last line of long work; none comes after it."""
        self._closed.set()
        self._open.remove(self)
        if self._heart.is_alive():
            self._heart.join()
        if self._leave and self.n != self._told and monotonic() - self._start >= EVERY:
            self._pace = (0.0, 0.0)  # for the pace of all the work
            _log(_OF_PROGRESS, logging.INFO, self._line(self.n))

    def update(self, n: float = 1) -> None:
        """Count units that are done: a whole number, as tqdm's is to all but type checkers."""
        if n:
            self.n += int(n)
            self._moved = monotonic()
            self.log_if_due(EVERY)

    def set_description(self, desc: str) -> None:
        """Say otherwise what is done, from the next line on."""
        self._desc = desc

    def log_if_due(self, every: float) -> float:
        """Log the state, if the last line is `every` seconds old; return the seconds until another is due."""
        with self._writing:
            now, done = monotonic(), self.n
            if (left := self._logged + every - now) > 0:
                return left
            self._logged = now
            if done != self._told:
                units, seconds = self._pace
                self._pace = (KEPT * units + done - self._told, KEPT * seconds + now - self._counted)
                _log(_OF_PROGRESS, logging.INFO, self._line(done))
                self._told, self._counted = done, now
            elif not self._has_inner():
                _log(_OF_PROGRESS, logging.INFO, self._line(done))
            return every

    def _beat(self) -> None:
        pause = STILL
        while not self._closed.wait(pause):
            pause = self.log_if_due(STILL)

    def _has_inner(self) -> bool:
        """Whether the thread that opened this bar has opened another within it, whose lines tell more."""
        later = takewhile(lambda bar: bar is not self, reversed(self._open))
        return any(bar._owner == self._owner for bar in later)

    def _line(self, done: int) -> str:
        """`building: 500 of 2000 images (25%), 12 images/s, 2.1 minutes left`, or `..., no image for 60 s`."""
        total, unit, now = self._total, self._unit, monotonic()
        parts = [count(done, unit)]
        if total is not None:
            parts = [f"{done} of {count(total, unit)} ({100 * done // max(total, 1)}%)"]
        if done == self._told:
            parts.append(f"{'finishing' if done == total else f'no {unit}'} for {duration(now - self._moved)}")
        else:
            units, seconds = self._pace
            rate = units / seconds if seconds else (done - self._initial) / max(now - self._start, 1e-9)
            parts.append(f"{f'{rate:.0f}' if rate >= 10 else f'{rate:.2g}'} {unit}s/s")
            if total is not None and rate and done < total:
                parts.append(f"{duration((total - done) / rate)} left")
            elif total is not None:
                parts.append(f"in {duration(now - self._start)}")
        return f"{self._desc or 'progress'}: {', '.join(parts)}"


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
