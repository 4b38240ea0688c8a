"""Whole evaluations through the command line, on small data in each published layout."""

import json
import os
import re
import shutil
import signal
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.evaluate import Attack, SuiteOptions, corrupt, make_report, measure, run, write_report
from layermix_gen.evaluate.benchmarks import CBAR, C, P
from layermix_gen.evaluate.results.results_folder import load_part, read_signature
from layermix_gen.evaluate.running import runs
from tests.evaluate.worlds import (
    AS_THEY_ARE,
    PIXELS,
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
from tests.helpers import build, files, invoke, snapshot, start, wait_until
from tests.torchvision_on_cpu import allow_timm

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
    result = invoke("evaluate", "run", *(() if "timm:resnet18" in arguments else PIXELS), *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments):
    """Run `evaluate run`, which has to be refused; return the one line."""
    result = invoke("evaluate", "run", *(() if "timm:resnet18" in arguments else PIXELS), *arguments)
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
    epsilon, step_size = pytest.approx(2 / 255), pytest.approx(0.5 / 255)
    assert signature.suites["pgd"].settings == {
        "preprocessing": "none",
        "epsilon": epsilon,
        "steps": 20,
        "step_size": step_size,
        "restarts": 1,
    }


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
    torch.nn.init.normal_(trained.linear.weight, generator=torch.Generator().manual_seed(9))  # type: ignore[arg-type]
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
    assert signature.normalization == "mean 0.5, std 0.2 0.3 0.25"


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


@pytest.mark.parametrize(("classes", "dataset", "table"), [(200, "imagenet-200", "VIII"), (1000, "imagenet", "IX")])
def test_imagenet_with_fewer_classes_is_another_dataset(tmp_path, classes, dataset, table):
    """The paper has a table of its own for this dataset."""
    write_photographs(tmp_path / "one", 0, each=1, wnids=WNIDS[:1])
    (picture,) = (tmp_path / "one").rglob("*.JPEG")
    for number in range(classes):
        (tmp_path / "val" / f"n{number:08d}").mkdir(parents=True)
        (tmp_path / "val" / f"n{number:08d}" / "a.JPEG").hardlink_to(picture)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes))
    signature = run(model, {"imagenet": tmp_path}, tmp_path / "o", progress=False)
    assert signature.dataset == dataset
    report = make_report([tmp_path / "o"], [table])
    assert not [note for note in report.notes if "which no run is about" in note]
    (other,) = {"VIII", "IX"} - {table}
    assert any("which no run is about" in note for note in make_report([tmp_path / "o"], [other]).notes)


def test_the_dataset_may_be_named(cifar, models, tmp_path):
    data = ("--data", f"c={cifar / 'CIFAR-10-C'}", "--dataset", "cifar10")
    evaluate("--model", f"{models}:ten", *data, "--out", tmp_path / "o")
    assert read_signature(tmp_path / "o").dataset == "cifar10"
    line = refused("--model", f"{models}:four", *data, "--out", tmp_path / "p")
    assert "expected a model of 10 classes" in line  # as CIFAR-10 has
    both = ("--data", f"cifar10={cifar}", "--dataset", "cifar100")
    line = refused("--model", f"{models}:ten", *both, "--out", tmp_path / "p")
    assert "expected the dataset cifar10 of --data, got --dataset cifar100" in line


def test_calibration_alone_needs_no_clean_images(cifar, models, tmp_path):
    c = f"c={cifar / 'CIFAR-10-C'}"
    evaluate("--model", f"{models}:ten", "--data", c, "--suites", "c,calibration", "--out", tmp_path / "o")
    assert set(measure(tmp_path / "o").calibration) == {"c"}
    evaluate("--model", f"{models}:ten", "--data", c, "--suites", "calibration", "--out", tmp_path / "o")
    p = f"p={cifar / 'CIFAR-10-P'}"
    line = refused("--model", f"{models}:ten", "--data", p, "--suites", "calibration", "--out", tmp_path / "p")
    assert "expected data for calibration, which is that of clean, c, cbar, r, got none of these" in line


