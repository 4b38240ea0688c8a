"""Whole evaluations through the command line, on small data in each published layout."""

import json
import os
import re
import signal

import numpy as np
import pytest
import torch
from helpers import files, invoke, snapshot, start, wait_until
from torch import nn
from torchvision_on_cpu import allow_timm
from worlds import (
    VIDEO_FRAMES,
    WNIDS,
    load_from,
    logits_of,
    write_cifar10,
    write_cifar_world,
    write_corruptions,
    write_imagenet_world,
    write_models,
    write_photographs,
)

from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.evaluate import run, runs
from layermix_gen.evaluate.lists import CBAR, C, P
from layermix_gen.evaluate.results import load_part, read_signature

ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    """CIFAR-10 with C, C-bar and P. Not to be written to."""
    return write_cifar_world(tmp_path_factory.mktemp("cifar"))


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """ImageNet with C, C-bar, R and P. Not to be written to."""
    return write_imagenet_world(tmp_path_factory.mktemp("imagenet"))


@pytest.fixture
def models(tmp_path):
    """The file of models."""
    return write_models(tmp_path)


def evaluate(*arguments):
    """Run `evaluate run`, which has to end well; return what it prints."""
    result = invoke("evaluate", "run", *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments):
    """Run `evaluate run`, which has to be refused; return the one line."""
    result = invoke("evaluate", "run", *arguments)
    assert result.exit_code == 1, result.output
    (line,) = result.output.splitlines()
    return line


# --- end to end ------------------------------------------------------------------------------------------------------


def test_cifar_from_files_to_metrics(cifar, models, tmp_path):
    suites = "clean,c,cbar,p,pgd,calibration"
    printed = evaluate(
        "--model", f"{models}:ten", "--data", f"cifar10={cifar}", "--suites", suites, "--out", tmp_path / "o"
    )
    expected = {"run.json", "clean/clean.npz", "pgd/correct.npz"}
    for suite, names in (("c", C), ("cbar", CBAR["cifar"]), ("p", P)):
        expected |= {f"{suite}/{name}.npz" for name in names}
    assert set(files(tmp_path / "o")) == expected
    model = load_from(models, "ten")
    errors = []
    for name in C:
        images, labels = np.load(cifar / "CIFAR-10-C" / f"{name}.npy"), np.load(cifar / "CIFAR-10-C" / "labels.npy")
        top = logits_of(model, images).argmax(1)
        said = load_part(tmp_path / "o", "c", name)
        np.testing.assert_array_equal(said.classes[:, :, 0].ravel(), top)
        errors.append(100 * (top != labels).mean())
    assert f"{np.mean(errors):.2f}" in printed.split("Calibration in %")[0]
    for name in ("gaussian_noise", "translate"):
        videos = np.load(cifar / "CIFAR-10-P" / f"{name}.npy")
        said = load_part(tmp_path / "o", "p", name)
        assert said.lengths.tolist() == [videos.shape[1]] * len(videos)
        top = logits_of(model, videos.reshape(-1, 32, 32, 3)).argmax(1)
        np.testing.assert_array_equal(said.classes[:, 0], top)
    signature = read_signature(tmp_path / "o")
    assert (signature.dataset, signature.scale, signature.n_classes) == ("cifar10", "cifar", 10)
    assert signature.suites["c"].images == 20
    assert signature.suites["p"].images == 6
    assert signature.suites["pgd"].settings["epsilon"] == pytest.approx(2 / 255)


def test_imagenet_from_files_to_metrics(imagenet, models, tmp_path):
    printed = evaluate("--model", f"{models}:four", "--data", f"imagenet={imagenet}", "--out", tmp_path / "o")
    signature = read_signature(tmp_path / "o")
    assert set(signature.suites) == {"clean", "c", "cbar", "r", "p"}  # all there are data for, and no attack
    assert {name: suite.images for name, suite in signature.suites.items()} == {
        "clean": 8,
        "c": 4,
        "cbar": 4,
        "r": 4,
        "p": 4,
    }
    assert "resize-256-center-224" in printed
    said = load_part(tmp_path / "o", "r", "r")
    assert said.n_classes == 2
    assert said.labels.tolist() == [[0, 0, 1, 1]]
    assert load_part(tmp_path / "o", "p", "tilt").lengths.tolist() == [VIDEO_FRAMES[wnid] for wnid in WNIDS]
    assert load_part(tmp_path / "o", "cbar", "plasma_noise").severities == (1, 2, 3, 4, 5)


