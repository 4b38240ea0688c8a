"""Cutout and Random Erasing: where boxes lie, how large they are, how often there is one, and what is in them."""

import inspect
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from layermix_gen import LayerMixError
from layermix_gen.mixing.methods import METHODS, DrawSettings, Recipe, Shares
from layermix_gen.mixing.methods.erasing import AREA, ASPECT, CutoutOptions, RandomErasingOptions
from layermix_gen.mixing.recipe import Call, Leaf
from layermix_gen.mixing.renderer import render
from tests.mixing.methods.torchvision_ops import F, generator, transforms
from tests.mixing.test_drawing import Given, P, assert_fair, assert_shares, uniform_over
from tests.strategies import make_image

COUNT = 20_000
SIZE = 32
BOTH = pytest.mark.parametrize("method", ["cutout", "random_erasing"])


@cache
def drawn(method: str, size: int = SIZE, count: int = COUNT, **options: Any) -> list[Recipe]:
    rng, settings = generator(6), DrawSettings(size, 0, 0, METHODS[method].options(**options))
    return [METHODS[method].draw(rng, settings) for _ in range(count)]


def box_of(recipe: Recipe) -> list[int]:
    """Height, width, top and left."""
    assert isinstance(recipe.expression, Call)
    return [int(value) for value in recipe.expression.arguments[:4]]


def boxes(recipes: list[Recipe]) -> np.ndarray:
    """The boxes of those recipes that have one, int (N, 4)."""
    return np.array([box_of(recipe) for recipe in recipes if recipe.ops])


# --- both ----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("size", [8, 9, 32, 33, 224])
def test_boxes_lie_in_the_image_and_are_erased(method: str, size: int) -> None:
    image = make_image("random", size, size, seed=2)
    for recipe in drawn(method, size, 60, fill=0.25):
        expected = image.copy()
        if recipe.ops:
            height, width, top, left = box_of(recipe)
            assert min(height, width) > 0
            assert min(top, left) >= 0
            assert max(top + height, left + width) <= size
            expected[top : top + height, left : left + width] = 64
            assert recipe.expression == Call("erase", (Leaf("image"),), (height, width, top, left, 64, 64, 64))
            assert (recipe.ops, recipe.op_args) == (("erase",), (height,))
        else:
            assert recipe == Recipe("random_erasing", Leaf("image"))
        np.testing.assert_array_equal(render(str(recipe.expression), image), expected)
        if recipe.ops:
            tensor = F.erase(torch.from_numpy(image.transpose(2, 0, 1)), top, left, height, width, torch.tensor(64))
            np.testing.assert_array_equal(tensor.numpy().transpose(1, 2, 0), expected)


@BOTH
@pytest.mark.parametrize(("fill", "level"), [(0, 0), (0.5, 128), (1, 255), (0.4816, 123), (0.001, 0), (0.002, 1)])
def test_fill_is_a_level_of_all_channels(method: str, fill: float, level: int) -> None:
    for recipe in drawn(method, SIZE, 20, fill=fill):
        if isinstance(recipe.expression, Call):
            assert recipe.expression.arguments[4:] == (level,) * 3
            assert [type(value) for value in recipe.expression.arguments] == [int] * 7


@BOTH
def test_shares(method: str) -> None:
    settings = DrawSettings(SIZE, 0, 0, METHODS[method].options())
    assert METHODS[method].shares(settings) == Shares(ops={"erase": 1.0})
    assert METHODS[method].options().most == (1, 0)


WRONG = [
    ("cutout", {"length": 0}, "length must be a whole number in [1, 4096], got 0; change --length"),
    ("cutout", {"length": 4097}, "length must be a whole number in [1, 4096], got 4097; change --length"),
    ("cutout", {"length": 0.5}, "length must be a whole number in [1, 4096], got 0.5; change --length"),
    ("cutout", {"length": True}, "length must be a whole number in [1, 4096], got True; change --length"),
    ("cutout", {"fill": 128}, "fill must be in [0, 1], got 128; change --fill"),
    ("cutout", {"fill": None}, "fill must be in [0, 1], got None; change --fill"),
    ("cutout", {"probability": 0.5}, "'probability' is no option of the method cutout; it takes length, fill"),
    ("random_erasing", {"probability": 1.01}, "probability must be in [0, 1], got 1.01; change --probability"),
    ("random_erasing", {"probability": "0.5"}, "probability must be in [0, 1], got '0.5'; change --probability"),
    ("random_erasing", {"fill": float("nan")}, "fill must be in [0, 1], got nan; change --fill"),
    ("random_erasing", {"fill": -0.1}, "fill must be in [0, 1], got -0.1; change --fill"),
]


