"""Trees of recipes: each step's picture, its place, and the picture of all."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from layermix_gen import LayerMixError, parse, recipe_tree, render
from layermix_gen.figures import canvas
from layermix_gen.images.views import View
from layermix_gen.inspection.drawings import tree
from layermix_gen.inspection.drawings.explain import explain
from layermix_gen.inspection.drawings.steps import NUMBERS, steps_of
from layermix_gen.inspection.drawings.tree import Origin
from layermix_gen.inspection.drawings.tree_layout import laid_out, view_row
from layermix_gen.kernels.masks import mask
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, SIGNATURES, Call
from tests.strategies import make_image, steady

IMAGE_28, PICTURE_28 = make_image("random", 28, 28, 1), make_image("ramp", 28, 28, 2)
LAYER_3 = "rotate(multiply(pixel(rotate(image, -3.1), rotate(image, 10.0), 77, 12345), picture, 0.83, 0.21), 4.2)"


@st.composite
def expressions(draw, depth=4):
    """Any recipe, as deep as the methods' own and deeper."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from((IMAGE, PICTURE)))
    name = draw(st.sampled_from(sorted(SIGNATURES)))
    operands, parameters = SIGNATURES[name]
    numbers = tuple(
        draw(st.integers(int(max(p.low, 0)), int(min(p.high, 10)))) if p.whole else draw(st.floats(0, 1))
        for p in parameters
    )
    return Call(name, tuple(draw(expressions(depth=depth - 1)) for _ in range(operands)), numbers)


# --- steps ---------------------------------------------------------------------------------------------------------


def test_every_step_is_what_its_own_recipe_makes():
    root = steps_of(parse(LAYER_3), IMAGE_28, PICTURE_28)
    steps = list(root.walk())
    assert [step.name for step in steps] == [
        "view", "rotate", "view", "rotate", "pixel", "picture", "multiply", "rotate",
    ]  # fmt: skip
    for step in steps:
        np.testing.assert_array_equal(step.pixels, render(str(step.expression), IMAGE_28, PICTURE_28))


def numbers_of(name):
    """Numbers for a blend; a box is 9 px high and 20 px wide, at (3, 5)."""
    values = {"a": 0.5, "b": 0.25, "cut": 100, "seed": 4711, "weight": 0.3}
    values |= {"height": 9, "width": 20, "top": 3, "left": 5}
    return tuple(values[parameter.name] for parameter in BLENDS[name].parameters)


@pytest.mark.parametrize("name", BLENDS)
def test_masks_are_those_of_the_language(name):
    numbers = numbers_of(name)
    cut, seed = [*numbers, 0][:2]
    step = steps_of(Call(name, (IMAGE, PICTURE), numbers), IMAGE_28, PICTURE_28)
    if name == "pixel":
        expected = mask((28, 28), cut, int(seed))[..., None].repeat(3, axis=2)
    elif name == "element":
        expected = mask((28, 28 * 3), cut, int(seed)).reshape(28, 28, 3)
    elif name == "paste":
        expected = np.full((28, 28, 3), 255, np.uint8)
        expected[3:12, 5:25] = 0
    else:
        assert step.mask is None
        return
    np.testing.assert_array_equal(step.mask, expected)
    np.testing.assert_array_equal(step.pixels, np.where(expected, IMAGE_28, PICTURE_28))


def test_numbers_have_their_units():
    texts = [step.numbers for step in steps_of(parse(LAYER_3), IMAGE_28, PICTURE_28).walk()]
    assert texts == [[], ["-3.1°"], [], ["10.0°"], ["cut 77", "seed 12345"], [], ["a 0.83", "b 0.21"], ["4.2°"]]
    assert {name: len(texts) for name, texts in NUMBERS.items()} == {
        name: len(parameters) for name, (_, parameters) in SIGNATURES.items()
    }


# --- places --------------------------------------------------------------------------------------------------------


def places(text):
    root = laid_out(parse(text))
    return [(node.expression.name, node.column, node.row) for node in root.walk()]


def test_the_places_of_layer_3():
    assert places(LAYER_3) == [
        ("image", 0, 0), ("rotate", 1, 0), ("image", 0, 1), ("rotate", 1, 1), ("pixel", 2, 0.5),
        ("picture", 2, 1.5), ("multiply", 3, 1.0), ("rotate", 4, 1.0),
    ]  # fmt: skip


