"""docs/architecture.md is held to the code: floors, folders, files and names."""

import ast
import re
from pathlib import Path

import layermix_gen
from tests.test_structure import FLOORS, FOLDERS

PACKAGE = Path(layermix_gen.__file__).parent
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def table(head: str) -> list[list[str]]:
    """The rows of the table below a head, by cells."""
    section = PAGE.split(f"## {head}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_floors_and_folders_are_those_that_there_are() -> None:
    floors: dict[int, set[str]] = {}
    folders, floor = set(), 0
    for number, cell, _ in table("The floors"):
        floor = int(number) if number else floor
        floors.setdefault(floor, set()).update(name for name in code(cell) if "/" not in name)
        folders |= {name for name in code(cell) if (PACKAGE / name).is_dir()}
    assert [floors[number] for number in sorted(floors)] == [set(names) for names in FLOORS]
    listed = {folder.relative_to(PACKAGE).as_posix() for folder in FOLDERS} - {"."}
    assert folders == {name for name in listed if not name.startswith("commands/")}


def defined(path: Path) -> set[str]:
    """The functions and classes of a module."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, kinds)}


def test_everything_is_where_it_is_said_to_be() -> None:
    rows = table("Where do I find ...")
    assert len(rows) > 20
    for _, file, names in rows:
        (path,) = code(file)
        assert code(names)
        assert set(code(names)) <= defined(PACKAGE / path), path


def test_every_file_that_is_named_is_there() -> None:
    files = [name for name in code(PAGE) if re.fullmatch(r"[\w/]+\.pyi?", name)]
    assert len(files) > 50
    for name in files:
        places = [PACKAGE / name, PACKAGE.parent / name, PACKAGE / "evaluate" / name]
        assert any(place.exists() for place in places), name
