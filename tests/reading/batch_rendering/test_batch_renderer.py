"""Recipes rendered by PyTorch for a whole batch have the bytes that the kernels give one by one."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from layermix_gen import LayerMixError, render_batch
from layermix_gen.images import Image
from layermix_gen.kernels import masks
from layermix_gen.kernels.programs import CALLS, LEAVES
from layermix_gen.mixing.methods import METHODS, DrawSettings
from layermix_gen.mixing.recipe import SIGNATURES, Expression, parse
from layermix_gen.mixing.renderer import names_in, rendered
from layermix_gen.reading.batch_rendering import batch_kernels, batch_programs, device_check
from layermix_gen.reading.batch_rendering.batch_kernels import KERNELS
from layermix_gen.reading.batch_rendering.device_check import check_device
from layermix_gen.reading.batch_rendering.tensor_masks import random_bytes
from layermix_gen.support.seeds import KeyedRandom
from tests.kernels.test_digests import RECIPES, image_of
from tests.mixing.test_any_recipe import LEAVES as ANY_LEAF
from tests.mixing.test_any_recipe import calls
from tests.strategies import pairs, steady


def check(recipes: list[Expression], leaves: list[Image]) -> None:
    """Render recipes, each on other images, as a batch and one by one."""
    turned = [[np.roll(leaf, number, 0) for leaf in leaves] for number in range(len(recipes))]
    stacks = [torch.from_numpy(np.stack(one)).movedim(3, 1) for one in zip(*turned, strict=True)]
    found = render_batch(recipes, *stacks)
    assert found.is_contiguous(memory_format=torch.channels_last)
    for recipe, inputs, pixels in zip(recipes, turned, found.movedim(1, 3).numpy(), strict=True):
        np.testing.assert_array_equal(pixels, rendered(recipe, *inputs), str(recipe))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 51), (2, 5)])
def test_every_call_at_several_strengths(height: int, width: int) -> None:
    assert {*KERNELS} <= {*SIGNATURES}
    assert {*CALLS} - {*LEAVES} <= {*KERNELS}  # an operation of NumPy alone needs no row
    check(RECIPES, [image_of(height, width, number) for number in range(3)])


@steady(max_examples=60)
@given(st.lists(st.recursive(ANY_LEAF, calls, max_leaves=6), min_size=1, max_size=4), pairs)
def test_any_recipes(recipes: list[Expression], inputs: tuple[Image, Image]) -> None:
    check(recipes, [*inputs])


@pytest.mark.parametrize("size", [32, 33])
def test_what_all_methods_draw(size: int) -> None:
    recipes = []
    for method in METHODS.values():
        settings = DrawSettings(size, 9, 40, method.options())
        recipes += [method.draw(KeyedRandom.of_view(0, i, 0, 0), settings).expression for i in range(12)]
    check(recipes, [image_of(size, size, number) for number in range(3)])


def test_programs_and_steps_may_be_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_programs, "MOST_BYTES", 20 * 3 * 9 * 7)
    monkeypatch.setattr(batch_programs, "MOST_PIXELS", 2 * 9 * 7)
    check(RECIPES[::3], [image_of(9, 7, number) for number in range(3)])


def test_calls_without_a_row_are_made_by_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    batch_kernels.kernel_of.cache_clear()
    for name in ("equalize", "multiply_patch"):
        monkeypatch.delitem(batch_kernels.KERNELS, name)
    check([one for one in RECIPES if names_in(one) & {"equalize", "multiply_patch"}], [image_of(11, 8, 0)] * 3)
    batch_kernels.kernel_of.cache_clear()


def test_random_bytes_are_those_of_numpy() -> None:
    seeds, blocks = [0, 7, 2**32 - 1], [1, 300, 2]
    expected = np.concatenate([masks.random_bytes(seed, 32 * many) for seed, many in zip(seeds, blocks, strict=True)])
    assert np.array_equal(random_bytes(torch.tensor(seeds), torch.tensor(blocks), sum(blocks)).numpy(), expected)


IMAGES = torch.zeros(2, 3, 4, 5, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("recipes", "given", "message"),
    [
        (["turn(image)"] * 2, [IMAGES], "expected one of image, .* at character 1 of the recipe, found "),
        (["image"] * 3, [IMAGES], "expected a recipe for each of 2 images, got 3; "),
        (["image", "add(image, picture, 1, 1)"], [IMAGES], "a recipe uses 'picture', which was not given; pass pict"),
        (["image"] * 2, [IMAGES.float()], "expected images as a uint8 tensor .B, 3, H, W., got torch.float32 .2, 3, 4"),
        (["image"] * 2, [IMAGES.numpy()], "expected images as a uint8 tensor .B, 3, H, W., got ndarray; convert "),
        (["image"] * 2, [IMAGES[..., :0]], "expected images with at least one pixel, got shape .2, 3, 4, 0."),
        (["image"] * 2, [IMAGES, IMAGES[:1]], "expected images and pictures of one shape on one device, got .* and "),
        (["image"] * 2, [IMAGES, IMAGES.to("meta")], "expected images and pictures of one shape on one device, got "),
    ],
)
def test_what_does_not_fit(recipes: list[str], given: list[Any], message: str) -> None:
    with pytest.raises(LayerMixError, match=f"^{message}"):
        render_batch(recipes, *given)


def test_a_batch_of_none() -> None:
    assert render_batch([], IMAGES[:0]).shape == (0, 3, 4, 5)


def test_devices_that_render_otherwise_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_device(torch.device("cpu"))
    assert {name for recipe in device_check.RECIPES for name in names_in(parse(recipe))} == {*CALLS}

    def missing(recipes: list[str], *leaves: Tensor) -> Tensor:
        raise TypeError("no float64\nhere")

    monkeypatch.setattr(device_check, "render_batch", missing)
    with pytest.raises(LayerMixError, match=r"^expected a device that can render, got cpu:1 \(no float64 here\); "):
        check_device(torch.device("cpu:1"))

    def other(recipes: list[str], *leaves: Tensor) -> Tensor:
        made = render_batch(recipes, *leaves)
        made[3, 0, 5, 5] ^= 1
        return made

    monkeypatch.setattr(device_check, "render_batch", other)
    with pytest.raises(LayerMixError, match=r"^expected cpu:1 to render as the CPU does, found pixels 1/255 apart in "):
        check_device(torch.device("cpu:1"))
