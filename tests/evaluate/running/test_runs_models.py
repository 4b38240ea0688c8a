"""Models that a run refuses before it begins: their answers to the same images differ, or they change themselves."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import Forward, run
from layermix_gen.evaluate.benchmarks import P
from layermix_gen.evaluate.results.results_folder import read_signature
from tests.evaluate.worlds import AS_THEY_ARE, PIXELS, Answering, load_from, write_cifar10, write_models
from tests.helpers import invoke


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    """CIFAR-10 of twenty images. Not to be written to."""
    root = tmp_path_factory.mktemp("cifar")
    write_cifar10(root)
    return root


@pytest.fixture(autouse=True)
def seeded():
    """Fix the seed of PyTorch's generator, from which dropout draws."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        yield


class Network(nn.Module):
    """A network of ten classes; `layer` is what it does to its feature maps."""

    def __init__(self, layer=None):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(4)
            self.conv, self.head = nn.Conv2d(3, 16, 3, 8), nn.Linear(16, 10)
        self.layer = layer or nn.Identity()

    def forward(self, images):
        maps = F.leaky_relu(self.layer(self.conv(images)), 0.3)
        return self.head(maps.mean((2, 3)))


class Counting(nn.Module):
    """A layer that counts images in a buffer; its output does not depend on the count."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, maps):
        self.seen += len(maps)  # type: ignore[operator, assignment]
        return maps


class Alternating(nn.Module):
    """A layer with a state that is no buffer: the sign of its output, other at each call."""

    sign = 1

    def forward(self, maps):
        self.sign = -self.sign
        return self.sign * maps


class Attention(nn.Module):
    """Attention over pixels with dropout in it."""

    def forward(self, maps):
        tokens = maps.flatten(2).mT
        return F.scaled_dot_product_attention(tokens, tokens, tokens, dropout_p=0.3 if self.training else 0).mT[
            ..., None
        ]


def refusal(model, cifar, tmp_path, **options):
    """The line with which a run refuses a model; no results may be left."""
    with pytest.raises(LayerMixError) as caught:
        run(model, {"cifar10": cifar}, tmp_path / "o", ("clean",), progress=False, **AS_THEY_ARE | options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "o").exists()
    return str(caught.value)


TWICE = r"got others by [\d.]+% of their range when the model was called twice; mend what is random in it or counts"
BESIDE = r"got others by [\d.]+% of their range with another image in the batch; mend what looks at the whole batch"
CHANGES = "one that changes its {} when it is called; mend its forward"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.BatchNorm2d(16, track_running_stats=False), BESIDE),
        (lambda: Answering(lambda maps: F.batch_norm(maps, None, None, training=True)), BESIDE),
        (lambda: Answering(lambda maps: maps - maps.mean(0)), BESIDE),
        (lambda: Answering(lambda maps: F.dropout(maps, 0.2)), TWICE),  # whose default is training
        (lambda: Answering(lambda maps: F.dropout2d(maps, 0.1)), TWICE),
        (lambda: Answering(lambda maps: maps + 0.1 * torch.randn_like(maps)), TWICE),
        (Alternating, TWICE),
        (Counting, CHANGES.format("model.layer.seen")),
    ],
)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_model_that_does_not_evaluate_is_refused(cifar, tmp_path, make, message, precision):
    line = refusal(Network(make()), cifar, tmp_path, forward=Forward(precision=precision))
    assert re.search(message, line)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.BatchNorm2d(16), BESIDE),
        (lambda: nn.Dropout(0.3), TWICE),
        (lambda: nn.Dropout2d(0.3), TWICE),
        (lambda: nn.AlphaDropout(0.3), TWICE),
        (lambda: nn.FeatureAlphaDropout(0.3), TWICE),
        (lambda: nn.RReLU(0.1, 0.6), TWICE),
        (Attention, TWICE),
        (lambda: nn.InstanceNorm2d(16, track_running_stats=True), CHANGES.format("model.layer.running_mean")),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_model_exported_in_training_mode_is_refused(cifar, tmp_path, make, message):
    """This includes operators without an argument that names the mode."""
    batch = torch.export.Dim("batch", min=2, max=64)
    model = Network(make()).train()
    program = torch.export.export(model, (torch.rand(4, 3, 32, 32),), dynamic_shapes=({0: batch},))
    torch.export.save(program.run_decompositions(), tmp_path / "net.pt2")
    assert re.search(message, refusal(str(tmp_path / "net.pt2"), cifar, tmp_path))


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(16), nn.Dropout(0.5), nn.InstanceNorm2d(16), nn.GroupNorm(4, 16)])
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_a_model_that_evaluates_is_not_refused(cifar, tmp_path, layer, precision):
    run(
        Network(layer),
        {"cifar10": cifar},
        tmp_path / "o",
        ("clean",),
        progress=False,
        forward=Forward(precision=precision),
    )
    assert (tmp_path / "o" / "clean" / "clean.npz").is_file()


def test_logits_far_from_zero_are_not_refused(cifar, tmp_path):
    """Their rounding errors are as large as their differences."""
    model = Network(Answering(lambda maps: 1e-6 * maps))
    model.head.bias.data.fill_(1e3)
    run(model, {"cifar10": cifar}, tmp_path / "o", ("clean",), progress=False)


def test_one_image_alone_is_compared_too(tmp_path):
    write_cifar10(tmp_path / "one", count=1)
    assert re.search(
        BESIDE, refusal(Network(nn.BatchNorm2d(16, track_running_stats=False)), tmp_path / "one", tmp_path)
    )
    assert re.search(TWICE, refusal(Network(Answering(F.dropout)), tmp_path / "one", tmp_path))


def test_frames_that_are_alike_are_compared_with_other_images(tmp_path):
    """Batch statistics of two equal frames are those of each frame alone."""

    (tmp_path / "p").mkdir()
    frame = np.random.default_rng(0).integers(0, 200, (2, 1, 12, 12, 3), np.uint8)
    for name in P:
        np.save(tmp_path / "p" / f"{name}.npy", frame.repeat(21, 1))
    with pytest.raises(LayerMixError, match=BESIDE):
        run(Network(nn.BatchNorm2d(16, track_running_stats=False)), {"p": tmp_path / "p"}, tmp_path / "o")


def test_suites_are_added_to_what_a_model_said(cifar, tmp_path):
    """The digest is of the weights as they were given, however often the model was asked."""
    for suites in (("clean",), ("clean", "pgd")):
        run(Network(nn.BatchNorm2d(16)), {"cifar10": cifar}, tmp_path / "o", suites, progress=False)
    assert set(read_signature(tmp_path / "o").suites) == {"clean", "pgd"}


def test_a_model_that_keeps_what_it_computed_is_attacked_too(cifar, tmp_path):
    """What it computed when it was asked first can be differentiated afterwards."""

    class Keeping(nn.Module):
        grid = None

        def forward(self, maps):
            if self.grid is None:
                self.grid = torch.linspace(0, 1, maps.shape[3]) * torch.ones(1)
            return maps * self.grid

    run(Network(Keeping()), {"cifar10": cifar}, tmp_path / "o", ("clean", "pgd"), progress=False)
    assert (tmp_path / "o" / "pgd" / "correct.npz").is_file()


# --- what is no model ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision(cifar, tmp_path, dtype):
    model = Network().to(dtype)
    amp = "" if dtype == torch.float64 else ", or evaluate with --amp"
    line = refusal(model, cifar, tmp_path)
    kind = str(dtype).removeprefix("torch.")
    assert line.endswith(f"; its weights are {kind} and the images float32: call float() on the model{amp}")
    if amp:
        precision = "fp16" if dtype == torch.float16 else "bf16"
        run(model, {"cifar10": cifar}, tmp_path / "o", progress=False, forward=Forward(precision=precision))
        assert (tmp_path / "o" / "clean" / "clean.npz").is_file()


def test_a_model_of_inference_mode(cifar, tmp_path):
    with torch.inference_mode():
        model = Network()
    line = refusal(model, cifar, tmp_path)
    assert line.endswith("one of inference_mode; make the model outside of torch.inference_mode()")


def test_no_model(cifar, tmp_path):
    assert refusal(None, cifar, tmp_path).startswith("expected a torch.nn.Module, got NoneType; give PATH.py:function")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.exit(0)", "the model failed on images (2, 3, 32, 32): SystemExit: 0; give a model"),
        ("exit()", "the model failed on images (2, 3, 32, 32): SystemExit: None; give a model"),
        ("return {'logits': images.mean((2, 3))}", "expected logits from the model, as a tensor of floats, got dict"),
    ],
)
def test_what_ends_in_forward_is_an_error(cifar, tmp_path, code, message):
    text = (
        f"import sys\nfrom torch import nn\n\nclass Net(nn.Module):\n    def forward(self, images):\n        {code}\n"
    )
    (tmp_path / "net.py").write_text(text)
    command = (*PIXELS, "--model", f"{tmp_path}/net.py:Net", "--data", f"cifar10={cifar}", "--out", tmp_path / "o")
    result = invoke("evaluate", "run", *command)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert message in line


@pytest.mark.parametrize("device", ["privateuseone", "hpu", "xla", "mtia", "mps", "cuda:77", "toaster"])
def test_devices_that_are_not_there(cifar, tmp_path, device):
    models = write_models(tmp_path)
    command = (
        *PIXELS,
        "--model",
        f"{models}:ten",
        "--data",
        f"cifar10={cifar}",
        "--out",
        tmp_path / "o",
        "--device",
        device,
    )
    result = invoke("evaluate", "run", *command)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert re.search(f"expected a (device|GPU) .*'{device}'.*; (change the|name another) device", line)


def test_normalization_by_one_number(cifar, tmp_path):
    for name, values in (("a", {"mean": 0.5, "std": 0.25}), ("b", {"mean": (0.5,), "std": (0.25,)})):
        model = load_from(write_models(tmp_path), "ten")
        signature = run(model, {"cifar10": cifar}, tmp_path / name, progress=False, **values)
        assert signature.normalization == "mean 0.5, std 0.25"
