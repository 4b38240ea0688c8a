"""Views: the boxes have torchvision's distribution, and their pixels are within 2/255 of what Pillow makes of them."""

import math
from importlib.resources import files

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageDraw
from scipy import stats

from layermix_gen.errors import BadImage
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
from layermix_gen.kernels import native
from layermix_gen.kernels.scaling import cut_scaled
from tests.strategies import images, make_image, steady

P = 1e-4
COUNT = 20_000
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
SOURCES = st.one_of(st.integers(1, 40), st.integers(41, 700))


def photograph(name):
    with PillowImage.open(str(files("skimage") / "data" / name)) as image:
        return np.asarray(image.convert("RGB"))


def resize(image, height, width):
    out = np.empty((height, width, 3), np.uint8)
    cut_scaled(image, (0, 0, *image.shape[:2]), (height, width), (0, 0), False, out)
    return out


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
        again = View(*recorded)  # type: ignore[arg-type]
        np.testing.assert_array_equal(render_view(image, again, 32), render_view(image, view, 32))


@every_view
def test_a_view_is_the_same_where_nothing_is_compiled_and_in_memory_that_is_given(kind, monkeypatch):
    image = make_image("random", 90, 61, seed=0)
    views, out = boxes(VIEWS[kind], 90, 61, 32, count=10), np.empty((32, 32, 3), np.uint8)
    expected = [render_view(image, view, 32) for view in views]
    monkeypatch.setattr(native, "library", lambda: None)
    for view, pixels in zip(views, expected, strict=True):
        assert render_view(image, view, 32, out) is out
        np.testing.assert_array_equal(out, pixels)


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


def checkerboard(size, cell):
    rows, columns = np.mgrid[:size, :size] // cell
    return np.repeat(((rows + columns) % 2 * 254).astype(np.uint8)[..., None], 3, axis=2)


def zone_plate(size):
    """Circles ever closer to each other, up to the finest that pixels can hold, with other phases in each channel."""
    rows, columns = np.mgrid[:size, :size] - size / 2
    phase = np.pi * (rows**2 + columns**2) / size  # about level 125, not 127.5, which either may round up or down
    return np.stack([125 + 120 * np.cos(phase + shift) for shift in (0, 1, 2)], axis=-1).round().astype(np.uint8)


def text(size):
    image = PillowImage.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)
    for y in range(0, size, 11):
        pen.text((y % 7, y), "LayerMix 0123456789 il|/ WMwm #@ " * 3, fill=(0, y % 256, 40))
    return np.asarray(image)


PICTURES = {
    **{name: photograph(name)[30:270, 20:260] for name in PHOTOGRAPHS},
    "zone plate": zone_plate(240),
    "checkerboard": checkerboard(240, 1),
    "coarse checkerboard": checkerboard(240, 7),
    "text": text(240),
}


def exact(image, *shape):
    """Real numbers: the triangle filter along both axes."""
    for size in shape:
        places, centres = np.arange(len(image)) + 0.5, (np.arange(size) + 0.5) * len(image) / size
        weights = np.maximum(0, 1 - abs(places - centres[:, None]) / max(1, len(image) / size))
        image = np.tensordot(weights / weights.sum(1, keepdims=True), image.astype(float), 1).swapaxes(0, 1)
    return image


@pytest.mark.parametrize("reduction", [0.3, 0.7, 1.05, 1.3, 1.6, 1.95, 2, 2.5, 3.3, 4, 5.3, 8, 11, 20])
def test_scaling_is_as_pillow_does(reduction):
    """Pillow rounds between its two passes, so that it is up to 1/255 from the exact values; we are within 0.55."""
    size, means = round(240 / reduction), []
    for picture in PICTURES.values():
        for shape in ((size, size), (size, 100)):
            image = np.ascontiguousarray(picture)
            found, expected = resize(image, *shape), pillow(image, *shape)
            assert abs(found - exact(image, *shape)).max() <= 0.55
            assert off(found, expected).max() <= 2
            means.append(off(found, expected).mean())
    assert np.mean(means) <= 0.2


@pytest.mark.parametrize("name", PICTURES)
def test_bilinear_without_antialiasing_would_be_seen(name):
    """The bound of the maximum tells it from the filter in each picture, also where its mean error is small."""
    small = cv2.resize(np.ascontiguousarray(PICTURES[name]), (150, 150), interpolation=cv2.INTER_LINEAR)
    assert off(small, pillow(PICTURES[name], 150, 150)).max() > 20


@pytest.mark.parametrize("size", [224, 32])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_drawn_boxes_are_as_pillow_cuts_them(name, size):
    image, rng, means = photograph(name), np.random.default_rng(len(name)), []
    for _ in range(15):
        view = draw_random_resized_crop(rng, image.shape[0], image.shape[1], size)
        crop = image[view.top : view.top + view.height, view.left : view.left + view.width]
        expected = pillow(np.ascontiguousarray(crop), size, size)
        differences = off(render_view(image, view, size), expected[:, ::-1] if view.flip else expected)
        means.append(differences.mean())
        assert differences.max() <= 2
    assert np.mean(means) <= 0.2


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
    np.testing.assert_array_equal(resize(image, height, width), image)
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


@pytest.mark.parametrize("source", [np.zeros((5, 4), np.uint8), np.zeros((5, 4, 4), np.uint8), np.zeros((5, 4, 3))])
def test_what_is_no_image_is_not_read(source):
    with pytest.raises((ValueError, IndexError)):
        render_view(source, View(0, 0, 4, 4, False), 4)


def test_a_view_far_outside_is_black():
    for far in (3e9, -3e9, 1e300):
        assert not render_view(make_image("random", 9, 9, 0), View(far, 0, 9, 9, False), 5).any()


def test_a_source_whose_weights_would_overflow_is_a_bad_image():
    strip = np.broadcast_to(np.uint8(255), (1, 20_000_000, 3))
    with pytest.raises(BadImage, match="too elongated: a side of 20000000x1 pixels"):
        render_view(strip, View(0, 0, 1, 20_000_000, False), 1)
