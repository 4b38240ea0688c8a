"""The recipe language: what is written reads back as it was, and what is no recipe is refused in one line."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen import LayerMixError, parse
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions
from layermix_gen.mixing.methods.layermix import PRESETS
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, MAX_DEPTH, PICTURE, SIGNATURES, Call, Leaf
from tests.strategies import steady

LONG = "rotate(multiply(pixel(rotate(image, -3.1), rotate(image, 10.0), 77, 123456789), picture, 0.83, 0.21), 4.2)"


def numbers_for(parameter):
    if parameter.whole:
        return st.integers(int(parameter.low), int(parameter.high))
    return st.floats(parameter.low, parameter.high)


def calls_of(name, operands):
    count, parameters = SIGNATURES[name]
    return st.builds(
        Call,
        st.just(name),
        st.tuples(*[operands] * count),
        st.tuples(*map(numbers_for, parameters)),
    )


expressions = st.recursive(
    st.sampled_from([IMAGE, PICTURE]),
    lambda inner: st.sampled_from(sorted(SIGNATURES)).flatmap(lambda name: calls_of(name, inner)),
    max_leaves=6,
)


# --- there and back ------------------------------------------------------------------------------------------------


@steady(max_examples=150)
@given(expressions)
def test_what_is_written_reads_back(expression):
    assert parse(str(expression)) == expression
    assert str(parse(str(expression))) == str(expression)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_drawn_reads_back(preset):
    rng = np.random.default_rng(0)
    names = tuple(row.name for row in OPERATIONS.values() if getattr(row, preset))
    drawing = DrawSettings(224, 100, 256, LayerMixOptions(preset, ops=names))
    seen = set()
    for _ in range(4000):
        recipe = METHODS["layermix"].draw(rng, drawing)
        text = str(recipe.expression)
        assert parse(text) == recipe.expression
        assert str(parse(text)) == text
        assert "\n" not in text
        seen.add((recipe.op, recipe.layer))
    assert len(seen) == 3 * len(names)


def test_a_recipe_by_hand():
    assert parse("image") == Leaf("image")
    turned = Call("rotate", (IMAGE,), (-3.1,)), Call("rotate", (IMAGE,), (10.0,))
    mixed = Call("multiply", (Call("pixel", turned, (77, 123456789)), PICTURE), (0.83, 0.21))
    assert parse(LONG) == Call("rotate", (mixed,), (4.2,))
    assert str(parse(LONG)) == LONG


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("  image ", "image"),
        ("rotate(image,3)", "rotate(image, 3.0)"),
        (" rotate (\timage ,\n +3.50 ) \n", "rotate(image, 3.5)"),
        ("equalize ( image )", "equalize(image)"),
        ("brightness(image, 1e-1)", "brightness(image, 0.1)"),
        ("rotate(image, -2.5e+1)", "rotate(image, -25.0)"),
        ("posterize(image, 3.0)", "posterize(image, 3)"),
        ("pixel(image,image,0,4294967295)", "pixel(image, image, 0, 4294967295)"),
    ],
)
def test_written_another_way(text, same):
    assert str(parse(text)) == same


# --- refusals ------------------------------------------------------------------------------------------------------

MALFORMED = [
    pytest.param("", "one of image, picture", 1, "the end", id="nothing"),
    pytest.param("   ", "one of image", 4, "the end", id="only spaces"),
    pytest.param("another", "one of image", 1, "'another'", id="a leaf that is not known"),
    pytest.param("Image", "a name", 1, "'Image'", id="capitals"),
    pytest.param("image image", "the end", 7, "'image'", id="a second recipe"),
    pytest.param("image)", "the end", 6, "')'", id="a bracket too many"),
    pytest.param("image(3)", "the end", 6, "'(3)'", id="a leaf called"),
    pytest.param("invert", "'('", 7, "the end", id="a call without brackets"),
    pytest.param("invert()", "one of", 8, "')'", id="no operand"),
    pytest.param("invert(image", "')'", 13, "the end", id="a bracket too few"),
    pytest.param("invert(image, 1)", "')'", 13, "', 1)'", id="a number too many"),
    pytest.param("invert(image,)", "')'", 13, "',)'", id="a comma at the end"),
    pytest.param("rotate(image)", "','", 13, "')'", id="a number too few"),
    pytest.param("rotate(image 3)", "','", 14, "'3)'", id="a comma too few"),
    pytest.param("rotate(3, image)", "one of", 8, "'3, image)'", id="the number first"),
    pytest.param("rotate(image, image)", "a number in [-1e+06, 1e+06] as degrees", 15, "'image)'", id="no number"),
    pytest.param("rotate(image, degrees=3)", "a number in", 15, "'degrees=3)'", id="a keyword"),
    pytest.param("rotate(image, --3)", "a name in lower case, a number", 14, "' --3)'", id="two signs"),
    pytest.param("rotate(image, 3.)", "a name in lower case, a number", 16, "'.)'", id="no decimals"),
    pytest.param("rotate(image, .5)", "a name in lower case, a number", 14, "' .5)'", id="no leading digit"),
    pytest.param("rotate(image, 0x10)", "')'", 16, "'x10)'", id="hexadecimal"),
    pytest.param("rotate(image, 1_000)", "')'", 16, "'_000)'", id="digits grouped"),
    pytest.param("rotate(image, 3 4)", "')'", 17, "'4)'", id="two numbers"),
    pytest.param("rotate(image, nan)", "a number in", 15, "'nan)'", id="nan"),
    pytest.param("rotate(image, inf)", "a number in", 15, "'inf)'", id="inf"),
    pytest.param("rotate(image, -inf)", "a name in lower case, a number", 14, "' -inf)'", id="minus inf"),
    pytest.param("rotate(image, 1e999)", "a number in", 15, "'1e999)'", id="a number past float"),
    pytest.param("rotate(image, ٣)", "a name in lower case, a number", 14, "' ٣)'", id="digits of another script"),
    pytest.param(
        "rotate(\u00a0image, 3)", "a name in lower case, a number", 8, r"'\xa0image, 3)'", id="a no-break space"
    ),
    pytest.param(
        "rotate(\u0456mage, 3)", "a name in lower case, a number", 8, "'\u0456mage, 3)'", id="a Cyrillic letter"
    ),
    pytest.param("posterize_increasing(image, 3)", "one of", 1, "'posterize_increasing'", id="a way to draw"),
    pytest.param("add(image, 0.5, 0.5)", "one of", 12, "'0.5, 0.5)'", id="a blend of one"),
    pytest.param("add(image, picture, image, 1, 1)", "a number in [-2, 2] as a", 21, "'image, 1, 1)'", id="of three"),
    pytest.param("add(image; picture)", "a name in lower case, a number", 10, "'; picture)'", id="a semicolon"),
    pytest.param("__import__('os')", "one of", 1, "\"__import__('os')\"", id="an import"),
    pytest.param("image.__class__", "a name in lower case, a number", 6, "'.__class__'", id="an attribute"),
    pytest.param("image\x00", "a name in lower case, a number", 6, r"'\x00'", id="a null"),
    pytest.param("rotate(image,\n3\n, 5)", "')'", 17, "', 5)'", id="over several lines"),
    pytest.param("rotate(image, 3)#\ncomment", "a name in lower case, a number", 17, r"'#\ncomment'", id="a comment"),
    pytest.param("[image]", "a name in lower case, a number", 1, "'[image]'", id="a list"),
    pytest.param('"image"', "a name in lower case, a number", 1, "'\"image\"'", id="a string"),
    pytest.param("invert(😀)", "a name in lower case, a number", 8, "'😀)'", id="a picture"),
]


@pytest.mark.parametrize(("text", "expected", "place", "found"), MALFORMED)
def test_refuses(text, expected, place, found):
    with pytest.raises(LayerMixError) as refusal:
        parse(text)
    message = str(refusal.value)
    assert message.startswith(f"expected {expected}")
    assert f" at character {place} of the recipe, found {found}" in message
    assert len(message.splitlines()) == 1


BOUNDS = [
    pytest.param(name, count, parameters, i, id=f"{name}-{parameters[i].name}")
    for name, (count, parameters) in SIGNATURES.items()
    for i in range(len(parameters))
]


@pytest.mark.parametrize(("name", "count", "parameters", "i"), BOUNDS)
def test_bounds(name, count, parameters, i):
    def text(value):
        values = [str(int(parameter.low)) for parameter in parameters]
        values[i] = value
        return f"{name}({', '.join(['image'] * count + values)})"

    low, high = parameters[i].low, parameters[i].high
    step = 1 if parameters[i].whole else 0.001
    assert parse(text(repr(low))).arguments[i] == low
    assert parse(text(repr(high))).arguments[i] == high
    wrong = [repr(low - step), repr(high + step)] + ([repr(low + 0.5)] if parameters[i].whole else [])
    for value in wrong:
        with pytest.raises(LayerMixError, match=rf"in \[.*\] as {parameters[i].name} at character \d+ "):
            parse(text(value))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * 100_000, id="open brackets"),
        pytest.param("invert(" * 100_000, id="calls"),
        pytest.param("invert(" * 100_000 + "image" + ")" * 100_000, id="calls, closed"),
        pytest.param("add(" * 100_000, id="blends"),
        pytest.param("add(image, " * 100_000, id="blends, to the right"),
        pytest.param("a" * 1_000_000, id="a long name"),
        pytest.param(f"rotate(image, {'9' * 1_000_000})", id="a long number"),
        pytest.param(f"posterize(image, {'9' * 1_000_000})", id="a long whole number"),
        pytest.param(f"rotate(image, 1e{'9' * 100_000})", id="a long exponent"),
        pytest.param(f"posterize(image, 1e{'9' * 100})", id="infinitely many bits"),
        pytest.param(" " * 1_000_000 + "!", id="a long space"),
        pytest.param("image" + " " * 1_000_000 + "!", id="a long space after"),
        pytest.param("-" * 1_000_000, id="signs"),
    ],
)
def test_refuses_hostile_text_quickly(text):
    begin = time.perf_counter()
    with pytest.raises(LayerMixError) as refusal:
        parse(text)
    assert time.perf_counter() - begin < 1
    assert len(str(refusal.value)) < 500
    assert len(str(refusal.value).splitlines()) == 1


def test_depth():
    deepest = "invert(" * MAX_DEPTH + "image" + ")" * MAX_DEPTH
    assert str(parse(deepest)) == deepest
    with pytest.raises(LayerMixError, match="expected at most 32 nested calls"):
        parse(f"invert({deepest})")


PIECES = [*"(), .-+e_19\n\\", "image", "picture", "add", "rotate(", "posterize(", "image, ", "é"]


@steady(max_examples=300)
@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_read_or_refused(text):
    try:
        expression = parse(text)
    except LayerMixError:
        return
    assert parse(str(expression)) == expression
