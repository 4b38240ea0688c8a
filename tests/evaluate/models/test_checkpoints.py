"""Weights are loaded strictly and safely, from checkpoints as training scripts write them."""

import os
import warnings
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import run
from layermix_gen.evaluate.models.checkpoints import load_weights
from layermix_gen.evaluate.models.eval_mode import evaluating
from layermix_gen.evaluate.models.weights import weights_digest
from tests.evaluate.models.networks import load_model, network
from tests.evaluate.worlds import write_cifar10, write_models


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module.", "model.", "model._orig_mod."])
@pytest.mark.parametrize("holder", [None, "model", "model_state_dict", "state_dict", "net"])
def test_checkpoints_as_training_scripts_write_them(tmp_path, prefix, holder):
    trained, fresh = network(), network()
    state = {prefix + name: value for name, value in trained.state_dict().items()}
    torch.save({holder: state, "epoch": 3} if holder else state, tmp_path / "last.pt")
    load_weights(fresh, tmp_path / "last.pt")
    assert weights_digest(fresh) == weights_digest(trained)


def test_settings_are_no_weights(tmp_path):
    """Training scripts keep settings under such names, too."""
    trained, fresh = network(), network()
    inner = {"epoch": 3, "model": {"name": "net", "width": 4}, "ema": {"decay": 0.99}, "net": {}}
    torch.save({"model": inner | {"state_dict": trained.state_dict()}}, tmp_path / "last.pt")
    load_weights(fresh, tmp_path / "last.pt")
    assert weights_digest(fresh) == weights_digest(trained)


@pytest.mark.parametrize("holder", [None, "model"])
def test_an_averaged_model(tmp_path, holder):
    trained, fresh = network(), network()
    state = AveragedModel(trained, use_buffers=True).state_dict()
    assert "n_averaged" in state
    torch.save({holder: state} if holder else state, tmp_path / "swa.pt")
    load_weights(fresh, tmp_path / "swa.pt")
    assert weights_digest(fresh) == weights_digest(trained)


def test_an_averaged_model_may_be_the_model_itself(tmp_path):
    trained, fresh = AveragedModel(network()), AveragedModel(network())
    torch.save(trained.state_dict(), tmp_path / "swa.pt")
    load_weights(fresh, tmp_path / "swa.pt")
    assert weights_digest(fresh) == weights_digest(trained)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        (("state_dict", "state_dict_ema"), "'state_dict' and 'state_dict_ema'"),
        (("model_ema", "model", "optimizer"), "'model' and 'model_ema'"),
        (("net", "ema"), "'net' and 'ema'"),
        (("net", "state_dict", "ema"), "'net', 'state_dict' and 'ema'"),
    ],
)
def test_of_several_models_none_is_taken(tmp_path, monkeypatch, keys, named):
    """A moving average, often the one that is meant, has other errors than the weights that it averages."""
    monkeypatch.chdir(tmp_path)
    torch.save({key: network().state_dict() for key in keys} | {"epoch": 3}, "last.pt")
    with pytest.raises(LayerMixError) as caught:
        load_weights(network(), Path("last.pt"))
    assert str(caught.value) == (
        f"expected the weights of one model in last.pt, found {named}; save the ones to evaluate alone by torch.save"
    )


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
        f"{path} does not fit the model: expected head.weight as float (10, 4), found float (100, 4); it lacks 1 "
        "weight such as norm.running_mean; it has 1 unknown weight such as tail.bias; give the model that was trained"
    )
    assert weights_digest(model) == before


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model."])
def test_a_prefix_that_the_model_has_itself_is_kept(tmp_path, prefix):
    trained, fresh = (nn.Sequential(OrderedDict([(prefix[:-1], network())])) for _ in range(2))
    torch.save(trained.state_dict(), tmp_path / "last.pt")
    load_weights(fresh, tmp_path / "last.pt")
    assert weights_digest(fresh) == weights_digest(trained)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda weight: weight.to(torch.complex64), "complex"),
        (lambda weight: weight.to(torch.int8), "integer"),
        (lambda weight: weight.to_sparse(), "sparse float"),
        (lambda weight: weight.to("meta"), "meta float"),
        (lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8), "quantized integer"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_weights_of_another_kind_do_not_fit(tmp_path, change, found):
    """PyTorch would copy some of them and lose what they are."""
    state = network().state_dict()
    torch.save({**state, "head.weight": change(state["head.weight"])}, tmp_path / "last.pt")
    with pytest.raises(LayerMixError) as caught:
        load_weights(network(), tmp_path / "last.pt")
    assert f"expected head.weight as float (10, 4), found {found} (10, 4); give" in str(caught.value)


