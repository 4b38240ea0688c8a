"""Names from outside are printed as escapes by every command, and are whole in what programs read."""

import csv
import io
import json
import subprocess
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from layermix_gen.cli import main
from layermix_gen.commands.showing import bold, show
from layermix_gen.errors import printable
from layermix_gen.images.png import encode_png
from tests.helpers import COMMAND

CLASS = "\x1b[31mred\u202e\u2028\r\nsecond </script> \x07"
IMAGES = ["=1+2", "+cmd", "-cmd", "@sum", "plain", "a\x9bb\tc"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of a table whose paths and class names are hostile, in a folder with such a name."""
    folder = tmp_path_factory.mktemp("printed") / "in\x1b[2J\nfolder"
    folder.mkdir()
    for number, name in enumerate(IMAGES):
        pixels = np.full((8, 8, 3), 20 * number, np.uint8)
        (folder / f"{name}.png").write_bytes(encode_png(pixels))
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "class_name"])
        writer.writerows([f"{name}.png", 0, CLASS] for name in IMAGES)
    out = folder / "out"
    run(0, "build", folder / "table.csv", out, "--variants", 1, "--mixing-set", folder, "--workers", 1)
    return out


def run(status: int, *arguments: object) -> str:
    """Run a command in a process of its own; return its standard output. No line of what it prints has a control."""
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, check=False)
    said, shown = done.stderr.decode(), done.stdout.decode()
    assert done.returncode == status, said
    assert [line for line in (said + shown).split("\n") if printable(line) != line] == []
    return shown


def test_what_people_see_is_printable(root: Path, tmp_path: Path) -> None:
    assert printable(root) in run(0, "inspect", root)
    table = run(0, "inspect", root, "--where", "plane = 'clean'")
    assert len(table.splitlines()) == 1 + len(IMAGES)
    assert printable(CLASS) in table
    assert printable(CLASS) in run(0, "inspect", root, "--key", "000000000-v00")
    assert len(run(0, "verify", root, "--workers", 1).splitlines()) == 1
    sheet = root.parent / "sheet\x1b.png"
    assert run(0, "inspect", root, "--sheet", sheet) == f"{printable(sheet)}\n"
    run(1, "inspect", root, "--where", "op = '\x1b[31m\u202e' AND lay = 1")
    run(1, "inspect", root.parent / "no\x1bwhere\n")
    run(1, "build", root.parent / "no\x1bwhere\n", tmp_path / "out")


@pytest.mark.parametrize(
    "arguments", [("x", "more\x1b[2J"), ("x", "--\u202ehelp"), ("x", "--limit", "\x1b"), ("\x9b",)]
)
def test_wrong_usage_is_printable(arguments: tuple[str, ...]) -> None:
    for command in ("inspect", "evaluate"):
        result = CliRunner().invoke(main, [command, *arguments], color=True)  # as on a terminal
        assert result.exit_code > 0
        assert [line for line in result.output.split("\n") if printable(line) != line] == []


def test_lines_are_shown_with_what_is_bold(capsys: pytest.CaptureFixture[str]) -> None:
    """Where standard output is a terminal; elsewhere click leaves colours out."""
    with click.Context(main, color=True):
        show("a\x1b[31m\u2028\n" + bold("b\x07") + "\tc\r")
        show(Path("a\nb"))
    assert capsys.readouterr().out == "a\\x1b[31m\\u2028\n\x1b[1mb\\x07\x1b[0m\\tc\\r\na\\nb\n"


def test_what_programs_read_is_exact(root: Path) -> None:
    query = (root, "--where", "plane = 'clean'", "--columns", "source,class_name,label", "--format")
    found = json.loads(run(0, "inspect", *query, "json"))
    assert sorted(row["source"] for row in found) == sorted(f"{name}.png" for name in IMAGES)
    assert {row["class_name"] for row in found} == {CLASS}
    assert [json.loads(line) for line in run(0, "inspect", *query, "jsonl").split("\n")[:-1]] == found


def test_a_text_in_csv_is_printable_and_no_formula(root: Path) -> None:
    query = ("--where", "plane = 'clean'", "--columns", "source,class_name,label", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(run(0, "inspect", root, *query), newline="")))
    sources = {row["source"] for row in rows}
    assert {"'=1+2.png", "'+cmd.png", "'-cmd.png", "'@sum.png", "plain.png", r"a\x9bb\tc.png"} == sources
    assert {row["class_name"] for row in rows} == {printable(CLASS)}
    assert {row["label"] for row in rows} == {"0"}