def test_a_checkpoint_and_normalization(cifar, models, tmp_path):
    trained = load_from(models, "ten")
    torch.nn.init.normal_(trained.linear.weight, generator=torch.Generator().manual_seed(9))
    torch.save({"model": trained.state_dict(), "epoch": 7}, tmp_path / "last.pt")
    options = (
        "--checkpoint",
        tmp_path / "last.pt",
        "--checkpoint-rule",
        "last",
        "--mean",
        "0.5",
        "--std",
        "0.2,0.3,1/4",
    )
    data = ("--data", f"cifar10={cifar}", "--suites", "clean")
    evaluate("--model", f"{models}:ten", *options, *data, "--out", tmp_path / "o")
    images, _ = write_cifar10(tmp_path / "again")
    normalized = (images / 255 - 0.5) / np.array([0.2, 0.3, 0.25])
    expected = trained(torch.tensor(normalized, dtype=torch.float32).permute(0, 3, 1, 2)).detach().numpy().argmax(1)
    np.testing.assert_array_equal(load_part(tmp_path / "o", "clean", "clean").classes[0, :, 0], expected)
    signature = read_signature(tmp_path / "o")
    assert signature.checkpoint_rule == "last"
    assert signature.preprocessing == "none, mean 0.5, std 0.2 0.3 0.25"


def test_timm_models_get_as_many_classes_as_the_data(cifar, tmp_path):
    allow_timm()
    data = ("--data", f"cifar10={cifar}", "--suites", "calibration", "--batch-size", 4)
    evaluate("--model", "timm:resnet18", *data, "--out", tmp_path / "o")
    assert load_part(tmp_path / "o", "clean", "clean").n_classes == 10
    assert files(tmp_path / "o") == ["clean/clean.npz", "run.json"]


def test_suites_named_one_by_one(models, tmp_path, digits):
    write_corruptions(tmp_path / "c", count=20, size=28)
    data = ("--data", f"c={tmp_path / 'c'}")
    evaluate("--model", f"{models}:ten", *data, "--out", tmp_path / "o")
    assert read_signature(tmp_path / "o").dataset == "c"


def test_extra_corruptions_are_evaluated_on_request(models, tmp_path):
    write_corruptions(tmp_path / "c", (*C, "saturate"), count=10)
    printed = evaluate("--model", f"{models}:ten", "--data", f"c={tmp_path / 'c'}", "--out", tmp_path / "o", "--extras")
    assert "saturate" in printed
    assert (tmp_path / "o" / "c" / "saturate.npz").exists()


def test_a_module_in_python_is_left_as_it_was(cifar, models, tmp_path):
    model = nn.Sequential(load_from(models, "ten"), nn.Dropout(0.9)).train()
    signature = run(model, {"cifar10": cifar}, tmp_path / "o", ("clean",), mean=(0.1,), progress=False)
    assert model[1].training
    assert all(weight.requires_grad for weight in model.parameters())
    assert signature.model == "Sequential"
    images, _ = write_cifar10(tmp_path / "again")
    top = logits_of(load_from(models, "ten"), images - np.float32(25.5)).argmax(1)
    np.testing.assert_array_equal(load_part(tmp_path / "o", "clean", "clean").classes[0, :, 0], top)
    with pytest.raises(LayerMixError, match="load it into the module first"):
        run(model, {"cifar10": cifar}, tmp_path / "p", checkpoint="last.pt")


# --- stopping and going on -------------------------------------------------------------------------------------------


