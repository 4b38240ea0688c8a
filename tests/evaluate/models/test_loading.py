"""Models are loaded from each form: a function in a file, with arguments; timm; an exported program."""

import logging
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models.eval_mode import evaluating
from layermix_gen.evaluate.models.normalized import Normalized
from layermix_gen.evaluate.models.weights import weights_digest
from tests.evaluate.models.networks import IMAGES, load_model
from tests.evaluate.worlds import load_from, write_models
from tests.torchvision_on_cpu import allow_timm


def test_a_function_in_a_file(tmp_path):
    path = write_models(tmp_path)
    loaded = load_model(f"{path}:ten", mean=(0.5,), std=(0.25, 0.5, 1))
    expected = load_from(path, "ten")((IMAGES - 0.5) / torch.tensor([0.25, 0.5, 1]).reshape(3, 1, 1))
    torch.testing.assert_close(loaded(IMAGES), expected)
    assert loaded.normalization == "mean 0.5, std 0.25 0.5 1"


def test_timm_without_pretrained_weights():
    allow_timm()
    model = load_model("timm:resnet18", n_classes=7)
    assert model.eval()(IMAGES.repeat(1, 1, 4, 4)).shape == (4, 7)
    assert model.normalization == "mean 0.485 0.456 0.406, std 0.229 0.224 0.225"  # of timm's configuration
    other = load_model("timm:resnet18", n_classes=7, mean=(0.5,), std=(0.25,))
    assert other.normalization == "mean 0.5, std 0.25"
    again = load_model("timm:resnet18", n_classes=7)
    assert weights_digest(again) == weights_digest(model)
    assert weights_digest(load_model("timm:resnet18", n_classes=7, seed=1)) != weights_digest(model)


def test_drawing_weights_leaves_the_generator_as_it_was(tmp_path):
    before = torch.random.get_rng_state()
    load_model(f"{write_models(tmp_path)}:ten", seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_exported_models(exported):
    path, model = exported
    loaded = load_model(str(path))
    with evaluating(loaded), torch.no_grad():
        for count in (1, 3, 4):
            torch.testing.assert_close(loaded(IMAGES[:count]), model(IMAGES[:count]))


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(3), nn.Dropout(0.5)])
def test_models_exported_in_training_mode_are_refused(tmp_path, layer):
    program = torch.export.export(nn.Sequential(layer, nn.Conv2d(3, 4, 3)).train(), (IMAGES,))
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(LayerMixError, match="was exported in training mode; call eval"):
        load_model(str(tmp_path / "net.pt2"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "resnet18",
            r"expected a model as PATH\.py:function, .*\(ARGUMENTS\), timm:NAME or PATH\.pt2, got 'resnet18'",
        ),
        ("models.py:missing", "expected missing.. in models.py to return a torch.nn.Module, found no such function"),
        ("models.py:number", "got int; change --model"),
        ("models.py:broken", "models.py:broken failed with NameError: name 'undefined_name' is not defined"),
        ("nowhere.py:net", "expected the Python file of a model at nowhere.py, found none"),
        ("nowhere.pt2", "expected a model at nowhere.pt2, found no file there"),
        (".pt2", "expected a model at .pt2, found no file there"),
        ("models.py:exits", "models.py:exits failed with SystemExit: 3; try it in Python"),
        ("quits.py:net", "quits.py:net failed with SystemExit: no weights here; try it in Python"),
        ("junk.pt2", r"expected a model that torch\.export\.save wrote in junk.pt2, got"),
        ("timm:no_such_net", "expected the name of a timm model, got 'no_such_net'"),
        ("timm:", "expected the name of a timm model, got ''; see timm.list_models"),
        ("timm:hf-hub:someone/model", "expected the name of a timm model, got 'hf-hub:someone/model'"),
        ("timm:resnet18.no_such_tag", "timm cannot make 'resnet18.no_such_tag': RuntimeError: Invalid pretrained tag"),
    ],
)
def test_models_that_cannot_be_loaded(spec, message, tmp_path, monkeypatch):
    allow_timm()
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path)
    (tmp_path / "junk.pt2").write_bytes(b"junk")
    (tmp_path / "quits.py").write_text("raise SystemExit('no weights here')")
    with (tmp_path / "models.py").open("a") as file:
        file.write("\n\ndef exits():\n    raise SystemExit(3)\n")
    with pytest.raises(LayerMixError, match=message) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


