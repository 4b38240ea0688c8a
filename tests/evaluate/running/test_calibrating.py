"""A temperature found on held-out images, and a run with it: confidences change, and nothing else does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import Forward, find_temperature, fit_temperature, make_report, run
from layermix_gen.evaluate.results.results_folder import load_part, read_signature
from tests.evaluate.worlds import AS_THEY_ARE, PIXELS, load_from, logits_of, pixels, write_cifar_world, write_models
from tests.helpers import invoke

SUITES = ("clean", "c", "pgd", "calibration")


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIFAR-10 with C. Not to be written to."""
    return write_cifar_world(tmp_path_factory.mktemp("cifar"))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The file of models: `unsure` has the logits of `ten` divided by 20."""
    return write_models(tmp_path)


@pytest.fixture
def rest(models: Path, tmp_path: Path) -> Path:
    """300 images, of which the models mistake a quarter."""
    images = pixels(3, 300, 32, 32, 3)
    labels = logits_of(load_from(models, "ten"), images).argmax(1)
    labels[::4] = (labels[::4] + 1) % 10
    np.savez(tmp_path / "rest.npz", x_test=images, y_test=labels)
    return tmp_path / "rest.npz"


def test_the_command_finds_what_suits_the_images(models: Path, rest: Path) -> None:
    with np.load(rest) as arrays:
        logits, labels = logits_of(load_from(models, "unsure"), arrays["x_test"]), arrays["y_test"]
    result = invoke("evaluate", "temperature", rest, "--model", f"{models}:unsure", *PIXELS, "--batch-size", 7)
    assert result.output == f"{fit_temperature(logits, labels):.4g}\n"
    found = find_temperature(f"{models}:ten", rest, **AS_THEY_ARE, forward=Forward(temperature=9), progress=False)
    assert found == pytest.approx(20 * float(result.output), rel=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_run_with_a_temperature_has_other_confidences_alone(
    precision: str, cifar: Path, models: Path, tmp_path: Path
) -> None:
    """With 0.05, the confidences of `unsure` are those of `ten`; the attack is that on `unsure`."""
    common = {**AS_THEY_ARE, "progress": False}
    for name, model, temperature in (("ten", "ten", 1), ("before", "unsure", 1), ("after", "unsure", 0.05)):
        forward = Forward(precision=precision, temperature=temperature)
        run(f"{models}:{model}", {"cifar10": cifar}, tmp_path / name, SUITES, forward=forward, **common)
    for suite, part in (("clean", "clean"), ("c", "fog"), ("pgd", "correct")):
        ten, before, after = (load_part(tmp_path / name, suite, part) for name in ("ten", "before", "after"))
        np.testing.assert_array_equal(before.classes, after.classes)
        assert np.abs(before.probabilities - after.probabilities).max() > 0.1
        if precision == "float32" and suite != "pgd":
            np.testing.assert_allclose(ten.probabilities, after.probabilities, rtol=1e-4)


def test_a_temperature_is_a_setting_of_the_results(cifar: Path, models: Path, tmp_path: Path) -> None:
    model = ("--model", f"{models}:unsure", *PIXELS, "--data", f"cifar10={cifar}")
    command = ("evaluate", "run", *model, "--suites", "clean,calibration", "--out", tmp_path / "o", "--temperature")
    result = invoke(*command, 0.05)
    assert "logits are divided by a temperature (o by 0.05): confidences are rescaled there alone" in result.output
    assert read_signature(tmp_path / "o").temperature == 0.05
    assert "results of something else: temperature 0.05 -> 1.0" in invoke(*command, 1).output
    for wrong in (0, 1e-50, 1e9):
        assert "temperature must be a number from 1e-06 and at most 1e+06" in invoke(*command, wrong).output
    run(f"{models}:unsure", {"cifar10": cifar}, tmp_path / "p", ("clean",), **AS_THEY_ARE, progress=False)
    assert not [note for note in make_report([tmp_path / "p"]).notes if "temperature" in note]


def test_images_that_tell_no_temperature(models: Path, rest: Path, tmp_path: Path) -> None:
    with np.load(rest) as arrays:
        images, labels = arrays["x_test"], logits_of(load_from(models, "ten"), arrays["x_test"]).argmax(1)
    np.savez(tmp_path / "right.npz", x_test=images, y_test=labels)
    model = (f"{models}:ten", "--mean", "0", "--std", "1")
    result = invoke("evaluate", "temperature", tmp_path / "right.npz", "--model", *model)
    assert result.output == "Error: expected images of which some are mistaken, got 300 right ones; give more\n"
    result = invoke("evaluate", "temperature", tmp_path / "nowhere", "--model", *model)
    assert result.output.startswith("Error: expected held-out images at ")
    with pytest.raises(LayerMixError, match="expected a module with its weights, got a checkpoint too"):
        find_temperature(nn.Identity(), rest, checkpoint=tmp_path / "a.pt")


def test_a_module_keeps_its_mode(models: Path, rest: Path) -> None:
    model = load_from(models, "ten").train()
    assert find_temperature(model, rest, progress=False) == pytest.approx(
        find_temperature(f"{models}:ten", rest, **AS_THEY_ARE, progress=False), rel=1e-6
    )
    assert model.training
    assert not torch.is_inference_mode_enabled()
