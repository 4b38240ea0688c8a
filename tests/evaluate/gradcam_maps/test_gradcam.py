"""Grad-CAM beside a computation by hand, and the sheet."""

import sys
from collections import OrderedDict

import cv2
import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch import nn
from torch.utils.checkpoint import checkpoint

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import Normalized, gradcam, load_model, write_gradcam_sheet
from layermix_gen.evaluate.gradcam_maps import gradcam_sheet
from layermix_gen.evaluate.gradcam_maps.gradcam_sheet import overlaid
from tests.evaluate.worlds import AS_THEY_ARE, PIXELS, pixels, write_models, write_photographs
from tests.helpers import invoke
from tests.torchvision_on_cpu import allow_timm

IMAGES = torch.rand(3, 3, 12, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seeded():
    """The weights of all networks here."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        yield


@pytest.fixture
def model(seeded):
    """A network whose head is linear in the means of its features."""
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
        ({"layer": "body"}, r"of named_modules\(\) \(features, pool, flat, head\), got 'body'; change --layer"),
        ({"layer": "head"}, r"expected feature maps .* from head, got \(3, 4\); name another --layer"),
        ({"layer": "pool"}, r"expected feature maps .* from pool, got \(3, 5, 1, 1\); name another --layer"),
        ({"target": 4}, r"expected a class in \[0, 3\], got 4; change --class"),
        ({"target": -1}, r"expected a class in \[0, 3\], got -1"),
        ({"target": 1.5}, r"expected a class in \[0, 3\], got 1.5"),
    ],
)
def test_what_the_model_does_not_have(model, options, message):
    with pytest.raises(LayerMixError, match=message):
        gradcam(model, IMAGES, **options)


def test_models_without_feature_maps():
    with pytest.raises(LayerMixError, match="found none: it is no convolutional network"):
        gradcam(nn.Sequential(nn.Flatten(), nn.Linear(288, 3)), IMAGES)


class Answering(nn.Module):
    """Feature maps (B, 4, 6, 4) of which `answer` makes the output."""

    def __init__(self, answer):
        super().__init__()
        self.conv, self.unused, self.aside = nn.Conv2d(3, 4, 1, 2), nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.answer = answer

    def forward(self, images):
        self.aside(images)
        return self.answer(self.conv(images))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda maps: maps.mean((2, 3)) * float("nan"),
            "expected finite logits, got NaN or infinity for 3 of 3 images",
        ),
        (lambda maps: maps.mean((2, 3)) / torch.tensor([[1], [0], [1]]), "got NaN or infinity for 1 of 3 images"),
        (
            lambda maps: maps.mean((2, 3)).argsort(),
            "expected logits from the model, as a tensor of floats, got torch.int64; return",
        ),
        (lambda maps: maps.mean((2, 3)).to(torch.complex64), "as a tensor of floats, got torch.complex64"),
        (lambda maps: maps.mean((2, 3))[:, :0], r"expected logits \(3, classes\) from the model, got \(3, 0\)"),
        (
            lambda maps: (maps.mean((2, 3)), maps),
            "as a tensor of floats, got tuple; return",
        ),
        (lambda maps: maps, r"expected logits \(3, classes\) from the model, got \(3, 4, 6, 4\)"),
        (lambda maps: maps.mean((2, 3))[:2], r"expected logits \(3, classes\) from the model, got \(2, 4\)"),
        (lambda maps: maps.mean(), r"expected logits \(3, classes\) from the model, got \(\)"),
        (
            lambda maps: sys.exit(0),
            r"model failed on images \(3, 3, 12, 8\): SystemExit: 0; give a model for such images",
        ),
        (
            lambda maps: (0 * maps).sqrt().mean((2, 3)),
            "expected finite gradients, got NaN or infinity; mend what has none",
        ),
        (
            lambda maps: maps.undefined,
            r"model failed on images \(3, 3, 12, 8\): AttributeError: .*'undefined'; give",
        ),
        (lambda maps: maps.mean((2, 3)).detach(), "expected logits with a gradient with respect to conv, got others"),
    ],
)
def test_outputs_are_checked(answer, message):
    with pytest.raises(LayerMixError, match=message) as caught:
        gradcam(Answering(answer), IMAGES, layer="conv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("unused", "from unused, which did not run; name another --layer"),
        ("aside", "expected logits with a gradient with respect to aside, got others; name another --layer"),
    ],
)
def test_layers_without_a_say_are_refused(layer, message):
    with pytest.raises(LayerMixError, match=message):
        gradcam(Answering(lambda maps: maps.mean((2, 3))), IMAGES, layer=layer)


def test_the_images_are_left_as_they_were(model):
    """By a model that normalizes them in place, whose every pass gets them as they are."""

    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = model

        def forward(self, images):
            return self.body(images.sub_(0.5).div_(0.25))

    images = IMAGES.clone()
    seen = gradcam(InPlace(), images)
    assert torch.equal(images, IMAGES)
    np.testing.assert_array_equal(seen.maps, gradcam(model, (IMAGES - 0.5) / 0.25).maps)


def test_of_a_layer_that_runs_twice_the_last_time_counts():
    class Twice(Answering):
        def forward(self, images):
            first, second = self.conv(images), self.conv(images.flip(3))
            return self.answer((first, second))

    once = Answering(lambda maps: maps.mean((2, 3)))
    twice = Twice(lambda both: both[1].mean((2, 3)))
    twice.load_state_dict(once.state_dict())
    seen = gradcam(twice, IMAGES, layer="conv")
    np.testing.assert_allclose(seen.maps, gradcam(once, IMAGES.flip(3), layer="conv").maps, atol=1e-6)
    with pytest.raises(LayerMixError, match="expected logits with a gradient with respect to conv"):
        gradcam(Twice(lambda both: both[0].mean((2, 3))), IMAGES, layer="conv")


@pytest.mark.parametrize("images", [IMAGES[0], (IMAGES * 255).byte()])
def test_images_are_checked(model, images):
    with pytest.raises(LayerMixError, match=r"expected images \(B, 3, H, W\) in \[0, 1\], got .*; divide pixels"):
        gradcam(model, images)


@pytest.mark.parametrize("inplace", [False, True])
def test_the_features_are_those_before_the_next_layer_changes_them(inplace):
    """Evidence against the class, of negative features, counts as the formula has it."""
    conv, head = nn.Conv2d(3, 6, 3, 2, 1), nn.Linear(6, 4)
    model = nn.Sequential(conv, nn.ReLU(inplace), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    seen = gradcam(model, IMAGES, layer="0", target=1)
    with torch.no_grad():
        features = conv(IMAGES)
        weights = head.weight[1][None, :] * (features > 0).float().mean((2, 3))
        heat = torch.einsum("bc,bchw->bhw", weights, features).relu().numpy()
    assert (features < 0).any()
    assert heat.any((1, 2)).all()
    for i in range(3):
        large = cv2.resize(heat[i], (8, 12), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(seen.maps[i], large / large.max(), atol=1e-5)


def test_layers_have_the_names_of_the_model_itself(model):
    """Not of the normalization around it, which the user has not seen."""
    seen = gradcam(Normalized(model, (0.5,), (0.25,)), IMAGES, layer="features.1")
    assert seen.layer == "features.1"
    np.testing.assert_array_equal(seen.maps, gradcam(model, (IMAGES - 0.5) / 0.25, layer="features.1").maps)


def test_within_inference_mode_and_without_gradients(model):
    expected = gradcam(model, IMAGES)
    with torch.inference_mode():
        seen = gradcam(model, IMAGES * 1)
    np.testing.assert_array_equal(seen.maps, expected.maps)
    with torch.no_grad():
        np.testing.assert_array_equal(gradcam(model, IMAGES).maps, expected.maps)


class Checkpointed(nn.Module):
    """The same network, which computes parts of it again when gradients are wanted."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        maps = checkpoint(self.model.features, images, use_reentrant=False)
        return checkpoint(lambda maps: self.model[1:](maps), maps, use_reentrant=False)


def test_a_model_with_checkpoints(model):
    for layer in ("features", "features.1"):
        seen = gradcam(Checkpointed(model), IMAGES, layer=f"model.{layer}")
        np.testing.assert_allclose(seen.maps, gradcam(model, IMAGES, layer=layer).maps, atol=1e-6)


def test_checkpoints_that_cannot_be_differentiated():
    model = Answering(lambda maps: checkpoint(lambda same: same.mean((2, 3)).exp(), maps, use_reentrant=True))
    with pytest.raises(
        LayerMixError, match=r"the model failed at the gradient .*use_reentrant.*; give a model"
    ) as caught:
        gradcam(model, IMAGES, layer="conv")
    assert "\n" not in str(caught.value)


def test_memory_that_runs_out():
    def answer(maps):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(LayerMixError, match="there is no memory for 3 images at a time; give fewer images, or smaller"):
        gradcam(Answering(answer), IMAGES, layer="conv")


def test_models_that_cannot_be_explained(model, tmp_path):
    PillowImage.fromarray(pixels(0, 1, 20, 28, 3)[0]).save(tmp_path / "0.png")
    with torch.inference_mode():
        made = Answering(lambda maps: maps.mean((2, 3)))
    for given, message in (
        (None, "expected a torch.nn.Module, got NoneType"),
        (made, "one of inference_mode; make the model outside of torch.inference_mode"),
        (nn.Conv2d(3, 4, 3, device="meta"), "one on the meta device, without numbers; make the model on the CPU"),
    ):
        with pytest.raises(LayerMixError, match=message):
            gradcam(given, IMAGES)  # type: ignore[arg-type]
        with pytest.raises(LayerMixError, match=message):
            write_gradcam_sheet([("one", model), ("two", given)], [tmp_path / "0.png"], tmp_path / "sheet.png")  # type: ignore[list-item]
    assert not (tmp_path / "sheet.png").exists()


def test_half_precision(model):
    seen = gradcam(model.bfloat16(), IMAGES.bfloat16())
    assert seen.maps.dtype == seen.probabilities.dtype == np.float32
    np.testing.assert_allclose(seen.maps, gradcam(model.float(), IMAGES).maps, atol=0.1)


# --- which layer -----------------------------------------------------------------------------------------------------


def test_the_last_maps_are_those_after_normalization_and_activation():
    """Of a flat network, the last before they are pooled to one pixel."""
    layers = [nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    assert gradcam(nn.Sequential(*layers, nn.Linear(4, 3)), IMAGES).layer == "2"


@pytest.mark.parametrize(("name", "layer"), [("test_resnet", "layer4"), ("test_convnext", "norm_pre")])
def test_convolutional_networks_of_timm(name, layer):
    """ConvNeXt has layers of channels last within its blocks."""
    allow_timm()
    images = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    seen = gradcam(load_model(f"timm:{name}", n_classes=5), images)
    assert seen.layer == layer
    assert seen.maps.shape == (2, 160, 160)


def test_transformers_are_not_taken_for_their_first_convolution():
    """Their last maps are the embedding of patches, which says nothing of classes."""
    allow_timm()
    images = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    model = load_model("timm:test_vit", n_classes=5)
    with pytest.raises(
        LayerMixError, match=r"without maps after patch_embed\.proj, as transformers do; name a --layer"
    ):
        gradcam(model, images)
    with pytest.raises(LayerMixError, match=r"from blocks, got \(2, 101, 64\); name another --layer"):
        gradcam(model, images, layer="blocks")
    assert gradcam(model, images, layer="patch_embed.proj").maps.shape == (2, 160, 160)


def test_channels_last_are_no_maps():
    class Last(nn.Module):
        def forward(self, maps):
            return maps.permute(0, 2, 3, 1)

    class Mean(nn.Module):
        def forward(self, maps):
            return maps.mean((1, 2))

    model = nn.Sequential(nn.Conv2d(3, 40, 3, 2), Last(), nn.Linear(40, 50), Mean())
    with pytest.raises(LayerMixError, match="without maps after 0, as transformers do"):
        gradcam(model, IMAGES)
    with pytest.raises(LayerMixError, match=r"shaped like the images, from 2, got \(3, 5, 3, 50\); name another"):
        gradcam(model, IMAGES, layer="2")


@pytest.mark.filterwarnings("ignore")
def test_torchscript_has_no_layers(model):
    for made in (torch.jit.trace(model, IMAGES), torch.jit.script(model)):
        with pytest.raises(LayerMixError, match=r"found none: .* or an exported one; give its Python module"):
            gradcam(made, IMAGES)


# --- the sheet -------------------------------------------------------------------------------------------------------


def test_colours_grow_with_the_map():
    image = pixels(0, 1, 4, 6, 3)[0]
    heat = np.tile(np.linspace(0, 1, 6, dtype=np.float32), (4, 1))
    change = np.abs(overlaid(image, heat).astype(float) - image).mean((0, 2))
    assert change[0] < change[-1]
    colours = overlaid(np.zeros((1, 50, 3), np.uint8), np.linspace(0, 1, 50, dtype=np.float32)[None])[0]
    red, _, blue = colours.T
    assert red[-1] > blue[-1]  # the warm end
    assert (np.diff(colours @ [0.2126, 0.7152, 0.0722]) >= -1).all()  # each is lighter than what is less warm


def test_people_who_see_fewer_colours_see_the_same_map():
    """Without a kind of cones (Vienot et al., 1999), colours that are apart stay apart, and brighter ones brighter."""
    levels = np.arange(256, dtype=np.uint8)[None]
    colours = cv2.cvtColor(cv2.applyColorMap(levels, gradcam_sheet.COLOURS), cv2.COLOR_BGR2RGB)[0] / 255
    linear = np.where(colours > 0.04045, ((colours + 0.055) / 1.055) ** 2.4, colours / 12.92)
    without_red = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    without_green = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    for seen in (without_red, without_green):
        light = (linear @ seen.T) @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(light[::8]) > 0).all()
        assert light[-1] > 20 * light[0]


def test_the_sheet(model, tmp_path):
    write_photographs(tmp_path / "images", 0, 256, 300, each=1)
    paths = sorted((tmp_path / "images").rglob("*.JPEG"))
    out = write_gradcam_sheet([("baseline", model), ("LayerMix", model)], paths[:2], tmp_path / "sheet.png")
    with PillowImage.open(out) as sheet:
        assert sheet.width > 3 * 224
        assert sheet.height > 2 * 224
        columns = np.asarray(sheet)
    assert (columns[:5] == 255).all()


def test_the_sheet_is_drawn_where_everything_is_expected(model, tmp_path):
    """Small images are enlarged by whole squares, beside the overlay of each model."""
    for number in range(2):
        PillowImage.fromarray(pixels(number, 1, 20, 28, 3)[0]).save(tmp_path / f"{number}.png")
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    out = write_gradcam_sheet([("one", model)], paths, tmp_path / "sheet.png", preprocessing="none")
    sheet = np.asarray(PillowImage.open(out)).astype(int)
    assert sheet.shape == (2 * 28 + 30 + 2 * (160 + 34) - 14, 2 * 28 + 2 * 224 + 14, 3)
    images = np.stack([pixels(number, 1, 20, 28, 3)[0] for number in range(2)])
    seen = gradcam(model, torch.tensor(images / 255, dtype=torch.float32).permute(0, 3, 1, 2))
    for row in range(2):
        top, left = 28 + 30 + row * 194, 28
        large = images[row].repeat(8, 0).repeat(8, 1)
        np.testing.assert_array_equal(sheet[top : top + 160, left : left + 224], large)
        heat = np.clip(cv2.resize(seen.maps[row], (224, 160), interpolation=cv2.INTER_CUBIC), 0, 1)
        shown = sheet[top : top + 160, left + 238 : left + 238 + 224]
        np.testing.assert_array_equal(shown, overlaid(large.astype(np.uint8), heat))


@pytest.mark.parametrize(("side", "shown"), [(28, 224), (40, 240), (100, 224), (224, 224), (300, 300)])
def test_narrow_images_are_enlarged_and_wide_ones_left_as_they_are(model, tmp_path, side, shown):
    PillowImage.fromarray(pixels(0, 1, side, side, 3)[0]).save(tmp_path / "0.png")
    out = write_gradcam_sheet([("one", model)], [tmp_path / "0.png"], tmp_path / "sheet.png", preprocessing="none")
    with PillowImage.open(out) as sheet:
        assert sheet.size == (2 * 28 + 2 * shown + 14, 2 * 28 + 30 + shown + 34 - 14)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("München, déjà vu · 雪", "Munchen, deja vu ? ?"),
        ("Straße Øresund", "Strasse Oresund"),
        ("netz.py:net {~}", "netz.py:net {~}"),
        ("u\u0308", "u"),
    ],
)
def test_texts_are_in_the_letters_of_the_font(model, tmp_path, text, plain):
    """Which would draw boxes for others."""
    PillowImage.fromarray(pixels(0, 1, 20, 28, 3)[0]).save(tmp_path / f"{text}.png")
    PillowImage.fromarray(pixels(0, 1, 20, 28, 3)[0]).save(tmp_path / f"{plain}.png")
    sheets = [
        write_gradcam_sheet(
            [(name, model)], [tmp_path / f"{name}.png"], tmp_path / f"{number}.png", preprocessing="none"
        )
        for number, name in enumerate((text, plain))
    ]
    first, second = (np.asarray(PillowImage.open(sheet)) for sheet in sheets)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "privateuseone"}, "expected a GPU for the device 'privateuseone', found none; name another device"),
        ({"device": "cuda:99"}, "expected a GPU for the device 'cuda:99', found none"),
        ({"device": "foo"}, "expected a device like 'cuda' or 'cuda:1', got 'foo'"),
        ({"preprocessing": "crop"}, "preprocessing must be one of none, center-224, resize-256-center-224, got 'crop'"),
        ({"models": []}, "expected at least one model and one image, got 0 and 1"),
        ({"paths": []}, "expected at least one model and one image, got 1 and 0"),
    ],
)
def test_what_a_sheet_is_asked_for(model, tmp_path, options, message):
    PillowImage.fromarray(pixels(0, 1, 20, 28, 3)[0]).save(tmp_path / "0.png")
    given = {"models": [("one", model)], "paths": [tmp_path / "0.png"], "preprocessing": "none"} | options
    with pytest.raises(LayerMixError, match=message):
        write_gradcam_sheet(given.pop("models"), given.pop("paths"), tmp_path / "sheet.png", **given)
    assert not (tmp_path / "sheet.png").exists()