@pytest.mark.parametrize("layout", ["arrays", "folders"])
def test_what_we_corrupted_may_be_a_part_of_a_suite(digits, photographs, tmp_path, layout):
    """Three severities and two corruptions are evaluated as the record says, never as if they were all."""
    source, classes = (digits, 10) if layout == "arrays" else (photographs, 4)
    made = corrupt(source, tmp_path / "c", "c", corruptions=("fog", "pixelate"), severities=(1, 3, 5), workers=1)
    assert made.record["layout"] == layout
    model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, classes))
    run(model, {"c": tmp_path / "c"}, tmp_path / "o", progress=False)
    assert read_signature(tmp_path / "o").suites["c"].severities == (1, 3, 5)
    said = load_part(tmp_path / "o", "c", "fog")
    assert said.severities == (1, 3, 5)
    measured = measure(tmp_path / "o")
    assert (measured.numbers["c_error"].parts, measured.numbers["c_error"].of) == (2, 15)
    assert set(measured.errors["c"]["fog"]) == {1, 3, 5}
    report = make_report([tmp_path / "o"])
    assert "o: c is at severities 1, 3, 5 alone, so its means compare with others at these alone" in report.notes
    assert "(2/15)" in report.text()
    assert {path.name for path in write_report(report, tmp_path / "report")} >= {"heat-map-c.png", "bars-c.png"}
    found = invoke("evaluate", "check-data", tmp_path / "c", "--deep")
    assert found.exit_code == 0, found.output
    images = made.record["images"]
    form = "arrays" if layout == "arrays" else "image files"
    assert found.output == f"c: complete, 2 of 15 parts of 3 x {images} images as {form}, in {tmp_path / 'c'}\n"
    (tmp_path / "c" / ("fog.npy" if layout == "arrays" else "fog")).rename(tmp_path / "fog")
    with pytest.raises(LayerMixError, match="which lacks fog"):
        run(model, {"c": tmp_path / "c"}, tmp_path / "p", progress=False)


def test_shards_have_the_images_of_a_test_set_in_another_order(digits, tmp_path):
    """The labels of C can therefore not be compared one by one."""
    build(digits, tmp_path / "shards", "--view", "center", "--variants", 0)
    corrupt(digits, tmp_path / "c", "c", corruptions=("fog",), workers=1)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 10))
    data = {"clean": tmp_path / "shards", "c": tmp_path / "c"}
    run(model, data, tmp_path / "o", progress=False)
    clean, fog = load_part(tmp_path / "o", "clean", "clean"), load_part(tmp_path / "o", "c", "fog")
    assert not np.array_equal(clean.labels[0], fog.labels[0])  # or the test would show nothing
    np.testing.assert_array_equal(np.sort(clean.labels[0]), np.sort(fog.labels[0]))
    labels = np.load(tmp_path / "c" / "labels.npy").reshape(5, -1)
    labels[:, 3] = 4
    np.save(tmp_path / "c" / "labels.npy", labels.ravel())
    with pytest.raises(LayerMixError, match="expected as many images of each class as in the clean suite"):
        run(model, data, tmp_path / "p", progress=False)


def test_extra_corruptions_alone_are_evaluated_on_request(digits, tmp_path):
    corrupt(digits, tmp_path / "c", "c", corruptions=("saturate",), severities=(2,), workers=1)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 10))
    with pytest.raises(LayerMixError, match="found none but extra ones; add --extras"):
        run(model, {"c": tmp_path / "c"}, tmp_path / "o", progress=False)
    run(model, {"c": tmp_path / "c"}, tmp_path / "o", suite_options=SuiteOptions(extras=True), progress=False)
    assert set(measure(tmp_path / "o").errors["c"]["saturate"]) == {2}


def test_what_we_corrupted_has_its_own_scale(digits, tmp_path):
    """The lists of C-bar differ: arrays need not be CIFAR's."""
    corrupt(digits, tmp_path / "cbar", "cbar", scale="imagenet", layout="arrays", workers=1)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 10))
    signature = run(model, {"cbar": tmp_path / "cbar"}, tmp_path / "o", progress=False)
    assert signature.scale == "imagenet"
    assert measure(tmp_path / "o").numbers["cbar_error"].complete


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