def test_a_weight_may_be_called_model(tmp_path):
    class Scale(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.model = nn.Parameter(torch.tensor([value]))

    torch.save(Scale(2.0).state_dict(), tmp_path / "last.pt")
    model = Scale(1.0)
    load_weights(model, tmp_path / "last.pt")
    assert model.model.item() == 2


def test_a_weight_where_the_model_keeps_something_else(tmp_path):
    class Packed(nn.Module):
        def get_extra_state(self):
            return (1, 2)

    torch.save({"_extra_state": torch.zeros(3)}, tmp_path / "last.pt")
    with pytest.raises(LayerMixError, match=r"expected _extra_state as tuple, found float \(3,\); give the model"):
        load_weights(Packed(), tmp_path / "last.pt")


def test_half_precision_is_loaded(tmp_path):
    state = network().half().state_dict()
    torch.save(state, tmp_path / "last.pt")
    model = network()
    load_weights(model, tmp_path / "last.pt")
    assert torch.equal(model.head.weight, state["head.weight"].float())


REFUSED = "as weights alone (it holds more than weights, or is damaged); save the model's state_dict() alone"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "expected a checkpoint at last.pt, found no file there; change --checkpoint"),
        (lambda path: path.mkdir(), "expected a checkpoint at last.pt, found no file there; change --checkpoint"),
        (lambda path: path.write_bytes(b"junk"), "as weights alone (error: unpack requires a buffer of 4 bytes); save"),
        (
            lambda path: path.write_bytes(b'{"a": 1}'),
            REFUSED,
        ),
        (
            lambda path: torch.save(network(), path),
            REFUSED,
        ),
        (lambda path: torch.jit.save(torch.jit.script(network()), path), REFUSED),
        (
            lambda path: torch.save({"epoch": 3}, path),
            "expected the weights of a model by name in last.pt, alone",
        ),
        (lambda path: torch.save({1: torch.zeros(2)}, path), "expected the weights of a model by name in last.pt"),
        (lambda path: torch.save([torch.zeros(2)], path), "expected the weights of a model by name in last.pt"),
        (lambda path: torch.save({}, path), "last.pt does not fit the model: it lacks 9 weights such as conv.bias"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_checkpoints_that_are_something_else(tmp_path, monkeypatch, write, message):
    monkeypatch.chdir(tmp_path)
    write(Path("last.pt"))
    with warnings.catch_warnings(action="error"), pytest.raises(LayerMixError) as caught:
        load_weights(network(), Path("last.pt"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)  # whose False runs what the file holds


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


def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(10))


def on_meta():
    return network().to("meta")


def sparse(layout=torch.sparse_coo):
    model = network()
    model.head.weight = nn.Parameter(model.head.weight.detach().to_sparse(layout=layout))
    return model


def of_inference_mode():
    with torch.inference_mode():
        return network()


def lazy_buffer():
    model = network()
    model.norm.running_var = nn.UninitializedBuffer()
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lazy, "got 0.weight, a lazy one without a shape; run the model once on an image before you return it"),
        (lazy_buffer, "got norm.running_var, a lazy one without a shape; run the model once"),
        (on_meta, "got conv.weight, one on the meta device, without numbers; make the model on the CPU"),
        (sparse, "got head.weight, one of layout torch.sparse_coo; make it dense by to_dense()"),
        (of_inference_mode, "got conv.weight, one of inference_mode; make the model outside of torch.inference_mode()"),
        (lambda: sparse(torch.sparse_csr), "got head.weight, one of layout torch.sparse_csr; make it dense"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_models_without_weights_of_their_own(tmp_path, monkeypatch, make, message):
    """They are refused in every use: evaluation mode, a checkpoint, a run of a module and of a function."""
    model = make()
    with pytest.raises(LayerMixError) as caught, evaluating(model):
        pass
    assert message in str(caught.value)
    write_cifar10(tmp_path)
    with pytest.raises(LayerMixError) as caught:
        run(make(), {"clean": tmp_path}, tmp_path / "results", progress=False)
    assert message in str(caught.value)
    monkeypatch.setattr("layermix_gen.evaluate.models.loading._load", lambda spec, n_classes: model)
    torch.save(network().state_dict(), tmp_path / "last.pt")
    with pytest.raises(LayerMixError) as caught:
        load_model("net.py:net", tmp_path / "last.pt")
    assert message in str(caught.value)
    assert not (tmp_path / "results").exists()
