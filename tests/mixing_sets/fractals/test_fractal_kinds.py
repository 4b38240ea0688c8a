"""The kinds of fractals: drawn from a generator alone, rendered without one, and right where the answer is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.mixing_sets.fractals import KINDS, render_fractal, tone
from layermix_gen.mixing_sets.fractals.kinds import escape, fold, ifs, lyapunov, newton, noise, select_kinds
from layermix_gen.mixing_sets.fractals.kinds.chaos import Map, fill, play
from layermix_gen.mixing_sets.fractals.kinds.plane import Viewport, search
from layermix_gen.mixing_sets.fractals.kinds.variations import VARIATIONS
from layermix_gen.mixing_sets.fractals.measures import spectral_slope
from tests.mixing_sets.fractals.make_golden import difference, thumbnail


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def complex_points(count: int = 500) -> np.ndarray:
    """Points of the square of side 4 about the origin, none near the origin."""
    x, y = generator(1).uniform(-2, 2, (2, count))
    z = x + 1j * y
    return z[np.abs(z) > 0.05].astype(np.complex64)


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_is_a_function_of_its_json_parameters(name: str) -> None:
    kind = KINDS[name]
    parameters = kind.draw(generator(5))
    field = kind.render(48, **parameters)
    assert field.shape == (48, 48)
    assert field.dtype == np.float32
    assert np.isfinite(field).all()
    assert np.array_equal(field, kind.render(48, **json.loads(json.dumps(parameters))))


GOLDEN = np.load(Path(__file__).parent / "golden" / "fractals.npz")  # 16 px, "KIND-INDEX", seed 0: see make_golden.py


@pytest.mark.parametrize("name", GOLDEN)
def test_pictures_of_a_seed_never_change(name: str) -> None:
    """Where a change of the pictures is meant, raise VERSION and run make_golden.py.

    The thumbnails are of pictures that hardly change with the processor.
    """
    kind, index = name.split("-")
    assert difference(thumbnail(render_fractal(0, int(index), 256, (kind,))), GOLDEN[name]) <= 4


def test_a_picture_of_every_kind_is_held() -> None:
    assert [name.split("-")[0] for name in GOLDEN] == list(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_drawing_uses_the_generator_alone(name: str) -> None:
    draw = KINDS[name].draw
    assert draw(generator(3)) == draw(generator(3))
    assert draw(generator(3)) != draw(generator(4))


def test_kinds_are_selected_by_name_in_the_tables_order() -> None:
    assert [kind.name for kind in select_kinds(("noise", "flame"))] == ["flame", "noise"]
    assert select_kinds(None) == tuple(KINDS.values())


@pytest.mark.parametrize(("names", "found"), [(("flame", "julia"), "got julia"), ((), "got none")])
def test_unknown_kinds_are_named(names: tuple[str, ...], found: str) -> None:
    with pytest.raises(LayerMixError, match=f"among escape, .*, {found}"):
        select_kinds(names)


# ------------------------------------------------------------------------------------------- iterated functions


@pytest.mark.parametrize("count", range(2, 7))
def test_singular_values_are_those_of_the_paper(count: int) -> None:
    for seed in range(50):
        matrices = np.array(ifs.draw_affine(generator(seed), count)).reshape(count, 2, 3)[:, :, :2]
        s1, s2 = np.linalg.svd(matrices, compute_uv=False).T
        assert (s1 >= s2).all()
        assert (s1 <= 1 + 1e-4).all()
        assert (count + 5) / 2 - 1e-3 <= (s1 + 2 * s2).sum() <= (count + 6) / 2 + 1e-3


def test_the_game_draws_the_sierpinski_triangle_evenly() -> None:
    corners = [[0.5, 0, 0, 0, 0.5, 0], [0.5, 0, 0.5, 0, 0.5, 0], [0.5, 0, 0.25, 0, 0.5, 0.5]]
    maps = [Map(ifs.affine(row), 1, shade) for row, shade in zip(corners, (0, 0.5, 1), strict=True)]
    visits, shade = play(64, maps, window=1.0, orbit=1)
    filled = (visits > 0.2 * visits.mean()).mean()
    assert 0.2 < filled < 0.75  # neither a blot nor dust
    assert shade.min() >= 0
    assert shade.max() <= 1
    assert shade.std() > 0.1  # each corner has its own


def test_a_system_that_collapses_fills_nothing() -> None:
    point = [Map(ifs.affine([0.1, 0, 0.3, 0, 0.1, 0.2]), 1, 0.5)]
    rich = [Map(ifs.affine(row), 1, 0.5) for row in ifs.draw_affine(generator(2), 4)]
    assert fill(point, 1.0, orbit=0) < 0.5 < fill(rich, 1.0, orbit=0)


def test_a_symmetric_system_maps_to_itself() -> None:
    maps = [Map(ifs.affine(row), 1, 0.5) for row in ifs.draw_affine(generator(2), 3)]
    light = np.log1p(play(24, maps, window=1.0, orbit=3, symmetry=2)[0])
    assert np.corrcoef(light.ravel(), light[::-1, ::-1].ravel())[0, 1] > 0.95


# ---------------------------------------------------------------------------------------------------- variations

FORMULAS = {  # of z = x + i y, by a second route than the package's
    "linear": lambda z: z,
    "sinusoidal": lambda z: np.sin(z.real) + 1j * np.sin(z.imag),
    "spherical": lambda z: 1 / z.conj(),
    "swirl": lambda z: -1j * z * np.exp(-1j * np.abs(z) ** 2) * -1,
    "horseshoe": lambda z: z**2 / np.abs(z),
    "bubble": lambda z: 4 * z / (np.abs(z) ** 2 + 4),
    "eyefish": lambda z: 2 * z / (np.abs(z) + 1),
    "fisheye": lambda z: 2 / (np.abs(z) + 1) * (z.imag + 1j * z.real),
    "exponential": lambda z: np.exp(z.real - 1) * np.exp(1j * np.pi * z.imag),
    "cosine": lambda z: np.cos(np.pi * z.real) * np.cosh(z.imag) - 1j * np.sin(np.pi * z.real) * np.sinh(z.imag),
}


@pytest.mark.parametrize("name", VARIATIONS)
def test_variations_are_finite_and_leave_their_arguments_alone(name: str) -> None:
    z = complex_points()
    x, y = z.real.copy(), z.imag.copy()
    moved = VARIATIONS[name](x, y)
    assert all(values.dtype == np.float32 and np.isfinite(values).all() for values in moved)
    assert np.array_equal(x, z.real)
    assert np.array_equal(y, z.imag)


@pytest.mark.parametrize("name", FORMULAS)
def test_variations_are_those_of_the_paper(name: str) -> None:
    z = complex_points()
    x, y = VARIATIONS[name](z.real.copy(), z.imag.copy())
    np.testing.assert_allclose(x + 1j * y, FORMULAS[name](z), rtol=1e-3, atol=1e-3)


def test_the_julia_variation_is_a_square_root_of_both_signs() -> None:
    z = complex_points()
    x, y = VARIATIONS["julia"](z.real.copy(), z.imag.copy())
    w = x + 1j * y
    np.testing.assert_allclose(w**2, z.imag + 1j * z.real, rtol=1e-3, atol=1e-3)  # angles are from the y axis
    assert 0.2 < (w.imag > 0).mean() < 0.8


# --------------------------------------------------------------------------------------------------- escape time


@pytest.mark.parametrize(
    ("c", "inside"),
    [(0, True), (-1, True), (-0.1 + 0.7j, True), (-1.99, True), (0.5, False), (1j + 0.5, False), (-2.1, False)],
)
def test_points_of_the_mandelbrot_set(c: complex, inside: bool) -> None:
    x, y = (np.array([value], np.float32) for value in (complex(c).real, complex(c).imag))
    count = escape._orbits(x, y, "square", None, 100)[0, 0]
    assert (count == 100) == inside


@pytest.mark.parametrize("formula", escape.FORMULAS)
def test_the_smooth_count_has_no_steps(formula: str) -> None:
    x = np.linspace(2.1, 4, 400, dtype=np.float32)
    counts = escape._orbits(x, 0.3 * x, formula, [0.1, 0.2], 50)[0]
    assert (np.diff(counts) <= 1e-3).all()  # farther points escape sooner
    assert np.abs(np.diff(counts)).max() < 0.05


def test_the_julia_set_of_zero_is_the_unit_circle() -> None:
    angle = np.linspace(0, 6, 50, dtype=np.float32)
    for radius, inside in ((0.98, True), (1.03, False)):
        counts = escape._orbits(radius * np.cos(angle), radius * np.sin(angle), "square", [0.0, 0.0], 60)[0]
        assert ((counts == 60) == inside).all()


# ---------------------------------------------------------------------------------- Newton, Lyapunov, folds, noise


def test_newtons_method_finds_the_root_that_is_near() -> None:
    roots = [[1.0, 0.0], [-0.5, 0.86603], [-0.5, -0.86603]]
    x, y = (np.array(column, np.float32) + np.float32(0.02) for column in zip(*roots, strict=True))
    basin, speed, _ = newton._steps(x, y, roots, [1.0, 0.0], [0.0, 0.4, 1.0], 1)
    np.testing.assert_allclose(basin, [0.0, 0.4, 1.0], atol=1e-3)
    assert (speed > 20).all()  # of 24 rounds nearly all at rest


@pytest.mark.parametrize(
    ("rate", "exponent", "within"),
    [(4.0, np.log(2), 0.1), (3.2, -0.916, 0.02), (2.5, np.log(0.5), 0.02)],  # chaos, a cycle of two, a fixed point
)
def test_known_exponents_of_the_logistic_map(rate: float, exponent: float, within: float) -> None:
    point = np.array([rate], np.float32)
    assert lyapunov._exponents(point, point, "ab", 0.37)[0] == pytest.approx(exponent, abs=within)


def test_folds_are_symmetric_about_both_axes() -> None:
    z = complex_points()
    settings: dict[str, Any] = {"shift": [0.7, 0.5], "rounds": 9, "sharpness": 1.0, "trap": [0.1, 0.2]}
    field = fold._orbits(z.real, z.imag, **settings)
    assert np.array_equal(field, fold._orbits(-z.real, z.imag, **settings))
    assert np.array_equal(field, fold._orbits(z.real, -z.imag, **settings))


@pytest.mark.parametrize("slope", [2.0, 3.0])
def test_the_noise_has_the_spectrum_that_it_is_asked_for(slope: float) -> None:
    field = noise.brownian(generator(1), 256, slope, 1, 0.0)
    gray = np.clip(128 + 40 * field, 0, 255).astype(np.uint8)
    assert spectral_slope(gray) == pytest.approx(-slope, abs=0.25)


# --------------------------------------------------------------------------------------------------- places, tone


def test_a_search_ends_where_something_happens() -> None:
    def corner(x: np.ndarray, y: np.ndarray) -> np.ndarray:  # nothing, except for one quarter of the plane
        return np.where((x > 0) & (y > 0), np.sin(40 * x) * np.sin(40 * y), 0).astype(np.float32)

    for seed in range(10):
        place = search(generator(seed), Viewport(0, 0, 2), corner, zooms=2)
        assert place.x > 0
        assert place.y > 0
        assert 2 / 16 <= place.width <= 2 / 4


def test_tone_uses_all_grays_and_keeps_their_order() -> None:
    field = noise.brownian(generator(1), 64, 2.5, 1, 0.0) * 1000 - 77
    gray = tone.apply(field, equalize=0.5, gamma=1.3, negative=False)
    order = np.argsort(field.ravel())
    assert (np.diff(gray.ravel()[order].astype(int)) >= 0).all()
    assert gray.min() <= 2
    assert gray.max() >= 253
    assert np.array_equal(tone.apply(field, equalize=0.5, gamma=1.3, negative=True), 255 - gray)


@pytest.mark.parametrize("value", [0.0, 7.5, np.nan, np.inf])
def test_tone_makes_a_gray_of_a_field_without_range(value: float) -> None:
    gray = tone.apply(np.full((16, 16), value, np.float32), equalize=0.5, gamma=1.0, negative=False)
    assert gray.shape == (16, 16)
    assert len(np.unique(gray)) == 1
