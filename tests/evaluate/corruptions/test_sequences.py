"""Sequences of P: every perturbation by its properties, by hand and by second routes; whole runs, and bad input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import SuiteOptions, corrupt, find_suite, locate, perturbed
from layermix_gen.evaluate.benchmarks import P_EXTRA, P_NOISE, SCALES, P
from layermix_gen.evaluate.corruptions import PERTURBATIONS, names_of
from layermix_gen.evaluate.corruptions.perturbations.moving_views import _tilted
from layermix_gen.evaluate.corruptions.perturbations.pixel_changes import _run_down
from layermix_gen.evaluate.corruptions.sampling import draw_sample
from layermix_gen.evaluate.preprocessing import resize_short_side
from layermix_gen.evaluate.video_files import read_video, write_video
from layermix_gen.sources import Item, open_source
from layermix_gen.support.seeds import perturbation_generator
from tests.evaluate.corruptions.pictures import photographs
from tests.helpers import files, invoke, snapshot

VIEW = np.ascontiguousarray(photographs(32)[1][:, :28])  # not a square. Not to be written to
RANDOM = {*P_NOISE, "snow", "spatter"}


def made(name: str, scale: Any = "cifar", seed: int = 0, image: np.ndarray = VIEW, **options: Any) -> np.ndarray:
    return perturbed(image, name, scale, np.random.default_rng(seed), **options)


def test_the_table_holds_the_benchmarks_lists() -> None:
    assert set(PERTURBATIONS) == {*P, *P_EXTRA}
    assert names_of("p", "cifar") == names_of("p", "imagenet") == (*P, *P_EXTRA)
    for name, row in PERTURBATIONS.items():
        assert row.name == row.kernel.__name__ == name
        assert row.cifar[0] == {"motion_blur": 21, "translate": 16}.get(name, 31)
        assert row.imagenet[0] == {"translate": 41}.get(name, 31)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_frames_change_gradually_and_by_the_generator_alone(name: str) -> None:
    before = VIEW.copy()
    for scale in SCALES:
        frames = made(name, scale, seed=3)
        assert (frames.shape[1:], frames.dtype, frames.flags.c_contiguous) == (VIEW.shape, np.uint8, True)
        np.testing.assert_array_equal(made(name, scale, seed=3), frames)
        assert (made(name, scale, seed=1).tobytes() == frames.tobytes()) == (name not in RANDOM)
        steps = np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
        assert steps.mean() > 0
        assert (steps.mean() < np.abs(frames[0].astype(int) - frames[-1]).mean()) == (name not in P_NOISE)
    np.testing.assert_array_equal(VIEW, before)
    assert perturbed(VIEW[:1, :1], name, "cifar", np.random.default_rng(0)).shape[1:] == (1, 1, 3)


def test_frames_that_are_the_image() -> None:
    first = ("gaussian_noise", "shot_noise", "speckle_noise", "zoom_blur")
    upright = {"translate": 7, "rotate": 15, "shear": 15, "scale": 15}
    for name, number in (dict.fromkeys(first, 0) | upright).items():
        np.testing.assert_array_equal(made(name)[number], VIEW, err_msg=name)
    assert np.abs(made("brightness")[15].astype(int) - VIEW).max() <= 1  # through HSV
    shifted = made("translate")
    np.testing.assert_array_equal(shifted[15, :, 8:], VIEW[:, :-8])
    np.testing.assert_array_equal(shifted[0, :, :-7], VIEW[:, 7:])
    assert not shifted[15, :, :8].any()


def test_pixels_by_hand() -> None:
    gray = np.full((64, 64, 3), 127, np.uint8)
    for name, deviation in [
        ("gaussian_noise", 0.02 * 255),
        ("shot_noise", 255 * (127 / 255 / 700) ** 0.5),
        ("speckle_noise", 0.05 * 127),
    ]:
        noise = made(name, image=gray)[1:].astype(int) - 127
        assert noise.std() == pytest.approx(deviation, rel=0.03), name
        assert np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1] == pytest.approx(0, abs=0.05)
    np.testing.assert_allclose(
        made("brightness", image=gray)[[0, 30], 0, 0, 0], 127 + 255 * 0.225 * np.array([-1, 1]), atol=1
    )
    point = np.zeros((21, 21, 3), np.uint8)
    point[10, 10] = 255
    first, last = made("motion_blur", image=point)[[0, 20], :, :, 0]  # blurred to the left, and to the right
    weights = np.exp(-0.5 * (np.arange(13) / 1.8) ** 2)
    np.testing.assert_array_equal(last[10, 10::-1], (255 * weights / weights.sum()).astype(int)[:11])
    np.testing.assert_array_equal(first[10, 10:], last[10, 10::-1])
    assert not np.delete(last, 10, axis=0).any()


def test_snow_turns_and_spatter_runs_down() -> None:
    black = np.zeros((32, 32, 3), np.uint8)
    white = made("snow", image=np.full((32, 32, 3), 255, np.uint8))
    assert (white == 255).all()  # nothing is brighter
    flakes = made("snow", image=black).astype(int) - int(255 * 0.15 * 0.5)  # on what black is whitened to
    np.testing.assert_array_equal(flakes, flakes[:, ::-1, ::-1])  # and the same turned round
    for scale in SCALES:
        flow = getattr(PERTURBATIONS["spatter"], scale)[5:]
        column = np.random.default_rng(0).random(20)
        np.testing.assert_allclose(_run_down(column[:, None], flow)[:, 0], np.convolve(column, flow, "same"))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rotate", lambda z, n: z * np.exp(-1j * np.deg2rad(n - 15))),
        ("scale", lambda z, n: z / (0.7 + 0.02 * n)),
        ("shear", lambda z, n: z + z.imag * (np.tan(t := np.deg2rad(n - 15)) + 1j * (1 / np.cos(t) - 1))),
    ],
)
def test_motions_by_complex_numbers_and_scipy(name: str, change: Any) -> None:
    """Where each pixel comes from, about the point half a pixel right of and below the middle."""
    frames, (height, width) = made(name), VIEW.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    centre = complex(width / 2, height / 2)  # of the benchmark: (W + 1) / 2 where a pixel's middle is at 1/2
    for number in (0, 11, 30):
        place = change((columns + 1j * rows) - centre, number) + centre
        outside = (place.real < -0.5) | (place.real >= width - 0.5) | (place.imag < -0.5) | (place.imag >= height - 0.5)
        seen = [
            ndimage.map_coordinates(VIEW[..., c] / 1.0, (place.imag, place.real), order=1, mode="nearest")
            for c in range(3)
        ]
        expected = np.where(outside[..., None], 0, np.stack(seen, axis=2))
        assert np.abs(frames[number] - expected).max() < 1.001, number


def test_tilt_by_a_point_in_space() -> None:
    angle, (width, height) = 0.2, (28, 32)
    for x, y in [(0, 0), (28, 0), (9, 30)]:
        across, down, depth = x - width / 2, y - height / 2, 1.0
        across, depth = across * np.cos(angle) - depth * np.sin(angle), across * np.sin(angle) + depth * np.cos(angle)
        down, depth = down * np.cos(angle) - depth * np.sin(angle), down * np.sin(angle) + depth * np.cos(angle)
        away = np.hypot(width, height)
        expected = away * across / (depth + away) + width / 2, away * down / (depth + away) + height / 2
        found = _tilted(width, height, angle) @ [x, y, 1]
        np.testing.assert_allclose(found[:2] / found[2], expected)


def test_a_crop_sees_what_lies_outside_of_it() -> None:
    image = photographs(64)[0]
    for name in ("translate", "rotate", "tilt", "zoom_blur"):
        np.testing.assert_array_equal(made(name, image=image, crop=40), made(name, image=image)[:, 12:52, 12:52])
    inside = np.ascontiguousarray(image[12:52, 12:52])
    for name in ("motion_blur", "snow"):
        np.testing.assert_array_equal(made(name, image=image, crop=40), made(name, image=inside))
    with pytest.raises(LayerMixError, match=r"crop must be a whole number in \[0, 64\], got 65; change crop="):
        made("rotate", image=image, crop=65)


# --- whole runs ----------------------------------------------------------------------------------------------------


def run(*arguments: object) -> str:
    result = invoke("evaluate", "corrupt", *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_arrays_as_cifar_p_has_them(digits: Path, tmp_path: Path) -> None:
    chosen = ("--suite", "p", "--corruptions", "snow,translate,shear", "--seed", 3)
    output = run(digits, tmp_path / "p", *chosen, "--workers", 1)
    assert "40 images (idx:test) as sequences, cifar scale" in output
    assert files(tmp_path / "p") == ["corruptions.json", "shear.npy", "snow.npy", "translate.npy"]
    run(digits, tmp_path / "two", *chosen, "--workers", 2)
    for name in ("snow", "translate", "shear"):
        assert (tmp_path / "two" / f"{name}.npy").read_bytes() == (tmp_path / "p" / f"{name}.npy").read_bytes()
    source = open_source(digits, "idx:test")
    item = source.items()[37]
    suite = find_suite("p", locate({"p": tmp_path / "p"}), SuiteOptions())  # as `evaluate run` finds it
    assert (suite.parts, suite.missing, suite.unknown) == (("snow", "translate"), (), ())
    part = suite.open("snow")
    videos = list(part.pieces(64))
    assert (part.total, {video.shape for video in videos}) == (40, {(31, 28, 28, 3)})
    expected = perturbed(source.read(item), "snow", "cifar", perturbation_generator(3, item.id, "snow"))
    np.testing.assert_array_equal(videos[37], expected)
    record = json.loads((tmp_path / "p" / "corruptions.json").read_text())
    assert (record["suite"], record["severities"], record["corruptions"]["translate"]) == ("p", [], [16, -7])
    before = snapshot(tmp_path / "p")["snow.npy"]
    assert "kept       snow" in run(digits, tmp_path / "p", *chosen[:2], "--corruptions", "snow,tilt", *chosen[4:])
    assert snapshot(tmp_path / "p")["snow.npy"] == before


def test_videos_as_imagenet_p_has_them(photographs: Path, tmp_path: Path) -> None:
    corrupt(photographs, tmp_path, "p", corruptions=("tilt",), sample=4, workers=1, progress=False)
    classes = ("astronaut", "chelsea", "coffee", "rocket")
    videos = files(tmp_path / "tilt")
    assert [name.split("/")[0] for name in videos] == list(classes)
    source = open_source(photographs)
    item = next(item for item in source.items() if item.id.startswith(videos[2].removesuffix(".mp4")))
    image = np.asarray(source.read(item))  # 44x56 px
    expected = made("tilt", "imagenet", image=resize_short_side(image), crop=224)
    np.testing.assert_array_equal(read_video(tmp_path / "tilt" / videos[2]), expected)
    suite = find_suite("p", locate({"p": tmp_path}), SuiteOptions())
    assert (suite.form, suite.parts, suite.open("tilt").total) == ("videos", ("tilt",), 4)


def test_a_video_that_the_disk_does_not_hold(tmp_path: Path) -> None:
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    for name in ("full.mp4", "no/folder.mp4"):
        with pytest.raises(LayerMixError, match=r"cannot write .*; make room, "):
            write_video(tmp_path / name, made("tilt"))


def test_samples_are_drawn_evenly_from_the_classes() -> None:
    items = [Item(f"{number:03d}", 0 if number < 60 else 1 if number < 90 else 2, 0) for number in range(100)]
    for size in (3, 10, 50, 100):
        drawn = draw_sample(items, size, 0)
        assert drawn == sorted(drawn, key=lambda item: item.id)
        counts = np.bincount([item.label for item in drawn])
        assert counts == pytest.approx(np.array([0.6, 0.3, 0.1]) * size, abs=1.5)
        assert counts.min() >= 1
        assert set(drawn) <= set(draw_sample(items, min(2 * size, 100), 0))
    assert draw_sample(items, 10, 1) != draw_sample(items, 10, 0)
    assert draw_sample(items, None, 0) == items


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--severities 1-5", "expected no severities for suite p, whose sequences have none; leave out --severities"),
        ("--corruptions fog", "expected perturbations of p at cifar scale, which are {p}, got 'fog'; change --corr"),
        ("--sample 41", "sample must be a whole number in [1, 40], got 41; change --sample"),
        ("--sample 9", "expected a sample of all 10 classes, got 9 images; raise --sample"),
    ],
)
def test_what_no_sequence_is_made_of(options: str, message: str, digits: Path, tmp_path: Path) -> None:
    result = invoke("evaluate", "corrupt", digits, tmp_path, "--suite", "p", "--workers", 1, *options.split())
    assert result.exit_code == 1
    assert message.format(p=", ".join((*P, *P_EXTRA))) in result.output.splitlines()[-1]
    assert files(tmp_path) == []