def test_a_model_that_exits_is_an_error(tmp_path):
    (tmp_path / "net.py").write_text(
        "import sys\nfrom torch import nn\n\nclass Net(nn.Conv2d):\n    def __init__(self):\n"
        "        super().__init__(3, 4, 3)\n\n    def forward(self, images):\n        sys.exit(0)\n"
    )
    PillowImage.fromarray(pixels(0, 1, 20, 28, 3)[0]).save(tmp_path / "0.png")
    result = invoke(
        "evaluate",
        "gradcam",
        *PIXELS,
        tmp_path / "0.png",
        "--model",
        f"{tmp_path}/net.py:Net",
        "--out",
        tmp_path / "s.png",
    )
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert "the model failed on images (1, 3, 224, 224): SystemExit: 0; give a model" in line


def test_models_of_two_repositories(tmp_path):
    """Each with `blocks` of its own, which the function and the forward pass import."""
    for name, layers in (("a", "nn.ReLU()"), ("b", "nn.Tanh()")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "blocks.py").write_text(f"from torch import nn\n\ndef block():\n    return {layers}\n")
        (tmp_path / name / "net.py").write_text(
            "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
            "        self.conv = nn.Conv2d(3, 4, 3)\n        self.head = nn.Linear(4, 3)\n\n"
            "    def forward(self, images):\n        from blocks import block\n"
            "        return self.head(block()(self.conv(images)).mean((2, 3)))\n"
        )
    models = [(name, load_model(f"{tmp_path / name}/net.py:Net", **AS_THEY_ARE)) for name in "ab"]
    seen = [gradcam(model, IMAGES) for _, model in models]
    for (_, model), block, found in zip(models, (nn.ReLU(), nn.Tanh()), seen, strict=True):
        body = nn.Sequential(model.model.conv, block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), model.model.head)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.maps, gradcam(body, IMAGES, layer="0").maps, atol=1e-6)
    assert not np.allclose(seen[0].probabilities, seen[1].probabilities)