def test_the_places_of_leaves_and_of_uneven_operands():
    assert places("image") == [("image", 0, 0)]
    assert places("invert(picture)") == [("picture", 0, 0), ("invert", 1, 0)]
    assert places("add(image, invert(mirror(image)), 0.5, 0.5)") == [
        ("image", 0, 0), ("image", 0, 1), ("mirror", 1, 1), ("invert", 2, 1), ("add", 3, 0.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (LAYER_3, 0.5),
        ("image", 0),
        ("invert(picture)", None),
        ("add(picture, image, 1.0, 0.0)", 1),
        ("add(add(image, picture, 1.0, 0.0), invert(image), 0.5, 0.5)", 0),
    ],
)
def test_the_view_stands_in_the_middle_of_its_uses(text, row):
    assert view_row(laid_out(parse(text))) == row


@steady(max_examples=60)
@given(expressions())
def test_nothing_overlaps(expression):
    root = laid_out(expression)
    nodes = list(root.walk())
    taken = [(node.column, node.row) for node in nodes if not node.is_view]
    taken += [(0, row) for row in [view_row(root)] if row is not None]
    for node in nodes:  # a connector runs along its operand's row up to the step
        for operand in node.operands:
            assert operand.column < node.column
            taken += [(column, operand.row) for column in range(operand.column + 1, node.column)]
        if node.operands:
            assert node.row == (node.operands[0].row + node.operands[-1].row) / 2
    for (a, first), (b, second) in itertools.combinations(taken, 2):
        assert a != b or abs(first - second) >= 1 - 1e-9
    assert min(node.row for node in nodes) == 0


# --- the picture ---------------------------------------------------------------------------------------------------


@pytest.fixture
def put(monkeypatch):
    """The pictures that are put down and the lines of text that are written, each with its place."""
    seen = {"pictures": [], "texts": []}
    place, write = canvas.Canvas.image, canvas.Canvas.text

    def image(self, image, left, top, *rest, **options):
        seen["pictures"].append((image, left, top))
        place(self, image, left, top, *rest, **options)

    def text(self, at, text, *rest, **options):
        seen["texts"].append(text)
        write(self, at, text, *rest, **options)

    monkeypatch.setattr(canvas.Canvas, "image", image)
    monkeypatch.setattr(canvas.Canvas, "text", text)
    return seen


def test_a_tree_holds_every_step(put):
    box = View(2, 3, 28, 28, False)
    source = make_image("random", 40, 50, 3)
    drawn = recipe_tree(LAYER_3, IMAGE_28, PICTURE_28, origin=Origin(source, box), title="Title", subtitle="subtitle")
    assert drawn.mode == "RGB"
    assert drawn.getpixel((0, 0)) == (255, 255, 255)
    steps = {str(step.expression): step for step in steps_of(parse(LAYER_3), IMAGE_28, PICTURE_28).walk()}
    sides = [tree.HERO if text == LAYER_3 else tree.SIDE for text in steps]
    shown = [np.asarray(image) for image, _, _ in put["pictures"]]
    for step, side in zip(steps.values(), sides, strict=True):
        factor = round(side / 28)
        squares = step.pixels.repeat(factor, axis=0).repeat(factor, axis=1)
        assert any(np.array_equal(squares, picture) for picture in shown), step.name
    masks = steps["pixel(rotate(image, -3.1), rotate(image, 10.0), 77, 12345)"].mask
    factor = round(tree.MASK / 28)
    assert any(np.array_equal(masks.repeat(factor, 0).repeat(factor, 1), picture) for picture in shown)
    assert len(shown) == len(steps) + 2  # the source and the mask
    share = round(100 * np.mean(masks == 255))
    expected = {"Title", "subtitle", "source", "view", "picture", f"{share}%", f"{100 - share}%", "a 0.83"}
    assert expected | {"b 0.21", "4.2°", LAYER_3} <= set(put["texts"])


def test_pictures_of_a_tree_lie_apart_and_on_the_paper(put):
    drawn = recipe_tree(LAYER_3, IMAGE_28, PICTURE_28, origin=Origin(IMAGE_28, View(-2, 3, 28, 28, True)), title="A")
    boxes = [(left, top, left + image.width, top + image.height) for image, left, top in put["pictures"]]
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for left, top, right, bottom in boxes:
        assert tree.MARGIN <= left < right <= drawn.width - tree.MARGIN + 1
        assert tree.MARGIN <= top < bottom <= drawn.height - tree.MARGIN


