"""Corruptions against other implementations: the imagecorruptions library, scipy, scikit-image, and loops by pixel.

The library is a descendant of the code that made ImageNet-C. Given the same random numbers, most of its images and ours
are the same to the last bit. Where it went other ways (elastic_transform), the published definition is followed by a
second route.
"""

import sys
from functools import cache
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage
from scipy import ndimage
from skimage.draw import line_aa
from skimage.filters import gaussian

from layermix_gen.evaluate.benchmarks import SEVERITIES
from layermix_gen.evaluate.corruptions import CORRUPTIONS, Closeness, corrupted
from layermix_gen.evaluate.corruptions.effects.blur import _scattered
from layermix_gen.evaluate.corruptions.effects.filters import motion
from layermix_gen.evaluate.corruptions.effects.obscuring import _line, _sparkle
from layermix_gen.evaluate.corruptions.effects.warps import _caustics
from tests.evaluate.corruptions.pictures import Legacy, photographs


@pytest.fixture(scope="module")
def library():
    """The module of `imagecorruptions`, without the compiler that it imports, numba."""
    with pytest.MonkeyPatch.context() as patch:
        numba = ModuleType("numba")
        numba.njit = lambda *_: lambda function: function  # type: ignore[attr-defined]
        patch.setitem(sys.modules, "numba", numba)
        import imagecorruptions.corruptions

        patch.setattr(cv2, "imread", cache(cv2.imread))  # frost reads its photograph again for each image

        yield imagecorruptions.corruptions


# The largest share of channel values that differ, and by how much at most.
DIFFERENCES = {
    "gaussian_noise": (0, 0),
    "shot_noise": (0, 0),
    "impulse_noise": (0, 0),
    "defocus_blur": (0, 0),
    "glass_blur": (0, 0),
    "motion_blur": (5e-3, 1),
    "zoom_blur": (1e-4, 1),
    "fog": (1e-4, 1),
    "brightness": (0.05, 1),
    "contrast": (0, 0),
    "pixelate": (0, 0),
    "jpeg_compression": (0, 0),
    "speckle_noise": (0, 0),
    "gaussian_blur": (1e-4, 1),
    "spatter": (5e-4, 1),
    "saturate": (0.03, 1),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_images_are_the_librarys(name, library):
    share, most = DIFFERENCES[name]
    views = photographs(64 if name == "glass_blur" else 224)[: 1 if name == "glass_blur" else 2]
    for severity in SEVERITIES:
        different = []
        for seed, view in enumerate(views):
            np.random.seed(seed)  # noqa: NPY002
            options = {"seed": seed} if name in ("impulse_noise", "glass_blur") else {}
            theirs = np.uint8(getattr(library, name)(PillowImage.fromarray(view), severity, **options))
            rng = np.random.default_rng(seed) if name == "impulse_noise" else Legacy(seed)
            ours = corrupted(view, name, severity, "imagenet", rng)  # type: ignore[arg-type]
            difference = np.abs(ours.astype(int) - theirs)
            different.append((difference > 0).mean())
            assert difference.max() <= most, severity
        assert np.mean(different) <= share, severity


def test_snow_is_the_librarys_but_for_rounding_and_an_edge(library):
    """The library cuts flakes to whole numbers once and rounds, and crops a row that runs over after the fall."""
    for severity in SEVERITIES:
        (view, _, _, _) = photographs(224)
        np.random.seed(severity)  # noqa: NPY002
        theirs = np.uint8(library.snow(PillowImage.fromarray(view), severity))
        ours = corrupted(view, "snow", severity, "imagenet", Legacy(severity))  # type: ignore[arg-type]
        difference = np.abs(ours.astype(int) - theirs)[32:-32, 32:-32]
        assert difference.max() <= 3
        assert difference.mean() < 0.6


@pytest.mark.parametrize("degrees", [-45, -120, 0, 33.3])
def test_motion_is_the_librarys_before_it_is_rounded(library, degrees):
    view = photographs(96)[0].astype(np.float32)
    np.testing.assert_allclose(
        motion(view, 10, 3, degrees), library._motion_blur(view, 10, 3, degrees), atol=1e-3, rtol=0
    )


def test_frost_darkens_and_whitens_as_the_librarys_photographs_do(library):
    """An approximation: moments over images and crops, of each severity, within a twentieth of the range."""
    for severity in SEVERITIES:
        ours, theirs = [], []
        for seed, view in enumerate(photographs(224) * 5):
            np.random.seed(seed)  # noqa: NPY002
            theirs.append(np.uint8(library.frost(PillowImage.fromarray(view), severity)))
            ours.append(corrupted(view, "frost", severity, "imagenet", Legacy(seed)))  # type: ignore[arg-type]
        assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=13)
        assert np.std(ours) == pytest.approx(np.std(theirs), abs=13)