def test_the_command(tmp_path):
    models = write_models(tmp_path)
    models.write_text(
        models.read_text() + "\ndef conv():\n    "
        "return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))\n"
    )
    write_photographs(tmp_path / "images", 0, 40, 40, each=1)
    images = sorted((tmp_path / "images").rglob("*.JPEG"))
    command = ("evaluate", "gradcam", *PIXELS, *images, "--model", f"{models}:conv", "--out", tmp_path / "sheet.png")
    result = invoke(*command, "--preprocessing", "none")
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(tmp_path / "sheet.png")
    result = invoke(*command)
    assert result.exit_code == 0, result.output  # enlarged to 256 first
    for extra, message in (
        (("--title", "a", "--title", "b"), "expected one --title for each of 1 models, or none, got 2"),
        (("--model", f"{models}:ten"), "found none: it is no convolutional network"),
        (("--class", 7), "expected a class in [0, 2], got 7"),
        (
            ("--out", tmp_path / "sheet.gif"),
            "expected a picture's name ending in .png, .jpg, .jpeg, .webp, .pdf, .svg",
        ),
        (("--out", tmp_path / "no" / "s.png"), f"cannot write {tmp_path}/no/s.png: no such file or directory; give an"),
        (("--device", "hpu"), "expected a GPU for the device 'hpu', found none; name another device, such as 'cpu'"),
        (("--device", "foo"), "expected a device like 'cuda' or 'cuda:1', got 'foo'"),
        (("--classes", -3), "classes must be a whole number from 0 on, got -3; change --classes"),
        (("--layer", "layer4"), "got 'layer4'; change --layer"),
        ((tmp_path / "nothing.png",), "nothing.png: no such file or directory; check the path"),
        ((models,), "not an image; give another image"),
    ):
        result = invoke(*command, *extra)
        assert result.exit_code == 1
        assert message in result.output
        assert len(result.output.splitlines()) == 1