def test_a_finished_run_does_nothing_again(cifar, models, tmp_path):
    command = ("--model", f"{models}:ten", "--data", f"cifar10={cifar}", "--suites", "clean,c", "--out", tmp_path / "o")
    first = evaluate(*command)
    before = snapshot(tmp_path / "o")
    assert evaluate(*command) == first
    assert snapshot(tmp_path / "o") == before
    assert evaluate(*command[:5], "clean,c,pgd", *command[6:]) != first  # a suite more
    after = snapshot(tmp_path / "o")
    assert {name: after[name] for name in before if name != "run.json"} == {
        name: before[name] for name in before if name != "run.json"
    }
    assert "pgd/correct.npz" in after


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_after_the_last_part(models, tmp_path, number):
    write_corruptions(tmp_path / "c", count=200)
    command = ("evaluate", "run", "--model", f"{models}:ten", "--data", f"c={tmp_path / 'c'}", "--batch-size", 1)
    process = start(*command, "--out", tmp_path / "o", env=ONE_THREAD)
    wait_until(lambda: len(list((tmp_path / "o" / "c").glob("*.npz"))) >= 3, "three parts")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    before = {name: state for name, state in snapshot(tmp_path / "o").items() if name.endswith(".npz")}
    assert 3 <= len(before) < 15
    if number == signal.SIGINT:
        assert process.returncode == 130
        line = errors.strip().splitlines()[-1]
        assert re.fullmatch(r"Interrupted: stopped with \d+ of 15 parts finished; run the same command to resume", line)
        assert not [name for name in files(tmp_path / "o") if name.endswith(".tmp")]
    invoke(*command, "--out", tmp_path / "o")
    after = snapshot(tmp_path / "o")
    assert {name: after[name] for name in before} == before  # not even written again
    invoke(*command, "--out", tmp_path / "whole")
    whole = snapshot(tmp_path / "whole")
    assert {name: state[1] for name, state in after.items() if name != "run.json"} == {
        name: state[1] for name, state in whole.items() if name != "run.json"
    }


def test_ctrl_c_in_python(cifar, models, tmp_path, monkeypatch):
    predict, calls = runs.predict, []

    def stopping(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return predict(*arguments, **options)

    monkeypatch.setattr(runs, "predict", stopping)
    with pytest.raises(Interrupted, match="stopped with 2 of 15 parts finished; run the same command to resume"):
        run(f"{models}:ten", {"cifar10": cifar}, tmp_path / "o", ("c",), progress=False)
    run(f"{models}:ten", {"cifar10": cifar}, tmp_path / "o", ("c",), progress=False)
    assert len(calls) == 3 + 13


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (("--mean", "0.5"), "preprocessing none, mean 0, std 1 -> none, mean 0.5, std 1"),
        (("--model", "{models}:five"), "classes"),
        (("--amp", "bf16"), "precision float32 -> bf16"),
        (("--seed", "1"), "seed 0 -> 1"),
        (("--epsilon", "4/255"), "pgd epsilon"),
        (("--suites", "pgd"), None),
        (("--batch-size", "3"), None),
    ],
)
def test_changed_settings_are_refused(cifar, models, tmp_path, changed, difference):
    options = {
        "--model": f"{models}:ten",
        "--data": f"cifar10={cifar}",
        "--suites": "clean,pgd",
        "--out": tmp_path / "o",
    }
    options["--steps"] = 1
    evaluate(*(part for option in options.items() for part in option))
    before = snapshot(tmp_path / "o")
    options[changed[0]] = changed[1].format(models=models)
    result = invoke("evaluate", "run", *(part for option in options.items() for part in option))
    if difference is None:
        assert result.exit_code == 0, result.output
    else:
        assert result.exit_code == 1
        assert difference in result.output
        assert len(result.output.splitlines()) == 1
    assert snapshot(tmp_path / "o") == before


# --- bad input -------------------------------------------------------------------------------------------------------