@pytest.mark.parametrize("side", [28, 32, 64, 224])
def test_every_operation_and_blend_at_every_size(side):
    image, picture = make_image("random", side, side, 1), make_image("ramp", side, side, 2)
    for preset, names in (("paper", list(OPERATIONS)), ("released", ["posterize_increasing", "solarize_increasing"])):
        for name in names:
            if getattr(OPERATIONS[name], preset) is None:
                continue
            settings = DrawSettings(side, 1, side + 4, LayerMixOptions(preset, ops=(name,)))
            recipe = METHODS["layermix"].draw(np.random.default_rng(len(name)), settings)
            drawn = recipe_tree(recipe.expression, image, picture)
            assert min(drawn.size) > tree.HERO
    for name in BLENDS:
        call = Call(name, (IMAGE, PICTURE), numbers_of(name))
        assert recipe_tree(call, image, picture).width > tree.HERO + tree.SIDE


@steady(max_examples=15)
@given(expressions(depth=3))
def test_any_recipe_can_be_drawn_and_always_the_same(expression):
    image, picture = make_image("random", 9, 5, 1), make_image("ramp", 9, 5, 2)
    first, second = (recipe_tree(str(expression), image, picture) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_the_view_is_marked_in_its_source():
    source = np.full((10, 20, 3), 100, np.uint8)
    inside = np.asarray(tree.marked(Origin(source, View(2, 4, 5, 6, False)), 200))
    assert inside.shape == (100, 200, 3)
    assert inside[45, 70].tolist() == [100, 100, 100]
    faded = round(100 + tree.FADED * 155)
    assert abs(int(inside[5, 5, 0]) - faded) <= 1
    outside = np.asarray(tree.marked(Origin(source, View(-2, 16, 8, 8, False)), 200))  # 12 x 24, the rest black
    assert outside.shape == (96, 192, 3)
    assert outside[30, 150].tolist() == [100, 100, 100]
    assert outside[10, 180].tolist() == [0, 0, 0]


def test_refusals():
    with pytest.raises(LayerMixError, match="one of image, picture"):
        recipe_tree("__import__(image)", IMAGE_28)
    with pytest.raises(LayerMixError, match="pass picture="):
        recipe_tree("add(image, picture, 1, 0)", IMAGE_28)


# --- samples of a dataset ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["layer = 0", "layer = 1", "layer = 2", "layer = 3"])
def test_explaining_a_sample(squares, tmp_path, put, where):
    row = squares.query(where, limit=1)[0]
    out = explain(squares, row["key"], tmp_path / "tree.png")
    with PillowImage.open(out) as drawn:
        assert drawn.format == "PNG"
    pixels = squares.pixels(row)
    factor = round(tree.HERO / 28)
    result = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    assert any(np.array_equal(result, np.asarray(image)) for image, _, _ in put["pictures"])  # what is stored
    assert row["recipe"] in " ".join(put["texts"])
    assert any(row["key"] in text and row["source"] in text for text in put["texts"])
    assert "28 x 28 px" in put["texts"]


def test_explaining_a_photograph(scenes, tmp_path, put):
    row = scenes.query("layer = 3", limit=1)[0]
    explain(scenes, row["key"], tmp_path / "tree.jpg")
    assert f"Layer 3 · {row['op']} · {' · '.join(row['blends'])}" in put["texts"]
    assert "44 x 56 px" in put["texts"]


def test_explaining_what_is_not_there(squares, tmp_path):
    with pytest.raises(LayerMixError, match="expected the key of a sample, such as 0"):
        explain(squares, "nothing", tmp_path / "tree.png")
    key = squares.query(limit=1)[0]["key"]
    with pytest.raises(LayerMixError, match=r"ending in \.png, \.jpg, \.jpeg, \.webp"):
        explain(squares, key, tmp_path / "tree.gif")
    with pytest.raises(LayerMixError, match=r"cannot write .*no such file"):
        explain(squares, key, tmp_path / "no" / "tree.png")


def test_a_recipe_that_is_drawn_otherwise_now(squares, tmp_path, monkeypatch):
    row = squares.query("layer = 1", limit=1)[0] | {"recipe": "invert(image)"}
    monkeypatch.setattr(type(squares), "row", lambda self, key: row)
    with pytest.raises(LayerMixError, match=r"made as invert\(image\), its settings now draw"):
        explain(squares, row["key"], tmp_path / "tree.png")
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == "[]"
