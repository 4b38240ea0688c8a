"""Views: the boxes have torchvision's distribution, and what is cut out of them is what Pillow would have cut."""

import math
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from scipy import stats

from layermix_gen.errors import BadImage
from layermix_gen.images.resize import resize
from layermix_gen.images.views import (
    VIEWS,
    PictureView,
    View,
    draw_center,
    draw_padded_crop,
    draw_picture_view,
    draw_random_resized_crop,
    render_view,
    scaled_shape,
)
from tests.strategies import images, make_image, steady

P = 1e-4
COUNT = 20_000
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
SOURCES = st.one_of(st.integers(1, 40), st.integers(41, 700))


def photograph(name):
    with PillowImage.open(str(files("skimage") / "data" / name)) as image:
        return np.asarray(image.convert("RGB"))


def boxes(draw, height, width, size, count=COUNT):
    rng = np.random.default_rng(0)
    return [draw(rng, height, width, size) for _ in range(count)]


def assert_uniform(values, expected):
    counts = [values.count(value) for value in expected]
    assert sum(counts) == len(values)
    assert stats.chisquare(counts).pvalue > P


# --- random resized crops ------------------------------------------------------------------------------------------


def torchvision_boxes(height, width, count):
    """RandomResizedCrop.get_params of torchvision, in numpy: (top, left, height, width), one a row."""
    rng = np.random.default_rng(12345)
    found = []
    for _ in range(count):
        for _ in range(10):
            target = height * width * rng.uniform(0.08, 1.0)
            aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
            w, h = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
            if 0 < w <= width and 0 < h <= height:
                found.append((rng.integers(0, height - h + 1), rng.integers(0, width - w + 1), h, w))
                break
        else:
            ratio = width / height
            w, h = width, height
            if ratio < 3 / 4:
                h = round(w / (3 / 4))
            elif ratio > 4 / 3:
                w = round(h * (4 / 3))
            found.append(((height - h) // 2, (width - w) // 2, h, w))
    return np.array(found)


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 333), (200, 900)])
def test_random_resized_crops_are_torchvisions(height, width):
    expected = torchvision_boxes(height, width, COUNT).T
    drawn = boxes(draw_random_resized_crop, height, width, 224)
    found = np.array([(view.top, view.left, view.height, view.width) for view in drawn]).T
    for name, measure in {
        "area": lambda box: box[2] * box[3],
        "aspect": lambda box: box[3] / box[2],
        "top": lambda box: box[0],
        "left": lambda box: box[1],
        "bottom": lambda box: box[0] + box[2],
        "right": lambda box: box[1] + box[3],
    }.items():
        assert stats.ks_2samp(measure(found), measure(expected)).pvalue > P, name
    assert stats.binomtest(sum(view.flip for view in drawn), COUNT).pvalue > P


def test_area_and_aspect_are_uniform_where_every_box_fits():
    """In a large square a box of up to 9/16 of the area fits at any aspect ratio, so that no try is refused."""
    drawn = boxes(draw_random_resized_crop, 4000, 4000, 224)
    areas = np.array([view.height * view.width / 4000**2 for view in drawn])
    aspects = np.array([view.width / view.height for view in drawn])
    fits = areas < 0.56
    assert stats.kstest(areas[fits], stats.uniform(0.08, 0.48).cdf).pvalue > P
    assert stats.kstest(np.log(aspects[fits]), stats.uniform(math.log(3 / 4), 2 * math.log(4 / 3)).cdf).pvalue > P
    assert stats.kstest(areas[fits], stats.uniform(0.1, 0.46).cdf).pvalue < P  # as it would be from 10% on


