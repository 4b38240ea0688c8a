"""What a verification has found: every file and sample that is not as it was built, and what was looked at."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from layermix_gen.errors import LayerMixError
from layermix_gen.support.text import count

SHOWN = 5  # problems of one file that are printed


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something that is not as it was built: the file's path in the dataset, the sample's key if it is one's, what."""

    file: str
    key: str
    what: str


@contextmanager
def noting(problems: list[Problem], file: str) -> Iterator[None]:
    """Take note of an error as a problem of `file`."""
    try:
        yield
    except LayerMixError as error:
        problems.append(Problem(file, "", str(error)))


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """A verification: what was looked at, the samples that were rendered again, and the problems, sorted."""

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

    def __str__(self) -> str:
        seen = f"{count(self.shards, 'shard')}, {count(self.tars, 'tar')}, {count(self.samples, 'sample')}"
        again = f", {count(self.replayed, 'sample')} rendered again" if self.replayed else ""
        head = f"{self.location}: {seen}, {self.bytes / 1e6:.1f} MB checked{again}"
        found = f"{count(len(self.problems), 'problem')} in {count(len(self.files), 'file')}"
        lines = [f"{head}; {'all is as it was built' if self.ok else found}", *_listed(self), self.note]
        return "\n".join(filter(None, lines))


def _listed(report: VerificationReport) -> Iterable[str]:
    """The problems file by file, of each the first few."""
    for file, of_file in groupby(report.problems, key=lambda problem: problem.file):
        problems = list(of_file)
        for problem in problems[:SHOWN]:
            yield f"  {file}  {problem.key + ': ' if problem.key else ''}{problem.what}"
        if len(problems) > SHOWN:
            yield f"  {file}  and {len(problems) - SHOWN} more"
