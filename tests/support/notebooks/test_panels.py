"""HTML for notebooks: escaped, well-formed, of one element, and small."""

import re

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.support.notebooks import panels, trees
from tests.helpers import elements

HOSTILE = "<script>alert('\"&')</script>\x1b[31m\u202e"
Nested = tuple[str, list["Nested"]]


def drawn(root: Nested) -> str:
    return trees.tree(root, lambda node: node[1], lambda node: [node[0]])


def test_texts_are_never_markup() -> None:
    made = panels.panel(
        HOSTILE,
        panels.lines(f"{HOSTILE}\nsecond"),
        panels.grid([HOSTILE], [[HOSTILE]], [[True]], 1),
        panels.picture(b"", "png", (1, 1), HOSTILE),
        drawn((HOSTILE, [])),
    )
    found = elements(made)
    assert {element.tag for element in found} & {"script"} == set()
    shown = HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    texts = [element.text for element in found if element.text]
    assert texts == [shown, f"{shown}\nsecond", shown, shown, shown]
    assert [element.get("title") for element in found if element.tag == "img"] == [shown]


def test_an_error_is_shown_in_the_place_of_what_could_not_be_read() -> None:
    def fails() -> str:
        raise LayerMixError("expected a dataset, found <none>")

    assert "expected a dataset, found &lt;none&gt;" in panels.described("Dataset", fails)
    shown = panels.described("Dataset", lambda: "facts", lambda: (fails() for _ in range(1)))
    assert [element.text for element in elements(shown) if element.tag == "pre"] == [
        "facts",
        "expected a dataset, found <none>",
    ]


def test_cells_are_bold_where_they_are_marked() -> None:
    made = elements(panels.grid(["name", "error"], [["a", "1.0"], ["b", "2.0"]], [[False, True], [False, False]], 1))
    assert [element.text for element in made if element.tag == "b"] == ["1.0"]
    aligned = [re.search("text-align:(\\w+)", element.get("style", "")) for element in made if element.tag == "th"]
    assert [found and found[1] for found in aligned] == ["left", "right"]


def test_a_tree_grows_to_its_root_on_the_right() -> None:
    leaf: Nested = ("leaf", [])
    boxes = elements(drawn(("root", [("middle", [leaf]), leaf])))
    places = [(float(box.get("x", "")), float(box.get("y", ""))) for box in boxes if box.tag.endswith("rect")]
    (root, middle, first, second) = places
    assert first[0] < middle[0] == second[0] < root[0]
    assert first[1] == middle[1] < root[1] < second[1]
    assert sum(box.tag.endswith("path") for box in boxes) == 3
    frame = next(box for box in boxes if box.tag.endswith("svg"))
    assert all(x < float(frame.get("width", "")) and y < float(frame.get("height", "")) for x, y in places)


@pytest.mark.parametrize(("leaves", "is_drawn"), [(trees.MOST_NODES - 1, True), (trees.MOST_NODES, False)])
def test_a_tree_that_is_too_large_is_not_drawn(leaves: int, is_drawn: bool) -> None:
    made = drawn(("root", [("leaf", [])] * leaves))
    assert bool(made) == is_drawn
    assert len(made) < 50_000


def test_no_colour_is_the_own_one() -> None:
    """Whatever the page's colours are, text and lines have them."""
    made = panels.panel("title", panels.lines("facts"), drawn(("root", [("leaf", [])])))
    assert "currentColor" in made
    assert not re.search(r"(?<![\w-])color:(?!inherit)|#[0-9a-fA-F]{3}|rgb|background:(?!none)", made)