SLOW_MODEL = """
import os
import time

class Slow(Mean):
    def forward(self, images):
        time.sleep(float(os.environ.get("PAUSE", 0)))  # only the process that is to be stopped sets it
        return super().forward(images)

def slow():
    return Slow(10)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_after_the_last_part(models, tmp_path, number):
    write_corruptions(tmp_path / "c")
    models.write_text(models.read_text() + SLOW_MODEL)
    command = (
        "evaluate",
        "run",
        *PIXELS,
        "--model",
        f"{models}:slow",
        "--data",
        f"c={tmp_path / 'c'}",
        "--batch-size",
        20,
    )
    process = start(*command, "--out", tmp_path / "o", env=ONE_THREAD | {"PAUSE": "0.06"})
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
    predict, calls = runs.predict, []  # type: ignore[attr-defined]

    def stopping(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return predict(*arguments, **options)

    monkeypatch.setattr(runs, "predict", stopping)
    with pytest.raises(Interrupted, match="stopped with 2 of 15 parts finished; run the same command to resume"):
        run(f"{models}:ten", {"cifar10": cifar}, tmp_path / "o", ("c",), progress=False, **AS_THEY_ARE)
    run(f"{models}:ten", {"cifar10": cifar}, tmp_path / "o", ("c",), progress=False, **AS_THEY_ARE)
    assert len(calls) == 3 + 13


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (("--mean", "0.5"), "normalization mean 0, std 1 -> mean 0.5, std 1"),
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
    options |= {"--steps": 1, "--mean": 0, "--std": 1}
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
    assert "suite must be one of clean, c, cbar" in refused(
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


def test_one_folder_for_each_suite(cifar, models, tmp_path):
    data = [f"--data=c={cifar / name}" for name in ("CIFAR-10-C", "CIFAR-10-C-Bar")]
    line = refused("--model", f"{models}:ten", *data, "--out", tmp_path / "o")
    assert line == "Error: expected one --data c=DIR, got several; name each folder once"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pgd", "released"), "expected pgd among the suites for --pgd; add it to --suites"),
        (("--step-size", "1/255"), "expected pgd among the suites for --step-size; add it to --suites"),
        (("--suites", "clean,pgd", "--pgd", "correct,relaesed"), "must be one of correct, released, got 'relaesed'"),
        (("--seed", -1), r"seed must be a whole number in [0, 9223372036854775807], got -1; change --seed"),
        (("--seed", 2**64), "seed must be a whole number in"),
    ],
)
def test_an_attack_that_is_not_made(cifar, models, tmp_path, options, message):
    options = options if "--suites" in options else ("--suites", "clean", *options)
    line = refused("--model", f"{models}:ten", "--data", f"cifar10={cifar}", *options, "--out", tmp_path / "o")
    assert message in line
    assert not (tmp_path / "o").exists()


def test_variants_in_python(cifar, models, tmp_path):
    with pytest.raises(LayerMixError, match="expected pgd among the suites for its variant released"):
        run(
            f"{models}:ten",
            {"cifar10": cifar},
            tmp_path / "o",
            ("clean",),
            pgd=("released",),
            progress=False,
            **AS_THEY_ARE,
        )
    attack = Attack(steps=1)
    both = ("released", "correct")
    run(
        f"{models}:ten",
        {"cifar10": cifar},
        tmp_path / "o",
        ("pgd",),
        pgd=both,
        attack=attack,
        progress=False,
        **AS_THEY_ARE,
    )
    assert files(tmp_path / "o") == ["pgd/correct.npz", "pgd/released.npz", "run.json"]


def test_labels_that_contradict_the_clean_ones(cifar, models, tmp_path):
    shutil.copytree(cifar / "CIFAR-10-C", tmp_path / "c")
    labels = np.load(tmp_path / "c" / "labels.npy").reshape(5, -1)
    np.save(tmp_path / "c" / "labels.npy", labels[:, ::-1].ravel())
    data = ("--data", f"cifar10={cifar}", "--data", f"c={tmp_path / 'c'}")
    line = refused("--model", f"{models}:ten", *data, "--out", tmp_path / "o")
    assert f"{tmp_path / 'c'}: expected the labels of the clean images, found 9 for 0 at image 0; get both of" in line
    assert not (tmp_path / "o").exists()


def test_parts_of_other_sizes(models, tmp_path):
    write_corruptions(tmp_path / "c", count=4, size=8)
    write_corruptions(tmp_path / "c", C[5:6], count=4, size=9)
    line = refused("--model", f"{models}:ten", "--data", f"c={tmp_path / 'c'}", "--out", tmp_path / "o")
    assert f"expected images of 8x8 pixels in {tmp_path / 'c' / C[5]} as in the other parts, found 9x9" in line
    assert not (tmp_path / "o").exists()


def test_suites_of_other_sizes(cifar, models, tmp_path):
    write_corruptions(tmp_path / "c", count=20, size=28)
    data = ("--data", f"cifar10={cifar}", "--data", f"c={tmp_path / 'c'}", "--suites", "clean,c,cbar")
    line = refused("--model", f"{models}:ten", *data, "--out", tmp_path / "o")
    assert "expected images of one size in all suites, found 32x32 in clean and 28x28 in c; make them alike" in line
    assert not (tmp_path / "o").exists()


def test_own_images_beside_what_was_made_of_them(tmp_path):
    """Class folders of small squares: clean and corrupted they have one size."""
    write_photographs(tmp_path / "own", 0, 28, 28)
    corrupt(tmp_path / "own", tmp_path / "c", "c", corruptions=("fog",), workers=1)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    signature = run(model, {"clean": tmp_path / "own", "c": tmp_path / "c"}, tmp_path / "o", progress=False)
    assert {name: suite.settings for name, suite in signature.suites.items()} == {
        "clean": {"preprocessing": "none"},
        "c": {"preprocessing": "none"},
    }


def test_the_test_split_is_corrupted_and_evaluated(cifar, models, tmp_path):
    made = corrupt(cifar, tmp_path / "c", "c", corruptions=("pixelate",), severities=(1,), workers=1)
    assert made.record["source"]["kind"] == "cifar10:test"
    assert made.record["images"] == 20


def test_image_files_of_other_sizes(models, tmp_path):
    for number, name in enumerate(C):
        for severity in range(1, 6):
            write_photographs(tmp_path / "c" / name / str(severity), 1, 8, 9 if number == 5 else 8, each=1)
    data = ("--data", f"c={tmp_path / 'c'}", "--preprocessing", "none")
    line = refused("--model", f"{models}:four", *data, "--out", tmp_path / "o")
    assert "expected images of one size, found 8x8 and 9x8" in line
    assert len(files(tmp_path / "o")) == 6  # the five parts before it, and the signature


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
    options: dict[str, Any] = {"dynamic_shapes": ({0: batch},)}
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


def test_paths_that_are_no_text(models, tmp_path):
    r"""Bytes that are not UTF-8 are shown as `\xff`, and never end in a traceback."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    write_corruptions(folder / "c", count=20)
    (folder / "models.py").write_text(models.read_text())
    trained = load_from(models, "ten")
    torch.save(trained.state_dict(), folder / "last.pt")
    data = ("--data", f"c={folder / 'c'}", "--checkpoint", folder / "last.pt")
    evaluate("--model", f"{folder / 'models.py'}:ten", *data, "--out", tmp_path / "o")
    signature = read_signature(tmp_path / "o")
    shown = f"{tmp_path}/caf\\xe9"
    assert (signature.model, signature.checkpoint) == (f"{shown}/models.py:ten", f"{shown}/last.pt")
    assert signature.suites["c"].data == f"{shown}/c"
    write_photographs(folder / "own", 0, 28, 28)
    made = corrupt(folder / "own", folder / "own-c", "c", corruptions=("pixelate",), severities=(1,), workers=1)
    assert made.record["source"]["location"] == f"{shown}/own"
