"""docs/glossary.md rules the words of all pages and of the help: each is in use, and none stands for another."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text("utf-8")
USERS_PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
INSTEAD = {  # idioms of this project that no page may use, and what to say; the page itself has the synonyms
    r"pooled|pooling": "mixing set",
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
    section = PAGE.split(head)[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


WORDS = table("# The glossary\n")
SYNONYMS = {
    rf"{name}(?:s|es)?": better
    for names, better in table("## Not these words\n")
    for name in re.findall(r"`([^`]+)`", names)
}


def glossary() -> set[str]:
    """The words that are explained: those of the first column, and those in italics in the second."""
    return {word for word, meaning in WORDS for word in (word, *italics(meaning))}


def prose(page: str) -> str:
    """A page without its Python and what is `code` in a line. Help, listings and output stay: users read them, too."""
    return re.sub(r"`[^`\n]+`", "", re.sub(r"```python\n.*?```", "", page, flags=re.DOTALL))


def italics(text: str) -> list[str]:
    """The words in italics, by which pages mark words of the glossary; titles have capitals, variables one letter."""
    marked = re.findall(r"(?<![*\w/])\*([a-z][^*]*?[a-z])\*(?![*\w/])", prose(text))
    return [" ".join(words.split()) for words in marked]


def in_house(text: str) -> list[str]:
    """The words that a page uses although the glossary has another, each with what to say."""
    text = " ".join(prose(text).replace("The Many Faces of Robustness", "").split())  # the title of a paper
    words = INSTEAD | SYNONYMS
    used = [(re.search(rf"\b(?:{word})\b", text, re.IGNORECASE), better) for word, better in words.items()]
    return [f"{found[0]}: say {better}" for found, better in used if found]


def test_the_words_are_in_use() -> None:
    """A word that no page uses explains nothing."""
    pages = [path for path in USERS_PAGES if path.name != "glossary.md"]
    text = "\n".join(path.read_text("utf-8") for path in pages).lower()
    assert 15 <= len(WORDS) <= 30
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
        ("Each original\n  image is in a directory.", ["original image: say source image", "directory: say folder"]),
    ],
)
def test_words_of_the_house_are_seen(text: str, fault: list[str]) -> None:
    assert in_house(text) == fault


def test_words_in_italics_are_seen() -> None:
    page = "A *view\nmode*, `*code*` and v*/*.tar; see *The Beauty of Fractals* on *s* and **bold**.\n* an *odd one*"
    assert italics(page) == ["view mode", "odd one"]
    assert {"view mode", "fingerprint", "difficulty"} <= glossary()
    assert "odd one" not in glossary()
