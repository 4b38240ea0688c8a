"""The mean and std of a model: checked, told by checkpoints, known in any case."""

import numpy as np
import pytest
import torch

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models import loading
from layermix_gen.evaluate.models.normalized import Normalized
from tests.evaluate.models.networks import IMAGES, load_model, network
from tests.evaluate.worlds import load_from, write_models
from tests.torchvision_on_cpu import allow_timm


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((0.5, 0.5), (1,)),
        ((0.5,), (0,)),
        ((0,), (1, -1, 1)),
        ((0,), (float("nan"),)),
        ((float("inf"),), (1,)),
        ((), (1,)),
        (0.5, 0),
        (float("nan"), 1),
        ("half", 1),
        (0.5, None),
        ([[0.5]], 1),
    ],
)
def test_normalization_is_checked(mean, std):
    with pytest.raises(LayerMixError, match="expected one finite number or three as mean and as std, which is above 0"):
        Normalized(network(), mean, std)


@pytest.mark.parametrize("kind", [float, lambda value: [value], lambda value: np.full(3, value), torch.tensor])
def test_normalization_by_numbers_of_any_kind(kind, tmp_path):
    path = write_models(tmp_path)
    loaded = load_model(f"{path}:ten", mean=kind(0.5), std=kind(0.25))
    torch.testing.assert_close(loaded(IMAGES), load_from(path, "ten")((IMAGES - 0.5) / 0.25))


def test_a_mean_of_zero_is_not_the_default():
    allow_timm()
    assert load_model("timm:resnet18", mean=0.0, std=1).normalization == "mean 0, std 1"


def test_mean_and_std_have_to_be_known(tmp_path):
    spec = f"{write_models(tmp_path)}:ten"
    with pytest.raises(
        LayerMixError, match=r"^expected mean and std of the pixels in \[0, 1\] that .*models.py:ten was"
    ):
        loading.load_model(spec)
    with pytest.raises(
        LayerMixError, match="found none; give --mean and --std: 0 and 1, if it takes pixels as they are"
    ):
        loading.load_model(spec, mean=0.5)


def test_a_checkpoint_tells_mean_and_std(tmp_path):
    spec, path = f"{write_models(tmp_path)}:ten", tmp_path / "last.pt"
    about = {"model": "models.py:ten", "mean": [0.5], "std": (0.1, 0.2, 0.3)}
    torch.save({"model": load_model(spec).model.state_dict(), "layermix_gen": about}, path)
    assert loading.load_model(spec, path).normalization == "mean 0.5, std 0.1 0.2 0.3"
    assert loading.load_model(spec, path, mean=0, std=1).normalization == "mean 0, std 1"
    assert loading.load_model(spec, path, mean=0.25).normalization == "mean 0.25, std 0.1 0.2 0.3"


def test_a_checkpoint_may_tell_a_model_of_timm_but_no_file_is_run_that_it_names(tmp_path):
    path, marker = tmp_path / "last.pt", tmp_path / "run"
    weights = load_model("timm:resnet18", n_classes=7).model.state_dict()
    torch.save({"model": weights, "layermix_gen": {"model": "timm:resnet18", "mean": [0.5], "std": [0.5]}}, path)
    assert loading.load_model("", path, n_classes=7).normalization == "mean 0.5, std 0.5"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')")
    torch.save({"model": weights, "layermix_gen": {"model": f"{tmp_path}/evil.py:net"}}, path)
    with pytest.raises(
        LayerMixError, match=r"got none; the checkpoint tells of '.*evil.py:net': if you trust that file, give"
    ):
        loading.load_model("", path)
    assert not marker.exists()
    with pytest.raises(LayerMixError, match=r"got none; give it as --model$"):
        loading.load_model("")


@pytest.mark.parametrize(
    "about", [3, {"model": 3}, {"mean": "0.5"}, {"std": [1]}, {"std": ["a"]}, {"mean": torch.ones(1)}]
)
def test_what_a_checkpoint_tells_in_another_form(tmp_path, about):
    spec, path = f"{write_models(tmp_path)}:ten", tmp_path / "last.pt"
    torch.save({"model": load_model(spec).model.state_dict(), "layermix_gen": about}, path)
    with pytest.raises(LayerMixError, match="under 'layermix_gen' in "):
        loading.load_model(spec, path)
