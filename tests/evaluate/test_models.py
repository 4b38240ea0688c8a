"""Models are loaded from each form, weights strictly and safely, and a model is left as it was."""

import os
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torchvision_on_cpu import allow_timm
from worlds import load_from, write_models

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models import Normalized, evaluating, load_model, load_weights, weights_digest

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def network():
    """Layers whose two modes differ."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 4, 3),
            norm=nn.BatchNorm2d(4),
            drop=nn.Dropout(0.5),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            head=nn.Linear(4, 10),
        )
    )


@pytest.fixture
def exported(tmp_path):
    """An exported network that takes any number of images; its path and what it was made of."""
    model = network().eval()
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.export.export(model, (IMAGES[:2],), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "net.pt2")
    return tmp_path / "net.pt2", model


# --- forms -----------------------------------------------------------------------------------------------------------


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
    again = load_model("timm:resnet18", n_classes=7)
    assert weights_digest(again) == weights_digest(model)
    assert weights_digest(load_model("timm:resnet18", n_classes=7, seed=1)) != weights_digest(model)


def test_exported_models(exported):
    path, model = exported
    loaded = load_model(str(path))
    with evaluating(loaded), torch.no_grad():
        for count in (1, 3, 4):
            torch.testing.assert_close(loaded(IMAGES[:count]), model(IMAGES[:count]))


def test_models_exported_in_training_mode_are_refused(tmp_path):
    program = torch.export.export(network().train(), (IMAGES,))
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(LayerMixError, match="was exported in training mode; call eval"):
        load_model(str(tmp_path / "net.pt2"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet18", r"expected a model as PATH\.py:function, timm:NAME or PATH\.pt2, got 'resnet18'"),
        ("models.py:missing", "expected missing.. in models.py to return a torch.nn.Module, found no such function"),
        ("models.py:number", "got int; change --model"),
        ("models.py:broken", "models.py:broken failed with NameError: name 'undefined_name' is not defined"),
        ("nowhere.py:net", "expected the Python file of a model at nowhere.py, found none"),
        ("nowhere.pt2", "expected a model at nowhere.pt2, found no such file"),
        ("junk.pt2", r"expected a model that torch\.export\.save wrote in junk.pt2, got"),
        ("timm:no_such_net", "expected the name of a timm model, got 'no_such_net'"),
    ],
)
def test_models_that_cannot_be_loaded(spec, message, tmp_path, monkeypatch):
    allow_timm()
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path)
    (tmp_path / "junk.pt2").write_bytes(b"junk")
    with pytest.raises(LayerMixError, match=message) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("mean", "std"), [((0.5, 0.5), (1,)), ((0.5,), (0,)), ((0,), (1, -1, 1))])
def test_normalization_is_checked(mean, std):
    with pytest.raises(LayerMixError, match="expected one number or three as mean and as std, which is above 0"):
        Normalized(network(), mean, std)


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("holder", [None, "model", "state_dict"])
def test_checkpoints_as_training_scripts_write_them(tmp_path, prefix, holder):
    trained, fresh = network(), network()
    state = {prefix + name: value for name, value in trained.state_dict().items()}
    torch.save({holder: state, "epoch": 3} if holder else state, tmp_path / "last.pt")
    load_weights(fresh, tmp_path / "last.pt")
    assert weights_digest(fresh) == weights_digest(trained)


def test_checkpoints_that_do_not_fit(tmp_path):
    path = tmp_path / "last.pt"
    model = network()
    other = {**model.state_dict(), "head.weight": torch.zeros(100, 4), "tail.bias": torch.zeros(3)}
    del other["norm.running_mean"]
    torch.save(other, path)
    before = weights_digest(model)
    with pytest.raises(LayerMixError) as caught:
        load_weights(model, path)
    assert str(caught.value) == (
        f"{path} does not fit the model: expected head.weight of shape (10, 4), found (100, 4); it lacks 1 weight such "
        "as norm.running_mean; it has 1 unknown weight such as tail.bias; give the model that was trained"
    )
    assert weights_digest(model) == before


def test_checkpoints_that_are_something_else(tmp_path):
    path = tmp_path / "last.pt"
    with pytest.raises(LayerMixError, match=r"expected a checkpoint at .*, found no such file"):
        load_weights(network(), path)
    path.write_bytes(b"junk")
    with pytest.raises(LayerMixError, match="as weights alone"):
        load_weights(network(), path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(LayerMixError, match="expected the weights of a model"):
        load_weights(network(), path)


class Harm:
    """What a malicious pickle would do."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_a_checkpoint_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Harm()}, "last.pt")
    with pytest.raises(LayerMixError, match=r"cannot read last\.pt as weights alone"):
        load_model(f"{write_models(tmp_path)}:ten", "last.pt")
    assert not (tmp_path / "harm").exists()


def test_exported_models_take_no_checkpoint(exported):
    with pytest.raises(LayerMixError, match="which holds its weights; leave --checkpoint out"):
        load_model(str(exported[0]), "last.pt")


# --- modes -----------------------------------------------------------------------------------------------------------


def test_a_model_is_left_as_it_was():
    model = network().train()
    model.norm.eval()
    model.head.weight.requires_grad_(False)
    flags = [module.training for module in model.modules()]
    gradients = [weight.requires_grad for weight in model.parameters()]
    statistics = model.norm.running_mean.clone()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
        assert not any(weight.requires_grad for weight in model.parameters())
        model(IMAGES)
    assert [module.training for module in model.modules()] == flags
    assert [weight.requires_grad for weight in model.parameters()] == gradients
    assert torch.equal(model.norm.running_mean, statistics)
    with pytest.raises(ValueError, match="stop"), evaluating(model):
        raise ValueError("stop")
    assert [module.training for module in model.modules()] == flags


def test_a_model_that_stays_in_training_mode_is_refused():
    class Stubborn(nn.Dropout):
        def train(self, mode=True):
            self.training = True
            return self

    model = nn.Sequential(OrderedDict(body=Stubborn()))
    with pytest.raises(LayerMixError, match="found body in training mode"), evaluating(model):
        pass


def test_own_ways_of_changing_mode_are_used():
    class Merging(nn.Linear):
        merged = False

        def train(self, mode=True):
            self.merged = not mode
            return super().train(mode)

    model = nn.Sequential(Merging(2, 2))
    with evaluating(model):
        assert model[0].merged
    assert not model[0].merged
    assert model[0].training


def test_the_digest_is_of_names_and_values():
    model = network()
    before = weights_digest(model)
    with torch.no_grad():
        model.norm.running_var[2] += np.float32(1e-6)
    assert weights_digest(model) != before