@pytest.mark.parametrize(("method", "options", "line"), WRONG, ids=[str(options) for _, options, _ in WRONG])
def test_wrong_options(method: str, options: dict[str, Any], line: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        METHODS[method].options_of(options)
    assert str(caught.value) == line


# --- Cutout --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "length"), [(8, 4), (9, 4), (32, 16), (33, 16), (224, 112), (1, 1)])
def test_half_of_the_side_by_default(size: int, length: int) -> None:
    assert CutoutOptions().resolve(size).length == length
    assert CutoutOptions(length=5).resolve(size).length == 5


def test_the_centre_is_any_pixel() -> None:
    height, width, top, left = boxes(drawn("cutout")).T
    rows = np.where(top > 0, top + 8, height - 8)  # at the border the square is cut there
    columns = np.where(left > 0, left + 8, width - 8)
    assert_shares((SIZE * rows + columns).tolist(), uniform_over(range(SIZE**2)))


@pytest.mark.parametrize(("size", "length"), [(32, 16), (32, 15), (33, 1), (8, 2), (8, 8), (8, 16), (9, 40)])
def test_squares_are_cut_at_the_border(size: int, length: int) -> None:
    """Every centre in turn: the square has `length` pixels a side, half of them before the centre."""
    settings = DrawSettings(size, 0, 0, CutoutOptions(length=length))
    for row in range(size):
        column = size - 1 - row
        recipe = METHODS["cutout"].draw(Given((row + 0.5) / size, (column + 0.5) / size), settings)
        height, width, top, left = box_of(recipe)
        inside = [at for at in range(row - length // 2, row - length // 2 + length) if 0 <= at < size]
        across = [at for at in range(column - length // 2, column - length // 2 + length) if 0 <= at < size]
        assert (list(range(top, top + height)), list(range(left, left + width))) == (inside, across)


# --- Random Erasing ------------------------------------------------------------------------------------------------


def test_defaults_are_torchvisions() -> None:
    theirs = inspect.signature(transforms.RandomErasing).parameters
    assert (theirs["scale"].default, theirs["ratio"].default) == (AREA, ASPECT)
    assert RandomErasingOptions().probability == theirs["p"].default


def likely_sides(size: int, fine: int = 1000) -> np.ndarray:
    """How likely each height and width is, (size, size), over a fine grid of areas and of logarithms of aspects."""
    grid = (np.arange(fine) + 0.5) / fine
    area = (0.02 + 0.31 * grid[:, None]) * size**2
    aspect = np.exp(np.log(0.3) + (np.log(3.3) - np.log(0.3)) * grid)
    height, width = np.rint(np.sqrt(area * aspect)).astype(int), np.rint(np.sqrt(area / aspect)).astype(int)
    fits = (height < size) & (width < size)
    return counted(height[fits], width[fits], size) / fits.sum()


def counted(height: np.ndarray, width: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(size * height + width, minlength=size**2).reshape(size, size)


def test_sizes_of_boxes() -> None:
    height, width, _, _ = boxes(drawn("random_erasing", probability=1)).T
    found, wanted = counted(height, width, SIZE), likely_sides(SIZE) * len(height)
    assert not found[wanted == 0].any()
    often = wanted >= 10
    cells = [[*each[often], each[~often].sum()] for each in (found, wanted)]
    assert stats.chisquare(*cells).pvalue > P


@pytest.mark.parametrize("axis", [0, 1], ids=["top", "left"])
def test_boxes_lie_anywhere(axis: int) -> None:
    found = boxes(drawn("random_erasing", probability=1))
    places = SIZE - found[:, axis] + 1
    spread = (found[:, 2 + axis] + np.random.default_rng(0).random(len(found))) / places  # uniform if places are even
    assert stats.kstest(spread, "uniform").pvalue > P
    for side in (8, 20):  # and for one size alone
        of_side = found[found[:, axis] == side][:, 2 + axis].tolist()
        assert_shares(of_side, uniform_over(range(SIZE - side + 1)))


def test_areas_and_aspects_of_large_images() -> None:
    """At 1000 px, rounding to pixels no longer matters; what does not fit bends both distributions a little."""
    height, width = boxes(drawn("random_erasing", 1000, 4000, probability=1))[:, :2].T
    rng = np.random.default_rng(1)
    area, ratio = rng.uniform(0.02, 0.33, 40_000), np.exp(rng.uniform(np.log(0.3), np.log(3.3), 40_000))
    fits = (area * ratio < 1) & (area / ratio < 1)
    assert stats.ks_2samp(height * width / 1e6, area[fits]).pvalue > P
    assert stats.ks_2samp(height / width, ratio[fits]).pvalue > P


@pytest.mark.parametrize("probability", [0, 0.1, 0.5, 1])
def test_probability(probability: float) -> None:
    erased = sum(bool(recipe.ops) for recipe in drawn("random_erasing", probability=probability))
    if probability in (0, 1):
        assert erased == probability * COUNT
    else:
        assert_fair(erased, COUNT, probability)


def test_ten_tries() -> None:
    """Long boxes that do not fit are drawn again, nine times and no more."""
    settings = DrawSettings(SIZE, 0, 0, RandomErasingOptions())
    nearly = np.nextafter(1, 0)
    draws = [METHODS["random_erasing"].draw(Given(0, *[nearly, nearly] * tries), settings) for tries in (9, 10)]
    assert [recipe.ops for recipe in draws] == [("erase",), ()]
    assert str(draws[1].expression) == "image"


@pytest.mark.parametrize("size", range(1, 8))
def test_the_smallest_images_never_lose_a_box_without_pixels(size: int) -> None:
    found = boxes(drawn("random_erasing", size, 300, probability=1))
    assert len(found) > (0 if size == 1 else 200) - 1
    assert size == 1 or found[:, :2].min() > 0