@steady(max_examples=200)
@given(SOURCES, SOURCES, st.integers(0, 2**32 - 1))
def test_random_resized_crops_are_inside(height, width, seed):
    view = draw_random_resized_crop(np.random.default_rng(seed), height, width, 32)
    assert 0 <= view.top <= height - view.height
    assert 0 <= view.left <= width - view.width
    assert view.height >= 1
    assert view.width >= 1
    assert all(isinstance(value, int) for value in (view.top, view.left, view.height, view.width))


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [
        pytest.param(100, 5000, (0, 2433, 100, 133), id="very wide"),
        pytest.param(5000, 100, (2433, 0, 133, 100), id="very tall"),
        pytest.param(1, 5000, (0, 2499, 1, 1), id="one pixel tall"),
        pytest.param(5000, 1, (2499, 0, 1, 1), id="one pixel wide"),
        pytest.param(1, 1, (0, 0, 1, 1), id="one pixel"),
        pytest.param(2, 1, (0, 0, 1, 1), id="two pixels"),
    ],
)
def test_where_no_try_fits_the_centre_is_taken(height, width, box):
    drawn = {
        (view.top, view.left, view.height, view.width) for view in boxes(draw_random_resized_crop, height, width, 8, 50)
    }
    assert box in drawn
    if max(height, width) > 1000:
        assert drawn == {box}


# --- padded crops and centres --------------------------------------------------------------------------------------


def test_padded_crops_of_the_native_size():
    drawn = boxes(draw_padded_crop, 32, 32, 32)
    assert {(view.height, view.width) for view in drawn} == {(32, 32)}
    tops, lefts = [int(view.top) for view in drawn], [int(view.left) for view in drawn]
    assert_uniform(tops, range(-4, 5))
    assert_uniform(lefts, range(-4, 5))
    assert abs(np.corrcoef(tops, lefts)[0, 1]) < 0.04
    assert stats.binomtest(sum(view.flip for view in drawn), COUNT).pvalue > P


def test_padded_crops_are_slices_of_the_padded_image():
    image = make_image("random", 32, 32, seed=0)
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    for view in boxes(draw_padded_crop, 32, 32, 32, count=200):
        expected = padded[int(view.top) + 4 :][:32, int(view.left) + 4 :][:, :32]
        expected = expected[:, ::-1] if view.flip else expected
        np.testing.assert_array_equal(render_view(image, view, 32), expected)


@pytest.mark.parametrize(("height", "width"), [(48, 100), (500, 375), (28, 28), (33, 32), (7, 20)])
def test_padded_crops_of_a_scaled_source(height, width):
    image, size = make_image("random", height, width, seed=0), 32
    rows, columns = scaled_shape(height, width, size)
    assert min(rows, columns) == size
    scaled = resize(image, rows, columns)
    padded = np.pad(scaled, ((4, 4), (4, 4), (0, 0)))
    scale, tops, lefts = size / min(height, width), set(), set()
    for view in boxes(draw_padded_crop, height, width, size, count=300):
        top, left = round(view.top * scale), round(view.left * scale)
        assert -4 <= top <= rows + 4 - size
        assert -4 <= left <= columns + 4 - size
        assert view.height == view.width == min(height, width)
        inside = 0 <= view.top <= height - view.height and 0 <= view.left <= width - view.width
        if not (inside and view.top == int(view.top) and view.left == int(view.left)):
            expected = padded[top + 4 :][:size, left + 4 :][:, :size]
            expected = expected[:, ::-1] if view.flip else expected
            np.testing.assert_array_equal(render_view(image, view, size), expected)
        tops.add(top)
        lefts.add(left)
    assert (min(tops), max(tops)) == (-4, rows + 4 - size)
    assert len(lefts) > min(columns + 8 - size, 40) * 0.7


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 50), (51, 32)])
def test_the_centre_of_the_native_size_is_a_slice(height, width):
    image = make_image("random", height, width, seed=0)
    view = draw_center(np.random.default_rng(0), height, width, 32)
    top, left = (height - 32) // 2, (width - 32) // 2
    assert view == View(top, left, 32, 32, False)
    np.testing.assert_array_equal(render_view(image, view, 32), image[top : top + 32, left : left + 32])


def test_the_centre_draws_nothing():
    rng = np.random.default_rng(0)
    draw_center(rng, 100, 70, 32)
    assert rng.random() == np.random.default_rng(0).random()


# --- every view ----------------------------------------------------------------------------------------------------

every_view = pytest.mark.parametrize("kind", VIEWS)


