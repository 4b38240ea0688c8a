"""From results to numbers: which means are over what, and that nothing is averaged over silently."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import ALEXNET_C, P_NOISE, C, P
from layermix_gen.evaluate.metrics.calibration import aurra, expected_calibration_error, rms_calibration, rms_floor
from layermix_gen.evaluate.metrics.consistency import flip_probability, top5_distance
from layermix_gen.evaluate.metrics.measuring import CALIBRATION_METRICS, Number, measure, normalize_consistency
from layermix_gen.evaluate.results.predictions import predicted, stack
from layermix_gen.evaluate.results.results_folder import begin_results, part_path, save_part
from layermix_gen.evaluate.results.signature import Suite
from tests.evaluate.made_results import make_results, make_signature, some_images, some_videos

ALEXNET: dict[str, Any] = {"dataset": "imagenet", "scale": "imagenet", "n_classes": 1000}  # what its errors are of


def about(value: Any, parts: int = 1, of: int = 1) -> Number:
    """A number of this value, but for rounding."""
    return Number(pytest.approx(value), parts, of)  # type: ignore[arg-type]


def error(part: Any) -> np.ndarray:
    """Percent wrong at each severity, from the arrays themselves."""
    return 100 * (part.classes[:, :, 0] != part.labels).mean(1)


def test_every_number_by_a_second_route(tmp_path: Path) -> None:
    _, made = make_results(tmp_path / "run")
    run = measure(tmp_path / "run")
    c, cbar = ([error(one).mean() for one in made[suite].values()] for suite in ("c", "cbar"))
    assert run.name == "run"
    assert run.numbers["clean_error"] == about(error(made["clean"]["clean"])[0])
    assert run.numbers["c_error"] == about(np.mean(c), 15, 15)
    assert run.numbers["cbar_error"] == about(np.mean(cbar), 10, 10)
    assert run.numbers["pgd_error"].value == pytest.approx(error(made["pgd"]["correct"])[0])
    assert run.numbers["pgd_released_error"].value == pytest.approx(error(made["pgd"]["released"])[0])
    videos: dict[str, Any] = dict(made["p"])
    flips = [flip_probability(one, noise=name in P_NOISE) for name, one in videos.items()]
    distances = [top5_distance(one, noise=name in P_NOISE) for name, one in videos.items()]
    assert run.numbers["p_flips"] == about(np.mean(flips), 10, 10)
    assert run.numbers["p_distance"] == about(np.mean(distances), 10, 10)
    assert run.errors["c"]["fog"] == pytest.approx(dict(enumerate(error(made["c"]["fog"]), 1)))
    assert "c_error_normalized" not in run.numbers  # AlexNet's errors are ImageNet's
    assert run.notes == []


def test_error_at_five_is_of_clean_images_and_r(tmp_path: Path) -> None:
    _, made = make_results(tmp_path, skill=1, suites=("clean", "c", "cbar", "r"))
    run = measure(tmp_path)
    for suite in ("clean", "r"):
        part = made[suite][suite]
        outside = [label not in five for label, five in zip(part.labels[0], part.classes[0], strict=True)]
        assert run.numbers[f"{suite}_error5"] == about(100 * np.mean(outside))
        assert 0 < run.numbers[f"{suite}_error5"].value < run.numbers[f"{suite}_error"].value
    assert "c_error5" not in run.numbers
    assert "cbar_error5" not in run.numbers


def test_every_calibration_number_by_a_second_route(tmp_path: Path) -> None:
    _, made = make_results(tmp_path, suites=("clean", "c", "cbar", "r"))
    run = measure(tmp_path)
    metrics = {
        **CALIBRATION_METRICS,  # a metric that is added is taken from its row; these are written out
        "rms": rms_calibration,
        "rms_floor": lambda sure, _: rms_floor(sure),
        "rms_released": lambda sure, right: rms_calibration(sure, right, "released"),
        "ece": expected_calibration_error,
        "aurra": aurra,
    }
    for suite, parts in made.items():
        numbers = run.calibration[suite]
        pairs = [(one.confidences.ravel(), one.correct.ravel()) for one in parts.values()]
        for metric, function in metrics.items():
            expected = np.mean([function(*pair) for pair in pairs])
            assert numbers[metric] == about(expected, len(parts), len(parts)), (suite, metric)
        losses = [-one.log_likelihoods.mean() for one in parts.values()]
        assert numbers["nll"].value == pytest.approx(np.mean(losses), rel=1e-5)
        assert set(numbers) == {*metrics, "nll"}
        assert run.numbers[f"{suite}_rms"] == numbers["rms"]


def test_calibration_under_corruptions_pools_severities_for_cifar(tmp_path: Path) -> None:
    _, made = make_results(tmp_path, suites=("c",))
    pooled = [rms_calibration(one.confidences.ravel(), one.correct.ravel()) for one in made["c"].values()]
    floors = [rms_floor(one.confidences.ravel()) for one in made["c"].values()]
    numbers = measure(tmp_path).calibration["c"]
    assert numbers["rms"] == about(np.mean(pooled), 15, 15)
    assert numbers["rms_floor"].value == pytest.approx(np.mean(floors))


def test_calibration_under_corruptions_is_the_mean_over_severities_for_imagenet(tmp_path: Path) -> None:
    _, made = make_results(tmp_path, suites=("c",), scale="imagenet")
    apart = [
        rms_calibration(*one) for part in made["c"].values() for one in zip(part.confidences, part.correct, strict=True)
    ]
    assert len(apart) == 75
    numbers = measure(tmp_path).calibration["c"]
    assert numbers["rms"].value == pytest.approx(np.mean(apart))
    _, made = make_results(tmp_path / "other", suites=("c",))
    assert numbers["rms"].value > measure(tmp_path / "other").calibration["c"]["rms"].value  # smaller bins, more noise


def test_normalised_for_a_thousand_classes(tmp_path: Path) -> None:
    _, made = make_results(tmp_path, suites=("c",), **ALEXNET)
    run = measure(tmp_path)
    ratios = [error(made["c"][name]).mean() / ALEXNET_C[name] for name in C]
    assert run.numbers["c_error_normalized"] == about(np.mean(ratios), 15, 15)
    assert run.normalized["fog"] == pytest.approx(ratios[C.index("fog")])


@pytest.mark.parametrize(
    "change",
    [{"dataset": "mine"}, {"scale": "cifar"}, {"n_classes": 999}, {"severities": (5,)}, {"severities": (1, 3)}],
)
def test_normalised_for_nothing_else(tmp_path: Path, change: dict[str, Any]) -> None:
    """AlexNet's errors are those on ImageNet-C, over all severities."""
    make_results(tmp_path, suites=("c",), **ALEXNET | change)
    run = measure(tmp_path)
    assert "c_error" in run.numbers
    assert "c_error_normalized" not in run.numbers
    assert run.normalized == {}


