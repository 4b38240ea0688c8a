"""The findings of a verification: every file and sample that is not as it was built, and what was checked."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from layermix_gen.errors import LayerMixError, OutOfResources, StoreError, printable
from layermix_gen.support.notebooks import panels
from layermix_gen.support.parsing import jsonable
from layermix_gen.support.text import count

SHOWN = 5  # problems of one file that are printed


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A deviation from what was built: the file's path in the dataset, the sample or "", and what is wrong.

    `key` is the sample's key, with its plane where planes share keys: `000000123-v03`.
    """

    file: str
    key: str
    what: str


@contextmanager
def noting(problems: list[Problem], file: str) -> Iterator[None]:
    """Catch a `LayerMixError`, and append it to `problems` as a problem of `file`.

    Not where resources have run out, nor where an object store refuses: then nothing is known of the file.
    """
    try:
        yield
    except (OutOfResources, StoreError):
        raise
    except LayerMixError as error:
        problems.append(Problem(file, "", str(error)))


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The result of a verification: how much was checked and rendered again, and the problems, sorted."""

    location: str
    shards: int
    tars: int
    samples: int
    bytes: int
    replayed: int
    problems: tuple[Problem, ...]
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything is as it was built."""
        return not self.problems

    @property
    def files(self) -> tuple[str, ...]:
        """The files that have problems."""
        return tuple(dict.fromkeys(problem.file for problem in self.problems))

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON has it."""
        facts = jsonable(self)
        return {"dataset": facts.pop("location"), "ok": self.ok} | facts

    def __repr__(self) -> str:
        return f"<VerificationReport of {self.location}: {count(len(self.problems), 'problem')}>"

    def _repr_html_(self) -> str:
        return panels.panel("Verification", panels.lines(str(self)))

    def __str__(self) -> str:
        seen = f"{count(self.shards, 'shard')}, {count(self.tars, 'tar')}, {count(self.samples, 'sample')}"
        again = f", {count(self.replayed, 'sample')} rendered again" if self.replayed else ""
        head = f"{self.location}: {seen}, {self.bytes / 1e6:.1f} MB checked{again}"
        found = f"{count(len(self.problems), 'problem')} in {count(len(self.files), 'file')}"
        lines = [f"{head}; {'all is as it was built' if self.ok else found}", *_listed(self), self.note]
        return "\n".join(map(printable, filter(None, lines)))


def _listed(report: VerificationReport) -> Iterable[str]:
    """Lines for the problems file by file, the first few of each."""
    for file, of_file in groupby(report.problems, key=lambda problem: problem.file):
        problems = list(of_file)
        for problem in problems[:SHOWN]:
            yield f"  {file}  {problem.key + ': ' if problem.key else ''}{problem.what}"
        if len(problems) > SHOWN:
            yield f"  {file}  and {len(problems) - SHOWN} more"