@pytest.mark.parametrize("scale", ["cifar", "imagenet"])
def test_elastic_transform_by_scipy(scale):
    view = photographs(32 if scale == "cifar" else 224)[1]
    for severity, (amount, smoothness, corner, side) in enumerate(getattr(CORRUPTIONS["elastic_transform"], scale), 1):
        rng = np.random.default_rng(severity)
        count = view.shape[0]
        triangle = np.array([[1, 1], [1, -1], [-1, -1]], np.float32) * (count // 3) + count // 2
        shaken = triangle + rng.uniform(-corner * side, corner * side, (3, 2)).astype(np.float32)
        turned = cv2.warpAffine(
            (view / 255).astype(np.float32),
            cv2.getAffineTransform(triangle, shaken),
            (count, count),
            borderMode=cv2.BORDER_REFLECT_101,
        )
        field = [
            amount * side * gaussian(rng.uniform(-1, 1, (count, count)), smoothness * side, mode="reflect", truncate=3)
            for _ in range(2)
        ]
        rows, columns = np.mgrid[:count, :count]
        places = (rows + field[1], columns + field[0])
        channels = [ndimage.map_coordinates(turned[..., c], places, order=1, mode="reflect") for c in range(3)]
        expected = (np.clip(np.stack(channels, axis=2), 0, 1) * 255).astype(np.uint8)
        ours = corrupted(view, "elastic_transform", severity, scale, np.random.default_rng(severity))
        difference = np.abs(ours.astype(int) - expected)
        assert difference.max() <= 1
        assert difference.mean() < 1e-3


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_scattering_is_a_walk_over_the_pixels(reach):
    rng, (height, width) = np.random.default_rng(reach), (19, 14)
    right, down = rng.integers(-reach, reach, (2, height - 2 * reach, width - 2 * reach))
    place = np.arange(height * width).reshape(height, width)
    for i, row in enumerate(range(height - reach, reach, -1)):
        for j, column in enumerate(range(width - reach, reach, -1)):
            place[row, column] = place[row + down[i, j], column + right[i, j]]
    np.testing.assert_array_equal(_scattered((height, width), reach, right, down), place)


# --- C-bar ---------------------------------------------------------------------------------------------------------


def test_chromatic_aberration_by_scipys_zoom():
    for severity, (difficulty,) in enumerate(CORRUPTIONS["transverse_chromatic_abberation"].cifar, 1):  # type: ignore[arg-type]
        for seed, view in enumerate(photographs(32)):
            order = np.random.default_rng(seed).permutation([0, 0.5, 1])
            expected = np.empty_like(view)
            for channel, share in enumerate(order):
                large = ndimage.zoom(view[..., channel], 1 + 0.05 * difficulty * share, prefilter=False)
                edge = (len(large) - 32) // 2
                expected[..., channel] = large[edge : edge + 32, edge : edge + 32]
            rng = np.random.default_rng(seed)
            ours = corrupted(view, "transverse_chromatic_abberation", severity, "cifar", rng)
            difference = np.abs(ours.astype(int) - expected)
            assert (difference.max(), difference.mean() < 0.02) in ((0, True), (1, True))


def test_circular_motion_blur_by_scipys_rotate():
    for severity, (difficulty,) in enumerate(CORRUPTIONS["circular_motion_blur"].cifar, 1):  # type: ignore[arg-type]
        for view in photographs(32):
            places = np.linspace(-1, 1, 21)
            turns = [ndimage.rotate(view / 255, 1.5 * difficulty * place, reshape=False) for place in places]
            expected = np.clip(np.average(turns, axis=0, weights=np.exp(-2 * places**2)), 0, 1) * 255
            ours = corrupted(view, "circular_motion_blur", severity, "cifar", np.random.default_rng(0))
            difference = np.abs(ours.astype(int) - expected.astype(np.uint8))
            assert difference.max() <= 1
            assert difference.mean() < 0.15


def test_lines_by_scikit_image():
    rows, columns, rng = np.arange(32.0)[:, None], np.arange(32.0)[None], np.random.default_rng(0)
    total = 0.0
    for _ in range(200):
        start, end = rng.integers(-30, 62, (2, 2)).tolist()
        row, column, value = line_aa(*start, *end)
        inside = (row >= 0) & (row < 32) & (column >= 0) & (column < 32)
        expected = np.zeros((32, 32))
        expected[row[inside], column[inside]] = value[inside]
        difference = np.abs(_line(rows, columns, start, end) - expected)
        assert (difference > 0.01).sum() <= 2  # the pixels at an end
        total += difference.mean()
    assert total / 200 < 1e-4


def sample(view, place):
    return [ndimage.map_coordinates(view[..., c].astype(float), place, order=1, mode="grid-constant") for c in range(3)]


def test_ripple_by_scipy():
    (view, *_) = photographs(32)
    rng = np.random.default_rng(3)
    waves, phases = 32 * rng.uniform(0.1, 0.3, 2), rng.uniform(0, 2 * np.pi, 2)
    places = np.array(np.mgrid[:32, :32], float)
    for axis in (0, 1):
        places[axis] += 0.0025 * 6.5 * 32 * np.sin(2 * np.pi * places[axis] / waves[axis] + phases[axis])
    ours = corrupted(view, "ripple", 3, "cifar", np.random.default_rng(3))
    assert np.abs(ours - np.stack(sample(view, places), axis=2)).max() < 1.01


def test_pinch_and_twirl_by_complex_numbers():
    """The inside of each circle turns by a power of e and moves out by a power of a sine; everything else stays."""
    (_, view, *_) = photographs(32)
    difficulty = CORRUPTIONS["pinch_and_twirl"].cifar[2][0]  # type: ignore[index]
    signs = np.random.default_rng(4).choice([1.0, -1.0], (4, 4))
    places = np.array(np.mgrid[:32, :32], float)
    for i in range(3):
        for j in range(3):
            for row in range(10 * i, 10 * i + 10):
                for column in range(10 * j, 10 * j + 10):
                    arm = complex(row - 10 * i - 5, column - 10 * j - 5)
                    share = abs(arm) / 5
                    if 0 < share <= 1:
                        twirl = np.exp(1j * signs[i, j] * np.pi / 20 * difficulty * (1 - share) ** 2)
                        moved = arm * twirl * np.sin(np.pi / 2 * share) ** -(0.04 * difficulty + 0.1)
                        places[:, row, column] = 10 * i + 5 + moved.real, 10 * j + 5 + moved.imag
    ours = corrupted(view, "pinch_and_twirl", 3, "cifar", np.random.default_rng(4))
    assert np.abs(ours - np.stack(sample(view, places), axis=2)).max() < 1.01
    np.testing.assert_array_equal(ours[30:], view[30:])


def test_refraction_by_snells_law_for_vectors():
    """The refracted ray is a sum of the ray and the normal; see any text on ray tracing."""
    (_, _, view, _) = photographs(112)
    rng = np.random.default_rng(5)
    time, scale = rng.uniform(0.5, 2), rng.uniform(0.75, 1.25) * 112
    light = np.pad(ndimage.gaussian_filter(_caustics(view, time, scale), 1), 1)
    slopes = np.stack([light[2:, 1:-1] - light[:-2, 1:-1], light[1:-1, 2:] - light[1:-1, :-2]])
    normal = np.concatenate([slopes, np.ones((1, 112, 112))])
    normal /= np.linalg.norm(normal, axis=0)
    cosine = normal[2]
    ray = (np.sqrt(1 - (1 - cosine**2) / 16) - cosine / 4) * normal  # and a quarter of (0, 0, 1)
    ray[:, cosine >= 1 - 1e-3] = 0
    difficulty = CORRUPTIONS["caustic_refraction"].imagenet[3][0]  # type: ignore[index]
    places = np.mgrid[:112, :112] + 0.05 * difficulty * 112 * ray[:2]
    seen = np.stack(sample(view, places), axis=2) / 255 + 0.2 * difficulty * (slopes[0] - slopes[1])[..., None]
    ours = corrupted(view, "caustic_refraction", 4, "imagenet", np.random.default_rng(5))
    difference = np.abs(ours - np.clip(seen, 0, 1) * 255)
    assert difference.max() < 2
    assert difference.mean() < 0.6  # what is cut off


def test_caustics_by_pixel():
    image = np.zeros((9, 7, 3), np.uint8)
    ours = _caustics(image, 1.3, 8.0)
    for row, column in np.ndindex(9, 7):
        point = np.array([row, column]) / 8 % 1 * 2 * np.pi - 250
        moving, total = point, 1.0
        for number in range(5):
            t = 1.3 * (1 - 3.5 / (number + 1))
            a, b = moving
            moving = point + np.array([np.cos(t - a) + np.sin(t + b), np.sin(t - b) + np.cos(t + a)])
            waves = np.array([np.sin(moving[0] + t), np.cos(moving[1] + t)])
            total += 1 / float(np.linalg.norm(0.005 * point / waves))
        expected = min(abs(1.17 - (total / 5) ** 1.4) ** 8, 1)
        assert ours[row, column] == pytest.approx(expected, abs=1e-9)


def test_plasma_noise_by_pixel():
    """Each pixel is a complex number that two sines move several times."""
    image = np.full((12, 10, 3), 90, np.uint8)
    rng = np.random.default_rng(6)
    time, times = rng.uniform(0, 6 * np.pi), rng.integers(4, 7)
    sharpness, scale = rng.uniform(0.5, 1), rng.uniform(0.075, 0.2) * 10
    ours = corrupted(image, "plasma_noise", 2, "imagenet", np.random.default_rng(6)).astype(int)
    for row, column in np.ndindex(12, 10):
        point = complex(column, row) / scale
        for step in range(times):
            frequency, phase = 1.93**step, time / 1.15**step
            push = complex(np.cos(point.imag * frequency + phase), np.sin(point.real * frequency + phase))
            point += push * (1 + 0.3j) / (2.25 - sharpness) ** step
        waves = (point.real - time, (point.real + point.imag + np.sin(time)) / 2, point.imag + time)
        share = 0.7 * 64 / 255
        expected = (1 - share) * 90 + share * 255 * np.sin(waves)
        assert np.abs(ours[row, column] - np.clip(expected, 0, 255)).max() < 1.001


def test_cocentric_waves_by_pixel():
    image = np.full((40, 40, 3), 120, np.uint8)
    rng = np.random.default_rng(7)
    column, row, petals, swing, ring = (rng.uniform(0, top) for top in (40, 40, 10, 4, 4))
    ours = corrupted(image, "cocentric_sine_waves", 4, "imagenet", np.random.default_rng(7)).astype(int)
    for y, x in np.ndindex(40, 40):
        away = complex(y - row, x - column)
        distance = abs(away) + swing * np.sin(petals * np.angle(away))
        wave = distance / ring - np.floor(distance / ring) - 0.5
        assert np.abs(ours[y, x] - (120 + 9 * 12.8 * wave)).max() < 1.001


def test_a_sparkle_on_its_rays_and_between():
    lengths = np.array([4.0, 8.0, 6.0, 2.0])
    image = np.zeros((41, 41, 3), np.uint8)
    strength = _sparkle(image, np.array([20.0, 20.0]), lengths, 1.0)
    # On a ray the strength is 3/4 of (length / distance)². The third one points to the last row: 8, 6, 2 by columns.
    assert strength[40, 20] == pytest.approx(0.75 * 6**2 / 20**2, rel=1e-3)
    for angle, (row, column) in zip((np.arctan2(20, 0), np.arctan2(14, 14)), [(20, 40), (34, 34)], strict=True):
        turn = (angle + np.pi) / (2 * np.pi) * 4
        ray, part = int(turn), turn - int(turn)
        length = (1 - part) * lengths[ray % 4] + part * lengths[(ray + 1) % 4]
        distance = np.hypot(row - 20, column - 20)
        assert strength[row, column] == pytest.approx((1 - (part - 0.5) ** 2) * length**2 / distance**2, rel=1e-4)
    assert strength[20, 21] == 1


def test_every_exact_corruption_has_a_second_route():
    """What is called exact is held to another implementation above."""
    exact = {name for name, row in CORRUPTIONS.items() if row.closeness is Closeness.EXACT}
    assert exact == set(DIFFERENCES) | {"snow", "elastic_transform", "circular_motion_blur"}
