"""Grad-CAM beside a computation by hand, and the sheet."""

from collections import OrderedDict

import cv2
import numpy as np
import pytest
import torch
from helpers import invoke
from PIL import Image as PillowImage
from torch import nn
from worlds import pixels, write_models, write_photographs

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import gradcam, write_gradcam_sheet
from layermix_gen.evaluate.gradcam_sheet import overlaid

IMAGES = torch.rand(3, 3, 12, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    """A network whose head is linear in the means of its features."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        features = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 5, 3, 1, 1), nn.BatchNorm2d(5))
        return nn.Sequential(
            OrderedDict(features=features, pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), head=nn.Linear(5, 4))
        )


def test_the_map_is_that_of_the_formula(model):
    """With a linear head the gradient is known: its weight over the number of pixels, at each of them."""
    seen = gradcam(model, IMAGES)
    assert seen.layer == "features"
    model.eval()
    with torch.no_grad():
        features, logits = model.features(IMAGES).numpy(), model(IMAGES).numpy()
    weights = model.head.weight.detach().numpy()
    for i in range(3):
        label = logits[i].argmax()
        assert seen.classes[i] == label
        heat = np.maximum(np.tensordot(weights[label] / features[i, 0].size, features[i], 1), 0)
        large = cv2.resize(heat, (8, 12), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(seen.maps[i], large / large.max(), atol=1e-5)
        exponentials = np.exp(logits[i])
        assert seen.probabilities[i] == pytest.approx(exponentials[label] / exponentials.sum(), rel=1e-5)


def test_a_class_and_a_layer_may_be_named(model):
    seen = gradcam(model, IMAGES, layer="features.1", target=2)
    assert seen.classes.tolist() == [2, 2, 2]
    assert seen.maps.shape == (3, 12, 8)
    assert not np.allclose(seen.maps, gradcam(model, IMAGES, target=2).maps)


def test_the_model_is_left_as_it_was(model):
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradcam(model, IMAGES)
    assert all(module.training for module in model.modules())
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_map_without_evidence_is_black(model):
    with torch.no_grad():
        model.head.weight.zero_()
    assert not gradcam(model, IMAGES).maps.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "body"}, r"expected a layer of the model, got 'body'; see named_modules"),
        ({"layer": "head"}, "expected feature maps"),
        ({"target": 4}, r"expected a class in \[0, 3\], got 4"),
    ],
)
def test_what_the_model_does_not_have(model, options, message):
    with pytest.raises(LayerMixError, match=message):
        gradcam(model, IMAGES, **options)


def test_models_without_feature_maps():
    with pytest.raises(LayerMixError, match="found none: it is no convolutional network"):
        gradcam(nn.Sequential(nn.Flatten(), nn.Linear(288, 3)), IMAGES)


def test_colours_grow_with_the_map():
    image = pixels(0, 1, 4, 6, 3)[0]
    heat = np.tile(np.linspace(0, 1, 6, dtype=np.float32), (4, 1))
    change = np.abs(overlaid(image, heat).astype(float) - image).mean((0, 2))
    assert change[0] < change[-1]
    red, _, blue = overlaid(np.zeros_like(image), heat)[0, -1]
    assert red > blue  # the warm end


def test_the_sheet(model, tmp_path):
    write_photographs(tmp_path / "images", 0, 256, 300, each=1)
    paths = sorted((tmp_path / "images").rglob("*.JPEG"))
    out = write_gradcam_sheet([("baseline", model), ("LayerMix", model)], paths[:2], tmp_path / "sheet.png")
    with PillowImage.open(out) as sheet:
        assert sheet.width > 3 * 224
        assert sheet.height > 2 * 224
        columns = np.asarray(sheet)
    assert (columns[:5] == 255).all()


def test_the_command(tmp_path):
    models = write_models(tmp_path)
    models.write_text(
        models.read_text() + "\ndef conv():\n    "
        "return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))\n"
    )
    write_photographs(tmp_path / "images", 0, 40, 40, each=1)
    images = sorted((tmp_path / "images").rglob("*.JPEG"))
    command = ("evaluate", "gradcam", *images, "--model", f"{models}:conv", "--out", tmp_path / "sheet.png")
    result = invoke(*command, "--preprocessing", "none")
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(tmp_path / "sheet.png")
    result = invoke(*command)
    assert result.exit_code == 0, result.output  # enlarged to 256 first
    for extra, message in (
        (("--title", "a", "--title", "b"), "expected one --title for each of 1 models, or none, got 2"),
        (("--model", f"{models}:ten"), "found none: it is no convolutional network"),
        (("--class", 7), "expected a class in [0, 2], got 7"),
        (("--out", tmp_path / "sheet.gif"), "expected a name like sheet.png"),
        ((tmp_path / "nothing.png",), "nothing.png: no such file or directory; check the path"),
        ((models,), "not an image; give another image"),
    ):
        result = invoke(*command, *extra)
        assert result.exit_code == 1
        assert message in result.output
        assert len(result.output.splitlines()) == 1
