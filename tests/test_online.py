"""Online mixing: the same recipes and pixels as a build's, one image at a time."""

import pickle

import numpy as np
import pytest

from layermix_gen import LayerMix, LayerMixError, Mixer, MixingSet, open_mixing_set, parse, render
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions
from layermix_gen.support.seeds import generator
from tests.strategies import make_image

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 36, 36), np.uint8)
IMAGE = make_image("random", 32, 32, seed=1)
OPEN = "give its path, or MixingSet(pictures) of an array"


@pytest.mark.parametrize("preset", ["paper", "released"])
@pytest.mark.parametrize("color", [False, True], ids=["gray pool", "colour pool"])
def test_a_recipe_replays_to_the_same_pixels(preset, color):
    pool = MixingSet(np.stack([PICTURES] * 3, axis=-1) if color else PICTURES)
    mix = LayerMix(pool, preset=preset, magnitude=8, blending_ratio=3)
    for i in range(200):
        mixed, recipe = mix(IMAGE, np.random.default_rng(i))
        assert (mixed.dtype, mixed.shape) == (np.uint8, IMAGE.shape)
        picture = pool.view(recipe.picture, 32) if recipe.picture else None
        np.testing.assert_array_equal(render(parse(str(recipe.expression)), IMAGE, picture), mixed)


def test_draws_as_a_build_does():
    settings = BuildSettings(size=32, options={"magnitude": 5, "ops": ("rotate", "invert")}).drawing(5, 36)
    mix = LayerMix(MixingSet(PICTURES), magnitude=5, ops=("rotate", "invert"))
    for variant in range(50):
        _, recipe = mix(IMAGE, generator(3, "a.png", variant))
        assert recipe == METHODS["layermix"].draw(generator(3, "a.png", variant), settings)


def test_the_generator_is_all_its_randomness():
    mix = LayerMix(MixingSet(PICTURES))
    rng = np.random.default_rng(7)
    first = [mix(IMAGE, rng) for _ in range(20)]
    rng = np.random.default_rng(7)
    again = [mix(IMAGE, rng) for _ in range(20)]
    assert [recipe for _, recipe in first] == [recipe for _, recipe in again]
    assert all((one == other).all() for (one, _), (other, _) in zip(first, again, strict=True))
    assert len({str(recipe.expression) for _, recipe in first}) > 15


def test_the_image_stays():
    mix = LayerMix(MixingSet(PICTURES))
    image = IMAGE.copy()
    image.flags.writeable = False
    for seed in range(100):
        mixed, _ = mix(image, np.random.default_rng(seed))
        assert not np.shares_memory(mixed, image)
    np.testing.assert_array_equal(image, IMAGE)


def test_images_of_several_sizes():
    mix = LayerMix(MixingSet(PICTURES))
    for size in (36, 8, 1, 36, 20):
        mixed, recipe = mix(make_image("random", size, size, seed=size), np.random.default_rng(0))
        assert mixed.shape == (size, size, 3)
        assert recipe == METHODS["layermix"].draw(
            np.random.default_rng(0), DrawSettings(size, 5, 36, LayerMixOptions())
        )


def test_a_pool_by_its_path(tmp_path):
    path = tmp_path / "pool.npy"
    np.save(path, PICTURES)
    expected, _ = LayerMix(MixingSet(PICTURES))(IMAGE, np.random.default_rng(4))
    for pool in (path, str(path), open_mixing_set(path)):
        mixed, _ = LayerMix(pool)(IMAGE, np.random.default_rng(4))
        np.testing.assert_array_equal(mixed, expected)