@every_view
@steady(max_examples=60)
@given(st.data())
def test_makes_a_new_square(kind, data):
    image, size, seed = data.draw(images), data.draw(st.integers(8, 40)), data.draw(st.integers(0, 2**32 - 1))
    before = image.copy()
    height, width, _ = image.shape
    view = VIEWS[kind](np.random.default_rng(seed), height, width, size)
    result = render_view(image, view, size)
    assert (result.dtype, result.shape) == (np.uint8, (size, size, 3))
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, image)
    np.testing.assert_array_equal(image, before)


@every_view
@pytest.mark.parametrize(("height", "width"), [(375, 500), (32, 32), (101, 67)])
def test_a_recorded_view_cuts_the_same_pixels(kind, height, width):
    """Metadata holds a view as five floats."""
    image = make_image("random", height, width, seed=0)
    for view in boxes(VIEWS[kind], height, width, 32, count=60):
        recorded = [float(value) for value in (view.top, view.left, view.height, view.width, view.flip)]
        assert [round(value, 4) for value in recorded] == recorded
        again = View(*recorded[:4], bool(recorded[4]))  # type: ignore[call-arg, arg-type]
        np.testing.assert_array_equal(render_view(image, again, 32), render_view(image, view, 32))


@every_view
def test_a_flip_mirrors_the_same_box(kind):
    image = make_image("random", 90, 61, seed=0)
    for view in boxes(VIEWS[kind], 90, 61, 32, count=30):
        plain, mirrored = (View(view.top, view.left, view.height, view.width, flip) for flip in (False, True))
        np.testing.assert_array_equal(render_view(image, mirrored, 32), render_view(image, plain, 32)[:, ::-1])


@every_view
@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 40), (40, 1), (2, 3), (7, 60_000), (40_000, 20), (3, 33_000)]
)
def test_odd_sources(kind, height, width):
    image = np.full((height, width, 3), 200, np.uint8)
    for view in boxes(VIEWS[kind], height, width, 16, count=2):
        pixels = render_view(image, view, 16)
        assert set(np.unique(pixels)) <= {0, 200}
        assert (pixels == 200).mean() > 0.5


@pytest.mark.parametrize(("height", "width"), [(1, 5000), (5000, 1)])
def test_a_strip_that_would_become_too_long_is_a_bad_image(height, width):
    rng = np.random.default_rng(0)
    long, short = 5000 * 224, 224
    became = f"{long}x{short}" if width > height else f"{short}x{long}"
    for kind in ("center", "pad-crop"):
        with pytest.raises(BadImage, match=f"too elongated: {width}x{height} pixels would become {became}"):
            VIEWS[kind](rng, height, width, 224)
    view = draw_random_resized_crop(rng, height, width, 224)  # cut first, then scaled
    assert render_view(np.zeros((height, width, 3), np.uint8), view, 224).shape == (224, 224, 3)


# --- scaling -------------------------------------------------------------------------------------------------------


def pillow(image, height, width):
    return np.asarray(PillowImage.fromarray(image).resize((width, height), PillowImage.Resampling.BILINEAR))


def off(found, expected):
    return np.abs(found.astype(int) - expected.astype(int))


def random_crops(name, size, count):
    """The mean difference from Pillow of each of `count` drawn boxes of a photograph."""
    image, rng = photograph(name), np.random.default_rng(len(name))
    whole = PillowImage.fromarray(image)
    means = []
    for _ in range(count):
        view = draw_random_resized_crop(rng, image.shape[0], image.shape[1], size)
        box = (view.left, view.top, view.left + view.width, view.top + view.height)
        crop = np.asarray(whole.resize((size, size), PillowImage.Resampling.BILINEAR, box=box))
        crop = crop[:, ::-1] if view.flip else crop
        means.append(off(render_view(image, view, size), crop).mean())
    return means


@pytest.mark.parametrize(("size", "mean", "each"), [(224, 0.5, 1.0), (32, 1.0, 2.0)])
def test_drawn_boxes_are_as_pillow_cuts_them(size, mean, each):
    """Pillow mixes in pixels from outside the box at its border, which shows in small views."""
    means = [random_crops(name, size, 25) for name in PHOTOGRAPHS]
    assert np.mean(means) <= mean
    assert np.max(means) <= each


