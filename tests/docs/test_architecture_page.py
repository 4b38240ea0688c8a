"""docs/architecture.md is held to the code and its words to all pages: floors, folders, files, names, the glossary."""

import ast
import re
from pathlib import Path

import pytest

import layermix_gen
from tests.test_structure import FLOORS, FOLDERS

PACKAGE = Path(layermix_gen.__file__).parent
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
USERS_PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
INSTEAD = {  # words of this project that no page may use, and what to say
    r"pools?|pooled|pooling": "mixing set",
    r"mixing pictures?": "picture of the mixing set",
    r"locators?": "where it is in the source",
    r"twins?": "what does the same",
    r"faces": "the names that users import",
    r"bought|buys": "measure, compare",
    r"deals? out|dealt out": "distribute",
    r"(?:versions|variants) of the attack": "forms of the attack",
    r"once asked|asks the model": "calls the model",
}


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


def glossary() -> set[str]:
    """The words that are explained: those of the first column, and those in italics in the second."""
    return {word for word, meaning in table("Words") for word in (word, *italics(meaning))}


def prose(page: str) -> str:
    """A page without its Python and what is `code` in a line. Help, listings and output stay: users read them, too."""
    return re.sub(r"`[^`\n]+`", "", re.sub(r"```python\n.*?```", "", page, flags=re.DOTALL))


def italics(text: str) -> list[str]:
    """The words in italics, by which pages mark words of the glossary; titles have capitals, variables one letter."""
    marked = re.findall(r"(?<![*\w/])\*([a-z][^*]*?[a-z])\*(?![*\w/])", prose(text))
    return [" ".join(words.split()) for words in marked]


def in_house(text: str) -> list[str]:
    """The words of `INSTEAD` that a page uses, each with what to say."""
    text = prose(text).replace("The Many Faces of Robustness", "")  # the title of a paper
    used = [(re.search(rf"\b(?:{word})\b", text, re.IGNORECASE), better) for word, better in INSTEAD.items()]
    return [f"{found[0]}: say {better}" for found, better in used if found]


def test_the_words_are_in_use() -> None:
    """A word that no page uses explains nothing."""
    pages = [path for path in USERS_PAGES if path.name != "architecture.md"]
    text = "\n".join(path.read_text("utf-8") for path in pages).lower()
    assert 15 <= len(table("Words")) <= 30
    assert [word for word in sorted(glossary()) if not re.search(rf"\b{word}s?\b", text)] == []


@pytest.mark.parametrize("path", USERS_PAGES, ids=lambda path: path.name)
def test_pages_need_no_word_that_the_glossary_lacks(path: Path) -> None:
    page = path.read_text("utf-8")
    assert in_house(page) == []
    assert set(italics(page)) <= glossary()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("  --mixing-set PATH   Pool (.npy) or folder", ["Pool: say mixing set"]),
        ("It takes memory-mapped pools.", ["pools: say mixing set"]),
        ("    sources.parquet   [id, label, bytes, locator]", ["locator: say where it is in the source"]),
        ("`open_shards` is its twin.", ["twin: say what does the same"]),
        ("```python\npool = 1\n```\nThe `pool` of The Many Faces of Robustness.", []),
    ],
)
def test_words_of_the_house_are_seen(text: str, fault: list[str]) -> None:
    assert in_house(text) == fault


def test_words_in_italics_are_seen() -> None:
    page = "A *view\nmode*, `*code*` and v*/*.tar; see *The Beauty of Fractals* on *s* and **bold**.\n* an *odd one*"
    assert italics(page) == ["view mode", "odd one"]
    assert {"view mode", "fingerprint", "difficulty"} <= glossary()
    assert "odd one" not in glossary()
