"""docs/reliability.md is held to the harnesses: each is named there with its command, and no other."""

import re
from pathlib import Path

from tests.faults.__main__ import HARNESSES

PAGE = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text("utf-8")


def test_each_harness_is_named_with_its_command() -> None:
    commands = re.findall(r"`python -m tests\.faults (\w+) --rounds \d+`", PAGE)
    assert sorted(commands) == sorted(HARNESSES)
    assert PAGE.count("tests.faults") == len(commands)