def test_a_mean_over_fewer_parts_says_so(tmp_path: Path) -> None:
    missing, facts = ("c/fog", "c/snow", "p/tilt", "pgd/correct"), ALEXNET
    _, made = make_results(tmp_path, without=missing, **facts)
    run = measure(tmp_path)
    assert run.numbers["c_error"] == about(np.mean([error(one) for one in made["c"].values()]), 13, 15)
    assert not run.numbers["c_error"].complete
    assert (run.numbers["p_flips"].parts, run.numbers["p_flips"].of) == (9, 10)
    assert run.calibration["c"]["rms"].parts == 13
    assert "pgd_error" not in run.numbers
    assert (run.numbers["c_error_normalized"].parts, run.numbers["c_error_normalized"].of) == (13, 15)
    normalize_consistency(run, dict.fromkeys(("flip_probability", "top5_distance"), dict.fromkeys(P, 10)))
    assert (run.numbers["p_flips_normalized"].parts, run.numbers["p_flips_normalized"].of) == (9, 10)
    assert run.mean_error("c", "fog") is None
    assert run.mean_error("r", "r") is None


def test_extras_are_in_no_mean(tmp_path: Path) -> None:
    signature, _ = make_results(tmp_path, suites=("c", "p"))
    before = measure(tmp_path)
    rng = np.random.default_rng(9)
    save_part(tmp_path, signature, "c", "spatter", stack({s: some_images(rng, -9) for s in range(1, 6)}))
    save_part(tmp_path, signature, "p", "shear", some_videos(rng))
    after = measure(tmp_path)
    assert after.numbers == before.numbers
    assert after.calibration == before.calibration
    assert set(after.errors["c"]) - set(before.errors["c"]) == {"spatter"}
    assert set(after.consistency) - set(before.consistency) == {"shear"}


