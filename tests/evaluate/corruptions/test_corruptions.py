"""Every corruption by its properties: shape, no mutation, determinism, growth with severity, and known values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import corrupted
from layermix_gen.evaluate.benchmarks import C_EXTRA, CBAR, SCALES, SEVERITIES, C
from layermix_gen.evaluate.corruptions import CORRUPTIONS, names_of
from layermix_gen.evaluate.corruptions.effects.frost import LOOKS, picture_of_frost
from layermix_gen.evaluate.corruptions.effects.random_fields import frequencies, plasma, spectral, turbulence
from layermix_gen.support.seeds import corruption_generator
from tests.evaluate.corruptions.pictures import photographs
from tests.strategies import images, steady

CASES = [(name, scale) for scale in SCALES for name, row in CORRUPTIONS.items() if getattr(row, scale) is not None]
# By pixels, the published severities of these do not grow from each to the next: they change what is done, or the
# largest displacement comes first. So it is with the benchmarks' own images.
UNEVEN = {
    "motion_blur",
    "glass_blur",
    "snow",
    "frost",
    "fog",
    "spatter",
    "elastic_transform",
    "saturate",
    "checkerboard_cutout",
}
FIXED = {  # corruptions without any randomness
    "defocus_blur",
    "zoom_blur",
    "gaussian_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "saturate",
    "circular_motion_blur",
}


def rng(seed=0):
    return np.random.Generator(np.random.Philox(key=seed))


def test_the_table_holds_the_benchmarks_lists():
    for scale in SCALES:
        assert names_of("c", scale) == (*C, *C_EXTRA)
        assert names_of("cbar", scale) == CBAR[scale]
        expected = {*C, *C_EXTRA, *CBAR[scale]}
        assert {name for name, row in CORRUPTIONS.items() if getattr(row, scale)} == expected
    for name, row in CORRUPTIONS.items():
        assert row.name == row.kernel.__name__ == name
        for scale in SCALES:
            severities = getattr(row, scale)
            assert severities is None or len({tuple(map(float, parameters)) for parameters in severities}) == 5


@pytest.mark.parametrize(("name", "scale"), CASES)
@steady(max_examples=12)
@given(image=images, severity=st.sampled_from(SEVERITIES))
def test_shape_dtype_and_an_input_left_alone(name, scale, image, severity):
    before = image.copy()
    image.flags.writeable = False
    made = corrupted(image, name, severity, scale, rng())
    assert (made.shape, made.dtype, made.flags.c_contiguous) == (image.shape, np.uint8, True)
    assert not np.shares_memory(made, image)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(corrupted(image, name, severity, scale, rng()), made)


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_distortion_grows_with_severity(name, scale):
    draws = 6 if scale == "cifar" else 1
    views = photographs(32 if scale == "cifar" else 112)

    def distortion(severity):
        return np.mean(
            [
                np.abs(corrupted(x, name, severity, scale, rng(100 * i + draw)).astype(int) - x).mean()
                for i, x in enumerate(views)
                for draw in range(draws)
            ]
        )

    by_severity = [distortion(severity) for severity in SEVERITIES]
    assert min(by_severity) > 0.4
    if name not in UNEVEN and (name, scale) != ("checkerboard_cutout", "imagenet"):
        assert (np.diff(by_severity) > 0).all(), by_severity
    elif name != "elastic_transform":
        assert max(by_severity[3:]) > by_severity[0], by_severity


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_randomness_comes_from_the_generator_alone(name, scale):
    image = photographs(32)[1]
    made = {corrupted(image, name, 5, scale, rng(seed)).tobytes() for seed in range(6)}
    assert (len(made) == 1) == (name in FIXED)


def test_generators_are_keyed_by_all_that_names_an_image():
    drawn = {
        key: tuple(corruption_generator(*key).integers(0, 2**32, 3))
        for key in [(0, "a", "fog", 1), (1, "a", "fog", 1), (0, "b", "fog", 1), (0, "a", "snow", 1), (0, "a", "fog", 2)]
    }
    assert len(set(drawn.values())) == 5
    assert drawn[0, "a", "fog", 1] == tuple(corruption_generator(0, "a", "fog", 1).integers(0, 2**32, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mist", 1, "cifar"), "corruption must be one of gaussian_noise, .*, got 'mist'"),
        (("fog", 0, "cifar"), r"severity must be a whole number in \[1, 5\], got 0"),
        (("fog", 6, "cifar"), r"severity must be a whole number in \[1, 5\], got 6"),
        (("fog", 1, "tiny"), "expected a scale at which fog is published, got 'tiny'"),
        (("lines", 1, "imagenet"), "expected a scale at which lines is published, got 'imagenet'"),
    ],
)
def test_what_no_benchmark_has_gets_a_line(arguments, message):
    with pytest.raises(LayerMixError, match=message):
        corrupted(np.zeros((8, 8, 3), np.uint8), *arguments, rng())  # type: ignore[call-arg]


def test_arrays_that_are_no_image_are_refused():
    with pytest.raises(LayerMixError, match=r"expected an image as a uint8 array \(H, W, 3\)"):
        corrupted(np.zeros((8, 8), np.uint8), "fog", 1, "cifar", rng())


def test_suites_that_are_none():
    with pytest.raises(LayerMixError, match="suite must be one of c, cbar, p, got 'r'"):
        names_of("r", "cifar")  # type: ignore[arg-type]
    with pytest.raises(LayerMixError, match="scale must be one of cifar, imagenet, got 'tiny'"):
        names_of("c", "tiny")  # type: ignore[arg-type]


# --- values by hand ------------------------------------------------------------------------------------------------


def flat(value, side=64):
    return np.full((side, side, 3), value, np.uint8)


def kernel(name, image, *parameters, seed=0):
    return CORRUPTIONS[name].kernel(image, rng(seed), *parameters)


def test_noise_has_the_published_moments():
    gaussian = kernel("gaussian_noise", flat(127, 128), 0.1).astype(float)
    assert gaussian.std() == pytest.approx(25.5, rel=0.02)
    speckle = kernel("speckle_noise", flat(100, 128), 0.2).astype(float)
    assert speckle.std() == pytest.approx(20, rel=0.02)
    shot = kernel("shot_noise", flat(51, 128), 60).astype(float)  # 12 of 60 photons in the mean
    assert shot.std() == pytest.approx(255 / 60 * 12**0.5, rel=0.02)
    impulses = kernel("impulse_noise", flat(100, 128), 0.2)
    shares = [(impulses == value).mean() for value in (0, 100, 255)]
    assert shares == pytest.approx([0.1, 0.8, 0.1], abs=0.01)


def test_tones_by_hand():
    image = np.array([[[200, 100, 50], [0, 0, 0], [80, 80, 80]]], np.uint8)
    brighter, grayer = kernel("brightness", image, 40.1 / 255), kernel("contrast", image, 0.5)
    np.testing.assert_array_equal(brighter[0], [[240, 120, 60], [40, 40, 40], [120, 120, 120]])
    np.testing.assert_array_equal(grayer[0, :, 0], [146, 46, 86])  # half way to the mean of 280 / 3, cut
    doubled, gray = kernel("saturate", image, 2, 0), kernel("saturate", image, 0, 0)
    assert np.abs(doubled[0].astype(int) - [[200, 66, 0], [0, 0, 0], [80, 80, 80]]).max() <= 1  # 2 x 3/4 cut at 1
    np.testing.assert_array_equal(gray[0], [[200] * 3, [0] * 3, [80] * 3])
    np.testing.assert_array_equal(kernel("saturate", image, 1, 0.5)[0, 2], [80, 40, 40])  # gray has the hue of red


def test_blurs_keep_flat_images_and_spread_points():
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    for name in ("defocus_blur", "glass_blur", "zoom_blur", "gaussian_blur", "motion_blur", "pixelate"):
        parameters = CORRUPTIONS[name].imagenet[2]  # type: ignore[index]
        assert np.abs(kernel(name, flat(120), *parameters).astype(int) - 120).max() <= 1
        assert kernel(name, point, *parameters).max() < 255
    # 113 pixels have their centres within 6 px of another's
    assert (kernel("defocus_blur", point, 6, 0.01)[..., 0] > 0).sum() == 113


def test_fog_never_brightens_the_brightest_and_the_plasma_fills_the_unit():
    fogged = kernel("fog", flat(90), 1.5, 2)
    assert fogged.max() <= 90
    field = plasma(rng(), (60, 33), 2)
    assert field.shape == (60, 33)
    whole = plasma(rng(), (64, 64), 2)
    assert (whole.min(), whole.max()) == (0, 1)
    np.testing.assert_array_equal(whole[:60, :33], field)


def test_a_plasma_with_a_faster_decay_is_smoother():
    rough, smooth = (np.abs(np.diff(plasma(rng(), (128, 128), decay), axis=0)).mean() for decay in (1.4, 3))
    assert rough > 2 * smooth


@pytest.mark.parametrize("power", [1, -2])
def test_spectral_noise_has_the_spectrum_asked_for(power):
    shape = (64, 64)
    wanted = np.where(frequencies(shape) > 0, np.maximum(frequencies(shape), 1.0) ** power, 0)
    fields = [spectral(rng(seed), wanted) for seed in range(200)]
    assert [field.std() for field in fields] == pytest.approx([1] * 200)
    found = np.sqrt(np.mean([np.abs(np.fft.fft2(field)) ** 2 for field in fields], axis=0))
    inside = (frequencies(shape) > 2) & (frequencies(shape) < 30)
    ratio = found[inside] / wanted[inside]
    assert np.corrcoef(np.log(found[inside]), np.log(wanted[inside]))[0, 1] > 0.97
    assert ratio.std() / ratio.mean() < 0.15


def test_turbulence_is_zero_at_the_corner_and_finer_with_octaves():
    coarse, fine = (turbulence(rng(), (70, 50), 10.0, octaves) for octaves in (1, 5))
    assert coarse.shape == (70, 50)
    assert coarse[0, 0] == fine[0, 0] == 0
    np.testing.assert_allclose(coarse[::10, ::10], 0, atol=1e-12)  # gradient noise is 0 on its lattice
    assert np.abs(np.diff(fine)).mean() > np.abs(np.diff(coarse)).mean()


def test_waves_have_the_published_amplitude():
    wave = kernel("single_frequency_greyscale", flat(127, 128), 4.0).astype(float)
    assert wave.std() == pytest.approx(19.6 * 4 / 2**0.5, rel=0.05)
    np.testing.assert_array_equal(wave[..., 0], wave[..., 2])
    rings = kernel("cocentric_sine_waves", flat(127, 128), 5.0).astype(float)
    assert np.ptp(rings) == pytest.approx(12.8 * 5, abs=2)
    brown = kernel("brownish_noise", flat(127, 128), 3.0).astype(float)
    assert brown.std(axis=(0, 1)) == pytest.approx([6.4 * 3] * 3, rel=0.03)
    faded = kernel("perlin_noise", flat(0, 128), 6.0)
    assert faded[0, 0, 0] == int(255 * 0.3 * 0.5)
    plasma_faded = kernel("plasma_noise", flat(255, 64), 5.0)
    assert plasma_faded.min() >= (255 - 2 * 32) - 1


@pytest.mark.parametrize(("difficulty", "share"), [(4.2, 0.108), (5.6, 0.206)])
def test_blue_noise_covers_what_a_normal_variable_has_below_its_threshold(difficulty, share):
    covered = np.mean([(kernel("blue_noise_sample", flat(9, 64), difficulty, seed=s) == 0).mean() for s in range(20)])
    assert covered == pytest.approx(share, abs=0.015)  # of deviations 0.3 difficulty - 2.5: -1.24 and -0.82


def test_covers_by_their_share():
    covered = [(kernel("checkerboard_cutout", flat(9, 96), 10.0, seed=s) == 128).mean() for s in range(10)]
    assert np.mean(covered) == pytest.approx(0.5, abs=0.06)  # all the black fields
    lined = kernel("lines", flat(9, 32), 2.5)
    assert 9 <= lined.min() < lined.max() <= 128
    np.testing.assert_array_equal(lined[..., 0], lined[..., 1])


@pytest.mark.parametrize("number", range(len(LOOKS)))
def test_pictures_of_frost_have_the_moments_of_the_photographs(number):
    picture, look = picture_of_frost(number).reshape(-1, 3), LOOKS[number]
    assert picture.mean(axis=0) == pytest.approx(look.mean, abs=1.5)
    assert picture.std(axis=0) == pytest.approx(look.deviation, rel=0.07)