def test_bad_input_gets_one_line(cifar, models, tmp_path):
    out = ("--out", tmp_path / "o")
    data = ("--data", f"cifar10={cifar}")
    assert "expected a model of 10 classes for this data, got one of 4" in refused(
        "--model", f"{models}:four", *data, *out
    )
    assert "expected finite logits, got NaN or infinity" in refused("--model", f"{models}:nan", *data, *out)
    assert "expected suites out of clean, c, cbar" in refused(
        "--model", f"{models}:ten", *data, *out, "--suites", "clean,d"
    )
    assert "expected data for the suite r, got clean, c, cbar, p alone; add --data r=DIR" in refused(
        "--model", f"{models}:ten", *data, *out, "--suites", "r"
    )
    assert "expected data to evaluate on, got none" in refused("--model", f"{models}:ten", *out)
    assert "expected finite" not in refused("--model", f"{models}:broken", *data, *out)
    assert not (tmp_path / "o").exists()


def test_bad_data_get_one_line(models, tmp_path):
    out = ("--model", f"{models}:four", "--out", tmp_path / "o")
    write_photographs(tmp_path / "val", 0, each=1)
    for name in C:
        for severity in range(1, 6):
            write_photographs(tmp_path / "c" / name / str(severity), severity, each=1)
    data = ("--data", f"clean={tmp_path / 'val'}", "--data", f"c={tmp_path / 'c'}")
    (tmp_path / "c" / "fog" / "3").rename(tmp_path / "3")
    assert "expected the severities 1, 2, 3, 4, 5 as folders in" in refused(*out, *data)
    (tmp_path / "3").rename(tmp_path / "c" / "fog" / "3")
    assert not (tmp_path / "o").exists()
    next((tmp_path / "c" / "snow" / "2").rglob("*.JPEG")).unlink()
    assert "expected as many images at each severity of" in refused(*out, *data)


def test_a_model_for_other_images_is_refused(cifar, models, tmp_path):
    models.write_text(
        models.read_text() + "\ndef large():\n    return nn.Sequential(nn.Flatten(), nn.Linear(12, 10))\n"
    )
    line = refused("--model", f"{models}:large", "--data", f"cifar10={cifar}", "--out", tmp_path / "o")
    assert "the model failed on images (2, 3, 32, 32): RuntimeError: " in line
    assert "give a model for such images" in line


def test_an_exported_model_that_takes_one_number_of_images_is_refused(cifar, models, tmp_path):
    program = torch.export.export(load_from(models, "ten").eval(), (torch.rand(2, 3, 32, 32),))
    torch.export.save(program, tmp_path / "two.pt2")
    line = refused("--model", tmp_path / "two.pt2", "--data", f"cifar10={cifar}", "--out", tmp_path / "o")
    assert "and for any number of them" in line


def test_an_exported_model_is_attacked_too(cifar, models, tmp_path):
    batch = torch.export.Dim("batch", min=1, max=1024)
    options = {"dynamic_shapes": ({0: batch},)}
    torch.export.save(
        torch.export.export(load_from(models, "ten").eval(), (torch.rand(2, 3, 32, 32),), **options), tmp_path / "n.pt2"
    )
    for name, spec in (("a", tmp_path / "n.pt2"), ("b", f"{models}:ten")):
        evaluate("--model", spec, "--data", f"cifar10={cifar}", "--suites", "clean,pgd", "--out", tmp_path / name)
    for suite, part in (("clean", "clean"), ("pgd", "correct")):
        one, other = (load_part(tmp_path / name, suite, part) for name in "ab")
        np.testing.assert_allclose(one.log_likelihoods, other.log_likelihoods, atol=1e-4)


def test_the_signature_is_plain_json(cifar, models, tmp_path):
    evaluate("--model", f"{models}:ten", "--data", f"cifar10={cifar}", "--suites", "clean", "--out", tmp_path / "o")
    value = json.loads((tmp_path / "o" / "run.json").read_text())
    assert value["suites"]["clean"]["data"] == str(cifar)
    assert set(value["versions"]) == {"layermix-gen", "torch"}