def test_a_corruption_without_all_severities_is_in_no_mean(tmp_path: Path) -> None:
    signature, made = make_results(tmp_path, suites=("c",))
    rng = np.random.default_rng(9)
    save_part(tmp_path, signature, "c", "fog", stack({number: some_images(rng, -9) for number in (1, 2, 4)}))
    run = measure(tmp_path)
    assert run.notes == ["c/fog lacks severity 3, 5 and is in no mean"]
    others = [error(one) for name, one in made["c"].items() if name != "fog"]
    assert run.numbers["c_error"] == about(np.mean(others), 14, 15)
    assert list(run.errors["c"]["fog"]) == [1, 2, 4]


def test_few_classes_have_no_top_five_and_few_images_no_released_calibration(tmp_path: Path) -> None:
    signature = make_signature(("clean",), images=60, n_classes=5)
    begin_results(tmp_path, signature)
    save_part(tmp_path, signature, "clean", "clean", some_images(np.random.default_rng(0), 1, 60, 5))
    run = measure(tmp_path)
    assert set(run.numbers) == {"clean_error", "clean_rms"}
    assert "rms_released" not in run.calibration["clean"]
    begin_results(tmp_path / "more", dataclasses.replace(signature, suites={"clean": Suite(100)}))
    save_part(tmp_path / "more", signature, "clean", "clean", some_images(np.random.default_rng(0), 1, 100, 5))
    assert measure(tmp_path / "more").calibration["clean"]["rms_released"] == Number(0)  # its one bin is left out


def test_the_diagram_pools_all_parts(tmp_path: Path) -> None:
    _, made = make_results(tmp_path, suites=("c",))
    diagram = measure(tmp_path).diagrams["c"]
    sure = np.concatenate([one.confidences.ravel() for one in made["c"].values()])
    right = np.concatenate([one.correct.ravel() for one in made["c"].values()])
    assert diagram.counts.sum() == 15 * 5 * 120
    assert diagram.counts @ np.nan_to_num(diagram.confidences) == pytest.approx(sure.sum(dtype=np.float64))
    assert diagram.counts @ np.nan_to_num(diagram.accuracies) == pytest.approx(right.sum())


def test_a_suite_without_a_part_is_noted(tmp_path: Path) -> None:
    begin_results(tmp_path, make_signature(("clean", "p")))
    run = measure(tmp_path)
    assert run.numbers == {}
    assert run.notes == [f"{suite} is begun, and no part of it is evaluated yet" for suite in ("clean", "p")]


def test_names_are_text_of_one_line(tmp_path: Path) -> None:
    """This also holds for folders whose names are not UTF-8."""
    root = tmp_path / os.fsdecode(b"caf\xe9")
    make_results(root, suites=("clean",))
    assert measure(root).name == "caf\\xe9"
    for name in ("two\nlines", "two \r\n lines", "two\u2028lines", "\x1btwo lines\x9b"):
        assert measure(root, name).name == "two lines"
    assert measure(root, "cost $\\foo\\xff$").name == "cost $\\foo\\xff$"
    save_part(root, make_signature(("clean",)), "clean", "clean", some_images(np.random.default_rng(0), 1, 119))
    with pytest.raises(LayerMixError, match=r"^expected 120 images in .*/caf\\xe9/clean/clean.npz, found 119 images"):
        measure(root)


def test_one_image(tmp_path: Path) -> None:
    signature = make_signature(("clean",), images=1, n_classes=1)
    begin_results(tmp_path, signature)
    save_part(tmp_path, signature, "clean", "clean", predicted([[2.0]], [0]))
    assert measure(tmp_path).numbers["clean_error"] == Number(0)