@pytest.mark.parametrize("reduction", [1.05, 1.2, 1.4, 1.6, 1.8, 1.95, 2, 2.1, 2.5, 3, 3.3, 4, 5.3, 8, 11])
def test_reducing_is_as_pillow_does(reduction):
    size = round(240 / reduction)
    differences = []
    for name in PHOTOGRAPHS:
        image = np.ascontiguousarray(photograph(name)[30:270, 20:260])
        differences.append(off(resize(image, size, size), pillow(image, size, size)))
    assert np.mean(differences) <= (0.7 if reduction < 5 else 1.0)
    assert np.max(differences) <= 24


@pytest.mark.parametrize("reduction", [1.5, 2, 2.4, 2.5, 3, 4, 4.8, 5, 6, 7.5])
def test_reducing_blurs_as_much_as_the_triangle_filter(reduction):
    """The weights of the source's pixels in each pixel have the variance of Pillow's filter, s²/6, on both axes."""
    size = 120
    places, small = np.arange(size), round(size / reduction)
    ridges = np.tile(np.eye(size, dtype=np.float32), (size, 1, 1))  # one column each: (rows, ridges, columns)
    weights = np.concatenate(
        [
            resize(np.ascontiguousarray(ridges[:, at : at + 3].transpose(0, 2, 1)), small, small)[small // 2]
            for at in range(0, size, 3)
        ],
        axis=1,
    )  # (small, size)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-4)
    inner = weights[4:-4]
    centres = inner @ places
    variance = (inner @ places**2 - centres**2).mean()
    assert abs(variance / ((size / small) ** 2 / 6) - 1) < 0.003
    across = resize(np.ascontiguousarray(ridges[:, :3].transpose(2, 0, 1)), small, small)
    np.testing.assert_allclose(across[:, small // 2], weights[:, :3], atol=1e-5)


@pytest.mark.parametrize("shape", [(100, 70), (48, 64), (48, 65), (224, 224), (49, 64)])
def test_enlarging_is_as_pillow_does(shape):
    for name in PHOTOGRAPHS:
        image = np.ascontiguousarray(photograph(name)[50:98, 60:124])
        assert off(resize(image, *shape), pillow(image, *shape)).max() <= 1


@steady(max_examples=60)
@given(st.integers(0, 255), st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.integers(1, 60))
def test_a_flat_image_stays_flat(value, height, width, rows, columns):
    image = np.full((height, width, 3), value, np.uint8)
    assert set(np.unique(resize(image, rows, columns))) == {value}


@pytest.mark.parametrize("reduction", [1.3, 2, 2.5, 3.7, 6])
def test_scaling_moves_nothing(reduction):
    """The centre of gravity of a spot stays where it was, as a share of the image."""
    size = 240
    rows, columns = np.mgrid[:size, :size] + 0.5
    spot = np.exp(-((rows - 81) ** 2 + (columns - 150) ** 2) / (2 * 20**2))
    image = np.ascontiguousarray(np.repeat(np.rint(255 * spot).astype(np.uint8)[..., None], 3, axis=2))
    small = round(size / reduction)
    found = resize(image, small, small)[..., 0].astype(float)
    places = (np.arange(small) + 0.5) * size / small
    assert abs((found.sum(axis=1) @ places) / found.sum() - 81) < 0.15
    assert abs((found.sum(axis=0) @ places) / found.sum() - 150) < 0.15


@given(images)
@steady(max_examples=20)
def test_the_same_size_is_a_copy(image):
    height, width = image.shape[:2]
    assert resize(image, height, width) is image
    if height == width:
        view = View(0, 0, height, width, False)
        np.testing.assert_array_equal(render_view(image, view, height), image)
        assert not np.shares_memory(render_view(image, view, height), image)


# --- pictures ------------------------------------------------------------------------------------------------------


def test_picture_views():
    rng = np.random.default_rng(0)
    drawn = [draw_picture_view(rng, 7, 36, 32) for _ in range(COUNT)]
    assert_uniform([view.index for view in drawn], range(7))
    assert_uniform([view.top for view in drawn], range(5))
    assert_uniform([view.left for view in drawn], range(5))
    assert_uniform([2 * view.flip_v + view.flip_h for view in drawn], range(4))
    assert {draw_picture_view(rng, 1, 32, 32, flips=False) for _ in range(50)} == {PictureView(0, 0, 0, False, False)}
