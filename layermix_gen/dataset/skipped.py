"""Inputs that were skipped in a build, and why."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Skipped:
    """A source image that could not be decoded, and why. It is in no plane of its shard."""

    source: str
    reason: str


def skipped_text(skipped: Sequence[Skipped]) -> str:
    """The text of `errors.jsonl`: every input that was skipped, one JSON object a line."""
    return "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in skipped)


def reasons(skipped: Sequence[Skipped]) -> dict[str, int]:
    """How often each reason was given, without its details; the most frequent first."""
    return dict(Counter(one.reason.partition(":")[0] for one in skipped).most_common())