def test_ctrl_c_in_a_function_is_not_its_failure(tmp_path):
    (tmp_path / "net.py").write_text("def net():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_model(f"{tmp_path}/net.py:net")


def test_a_file_may_have_dataclasses(tmp_path):
    """A dataclass looks up the names in its annotations in its module, which has to be in `sys.modules`."""
    (tmp_path / "net.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom torch import nn\n\n"
        "@dataclass\nclass Width:\n    value: int = 7\n\ndef net():\n    return nn.Linear(3, Width().value)\n"
    )
    assert load_model(f"{tmp_path}/net.py:net").model.out_features == 7


def test_the_number_of_classes_is_checked(tmp_path):
    with pytest.raises(LayerMixError, match="classes must be a whole number from 0 on, got -3; change --classes"):
        load_model(f"{write_models(tmp_path)}:ten", n_classes=-3)


def test_exported_models_that_are_damaged_leave_one_line(exported, tmp_path, monkeypatch):
    """In another process, because a logger writes to the standard error that it found when it was made."""
    monkeypatch.chdir(tmp_path)
    whole = exported[0].read_bytes()
    (tmp_path / "truncated.pt2").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder.pt2").mkdir()
    with zipfile.ZipFile("other.pt2", "w") as archive:
        archive.writestr("a/b", "c")
    program = (
        "from layermix_gen.evaluate import load_model\nfrom layermix_gen.errors import LayerMixError\n"
        "for name in ('truncated', 'folder', 'other', 'missing'):\n"
        "    try:\n        load_model(f'{name}.pt2', mean=0, std=1)\n"
        "    except LayerMixError as error:\n        print(error)\n"
        "load_model('net.pt2', mean=0, std=1)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    truncated, folder, other, missing = done.stdout.splitlines()
    assert truncated.startswith("expected a model that torch.export.save wrote in truncated.pt2, got RuntimeError: Py")
    assert "failed finding central directory" in truncated
    assert 'hasRecord("version")' in other
    assert all(line.endswith("; export it again") for line in (truncated, other))
    assert folder == "expected a model at folder.pt2, found no file there; change --model"
    assert missing == "expected a model at missing.pt2, found no file there; change --model"


def test_the_log_of_export_is_as_it_was(tmp_path, caplog):
    (tmp_path / "junk.pt2").write_bytes(b"junk")
    with pytest.raises(LayerMixError, match="not a ZIP archive"):
        load_model(f"{tmp_path}/junk.pt2")
    assert not caplog.records
    logging.getLogger("torch.export").warning("heard")
    assert [record.message for record in caplog.records] == ["heard"]


@pytest.mark.parametrize("spec", [None, 3, Path("net.pt2")])
def test_a_model_is_named_by_a_text(spec):
    with pytest.raises(LayerMixError, match=r"expected a model as PATH\.py:function, .* got \w+; change the model"):
        load_model(spec)


def test_what_is_no_module():
    for call in (lambda: Normalized(None), lambda: evaluating(None).__enter__()):  # type: ignore[arg-type]
        with pytest.raises(LayerMixError, match=r"expected a torch\.nn\.Module, got NoneType; give PATH"):
            call()


MAKERS = """
from torch import nn

def make(name, width, bias=True):
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, width, bias=bias))
    net.name = name
    return net
"""


@pytest.mark.parametrize(
    ("arguments", "name", "width", "bias"),
    [
        ("wrn-40-4, 7", "wrn-40-4", 7, True),
        ("'a b', 7, bias=False", "a b", 7, False),
        (" name = res.net , width=9 ", "res.net", 9, True),
        ("1e-3,3,0", 1e-3, 3, 0),
    ],
)
def test_a_function_may_take_arguments(tmp_path, arguments, name, width, bias):
    (tmp_path / "net.py").write_text(MAKERS)
    model = load_model(f"{tmp_path}/net.py:make({arguments})").model
    assert (model.name, model[2].out_features, model[2].bias is not None) == (name, width, bool(bias))


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("a b", "'a b'"),
        ("1,,2", "''"),
        ("width=3, x", "'x'"),
        ("__import__('os')", "\"__import__('os')\""),
        ("x=", "'x='"),
    ],
)
def test_other_arguments_are_refused(tmp_path, arguments, found):
    (tmp_path / "net.py").write_text(MAKERS)
    with pytest.raises(LayerMixError) as caught:
        load_model(f"{tmp_path}/net.py:make({arguments})")
    assert f"expected numbers or words as arguments of a model, and after them any by name, got {found} in " in str(
        caught.value
    )


def test_arguments_that_do_not_fit(tmp_path):
    (tmp_path / "net.py").write_text(MAKERS)
    with pytest.raises(LayerMixError, match=r"net.py:make failed with TypeError: make\(\) missing 1 required"):
        load_model(f"{tmp_path}/net.py:make(wrn)")