def test_travels_to_a_loaders_workers(tmp_path):
    np.save(tmp_path / "pool.npy", PICTURES)
    mix = LayerMix(tmp_path / "pool.npy", preset="released", ops=("rotate",))
    travelled = pickle.loads(pickle.dumps(mix))  # noqa: S301
    expected, recipe = mix(IMAGE, np.random.default_rng(9))
    mixed, same = travelled(IMAGE, np.random.default_rng(9))
    assert same == recipe
    np.testing.assert_array_equal(mixed, expected)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"preset": "mine"}, "preset must be one of paper, released"),
        ({"magnitude": 11}, "magnitude must be in"),
        ({"blending_ratio": -1}, "blending-ratio must be in"),
        ({"ops": ("turn",)}, "got 'turn'; change --ops"),
    ],
)
def test_refuses_settings_at_once(choices, message):
    with pytest.raises(LayerMixError, match=message):
        LayerMix(MixingSet(PICTURES), **choices)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        pytest.param(IMAGE[:20], "expected a square image, got 32x20; crop it first", id="not square"),
        pytest.param(
            make_image("flat", 37, 37, 0),
            "expected an image of at most 36 px, got 37; crop it first",
            id="larger than the pictures",
        ),
        pytest.param(IMAGE / 255, "got float64", id="floats"),
        pytest.param(IMAGE[..., 0], r"got uint8 \(32, 32\)", id="gray"),
        pytest.param("image.png", "got str", id="a path"),
    ],
)
def test_refuses_images(image, message):
    with pytest.raises(LayerMixError, match=message) as refusal:
        LayerMix(MixingSet(PICTURES))(image, np.random.default_rng(0))
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "options", "line"),
    [
        (("mixup_",), {}, f"method must be one of {', '.join(METHODS)}, got 'mixup_'; change the name"),
        (("layermix",), {}, "expected a mixing set with the method layermix; give one"),
        (("none", MixingSet(PICTURES)), {}, "expected no mixing set with the method none; leave it out"),
        (("pixmix", 5), {}, f"expected a mixing set or its path, got 5; {OPEN}"),
        (("pixmix", b"set.npy"), {}, f"expected a mixing set or its path, got b'set.npy'; {OPEN}"),
        (("pixmix", np.zeros(2)), {}, f"expected a mixing set or its path, got array([0., 0.]); {OPEN}"),
        (("layermix", MixingSet), {}, f"expected a mixing set or its path, got {MixingSet!r}; {OPEN}"),
        (("pixmix", ""), {}, "expected a path as the mixing set, got an empty text; name one"),
        (("none",), {"magnitude": 3}, "'magnitude' is no option of the method none; it has none"),
    ],
)
def test_refuses_mixers(arguments, options, line):
    with pytest.raises(LayerMixError) as refusal:
        Mixer(*arguments, **options)
    assert str(refusal.value) == line


@pytest.mark.parametrize("rng", [3, None, np.random, np.random.RandomState(0)], ids=str)
def test_refuses_other_generators(rng):
    with pytest.raises(LayerMixError) as refusal:
        Mixer("augmix")(IMAGE, rng)
    assert str(refusal.value) == f"expected a NumPy generator, got {rng!r:.80}; give np.random.default_rng(seed)"


@pytest.mark.parametrize(
    "settings",
    [
        {"method": PICTURES},
        {"size": PICTURES},
        {"seed": PICTURES},
        {"options": PICTURES},
        {"options": {"magnitude": PICTURES}},
        {"options": {"layers": PICTURES}},
        {"options": {"ops": PICTURES}},
        {"options": {"o" * 1000: 1}},
        {"method": "augmix", "options": {"depth": PICTURES}},
    ],
    ids=lambda settings: str(settings)[:40],
)
def test_large_values_are_shown_in_short(settings):
    with pytest.raises(LayerMixError) as refusal:
        BuildSettings(**settings)
    assert len(str(refusal.value)) < 400


def test_any_method_mixes_by_its_name():
    mixed, recipe = Mixer("none")(IMAGE, np.random.default_rng(0))
    np.testing.assert_array_equal(mixed, IMAGE)
    assert recipe.method == "none"
    of_name, of_class = Mixer("layermix", MixingSet(PICTURES), magnitude=5), LayerMix(MixingSet(PICTURES), magnitude=5)
    for seed in range(20):
        one, other = (mixer(IMAGE, np.random.default_rng(seed)) for mixer in (of_name, of_class))
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1] == other[1]


def test_refuses_pools(tmp_path):
    with pytest.raises(LayerMixError, match="nothing is there"):
        LayerMix(tmp_path / "none.npy")
    with pytest.raises(LayerMixError, match="expected uint8"):
        LayerMix(MixingSet(PICTURES / 255))  # type: ignore[arg-type]


def test_a_second_image_is_mixed_in():
    other = make_image("random", 32, 32, seed=2)
    mixed, recipe = Mixer("mixup")(IMAGE, np.random.default_rng(0), other)
    np.testing.assert_array_equal(mixed, render(f"mean(image, other, {recipe.label_weight})", IMAGE, other=other))
    with pytest.raises(LayerMixError, match=r"^expected a second image with the method mixup; give other=$"):
        Mixer("mixup")(IMAGE, np.random.default_rng(0))
    with pytest.raises(LayerMixError, match=r"^expected no second image with the method none; leave out other=$"):
        Mixer("none")(IMAGE, np.random.default_rng(0), other)
    with pytest.raises(LayerMixError, match="expected image and other of one shape"):
        Mixer("cutmix")(IMAGE, np.random.default_rng(0), other[:16, :16])