def test_consistency_normalised_by_a_file(tmp_path: Path) -> None:
    make_results(tmp_path, suites=("p",))
    run = measure(tmp_path)
    itself = {
        "flip_probability": {name: flips for name, (flips, _) in run.consistency.items()},
        "top5_distance": {name: 2 * distance for name, (_, distance) in run.consistency.items()},
    }
    normalize_consistency(run, itself)
    assert run.numbers["p_flips_normalized"] == about(100, 10, 10)
    assert run.numbers["p_distance_normalized"] == about(50, 10, 10)
    for wrong in (0, -1.0, 101, float("nan"), 10**400):
        itself["flip_probability"]["snow"] = wrong
        with pytest.raises(LayerMixError, match=r"^expected a flip_probability of snow above 0 and up to 100 in the "):
            normalize_consistency(run, itself)
    itself["flip_probability"]["snow"] = 100
    del itself["top5_distance"]["tilt"]
    with pytest.raises(
        LayerMixError, match=r"^expected a top5_distance of tilt .* in the reference for P, found none;"
    ):
        normalize_consistency(run, itself)


@pytest.mark.parametrize(
    ("suite", "part", "images", "classes", "message"),
    [
        ("clean", "clean", 119, 8, r"^expected 120 images in .*clean.npz, found 119 images; delete it"),
        ("clean", "clean", 120, 9, r"^expected 8 classes in .*clean.npz, found 9; delete it"),
        ("p", "tilt", 120, 8, r"^expected predictions for videos in .*tilt.npz, found images; delete it"),
    ],
)
def test_parts_that_do_not_fit(tmp_path: Path, suite: str, part: str, images: int, classes: int, message: str) -> None:
    signature, _ = make_results(tmp_path)
    save_part(tmp_path, signature, suite, part, some_images(np.random.default_rng(0), 1, images, classes))
    with pytest.raises(LayerMixError, match=message):
        measure(tmp_path)


def test_videos_where_images_belong(tmp_path: Path) -> None:
    signature, _ = make_results(tmp_path)
    save_part(tmp_path, signature, "clean", "clean", some_videos(np.random.default_rng(0)))
    with pytest.raises(LayerMixError, match=r"^expected predictions for images in .*clean.npz, found videos"):
        measure(tmp_path)
    save_part(tmp_path, signature, "p", "tilt", some_videos(np.random.default_rng(0), 5))
    part_path(tmp_path, "clean", "clean").unlink()
    with pytest.raises(LayerMixError, match=r"^expected 6 videos in .*tilt.npz, found 5 videos; delete it"):
        measure(tmp_path)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("clean/clean", "c/fog", r"^expected severities 1 2 3 4 5 in .*fog.npz, found no severities; delete it"),
        ("c/fog", "clean/clean", r"^expected no severities in .*clean.npz, found severities 1 2 3 4 5; delete it"),
        ("cbar/lines", "pgd/correct", r"^expected no severities in .*correct.npz, found severities 1 2 3 4 5"),
    ],
)
def test_files_of_another_suite(tmp_path: Path, source: str, target: str, message: str) -> None:
    make_results(tmp_path)
    shutil.copy(tmp_path / f"{source}.npz", tmp_path / f"{target}.npz")
    with pytest.raises(LayerMixError, match=message):
        measure(tmp_path)


@pytest.mark.parametrize(("suite", "part"), [("c", "fog"), ("cbar", "lines")])
def test_severities_that_the_run_does_not_have(tmp_path: Path, suite: str, part: str) -> None:
    signature = dataclasses.replace(make_signature(()), suites={suite: Suite(120, (1, 2, 3))})
    begin_results(tmp_path, signature)
    rng = np.random.default_rng(0)
    save_part(tmp_path, signature, suite, part, stack({number: some_images(rng, 1) for number in (2, 3)}))
    run = measure(tmp_path)
    assert run.notes == [
        f"{suite} is at severities 1, 2, 3 alone, so its means compare with others at these alone",
        f"{suite}/{part} lacks severity 1 and is in no mean",
    ]
    assert run.mean_error(suite, part) is None
    save_part(tmp_path, signature, suite, part, stack({number: some_images(rng, 1) for number in (2, 3, 4)}))
    with pytest.raises(LayerMixError, match=r"^expected severities 1 2 3 in .*, found severities 2 3 4; delete it"):
        measure(tmp_path)
