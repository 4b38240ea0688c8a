"""LayerMix as a transform in a training pipeline: types, randomness, and the fractals that it finds by itself."""

import pickle
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch.utils.data import DataLoader, Dataset

from layermix_gen import LayerMixError, LayerMixTransform, MixingSet, online
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from tests.strategies import make_image
from tests.torchvision_on_cpu import allow_timm

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 36, 36), np.uint8)
IMAGE = make_image("random", 32, 32, seed=1)
TENSOR = torch.from_numpy(IMAGE.transpose(2, 0, 1).copy())


class Labelled(torch.Tensor):
    """A tensor of a class of its own, as torchvision has them."""


def test_each_type_comes_back():
    mix = LayerMixTransform(MixingSet(PICTURES))
    found = []
    for image in (IMAGE, PillowImage.fromarray(IMAGE), TENSOR, TENSOR.as_subclass(Labelled)):
        torch.manual_seed(3)
        mixed = mix(image)
        assert type(mixed) is type(image)
        if isinstance(mixed, torch.Tensor):
            assert (mixed.dtype, mixed.shape) == (torch.uint8, (3, 32, 32))
            assert mixed.is_contiguous()
        found.append(np.asarray(mixed).transpose(1, 2, 0) if isinstance(mixed, torch.Tensor) else np.asarray(mixed))
    assert (found[0] != IMAGE).any()
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    torch.manual_seed(3)
    np.testing.assert_array_equal(mix(IMAGE, shape=IMAGE.shape), found[0])  # as albumentations' Lambda calls it


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (PillowImage.fromarray(IMAGE).convert("L"), "expected an image in RGB, got one in L; convert it first"),
        (TENSOR.float(), "expected a tensor of uint8 .3, S, S. on the CPU, got torch.float32 .3, 32, 32. on cpu; mix"),
        (TENSOR[None], "got torch.uint8 .1, 3, 32, 32. on cpu"),
        (TENSOR[:, :20], "expected a square image, got 32x20; crop it first"),
        (IMAGE[..., 0], "expected an image as a uint8 array"),
        ("cat.png", "expected an image as a uint8 array .H, W, 3. in RGB order, got str"),
    ],
)
def test_what_is_no_image(image, expected):
    with pytest.raises(LayerMixError, match=expected):
        LayerMixTransform(MixingSet(PICTURES))(image)


def test_wrong_options_are_refused_at_once():
    with pytest.raises(LayerMixError, match="magnitude"):
        LayerMixTransform(magnitude=99)


class Images(Dataset[torch.Tensor]):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return self.transform(TENSOR)


def test_each_worker_and_epoch_draws_anew():
    def epochs():
        torch.manual_seed(11)
        loader = DataLoader(Images(LayerMixTransform(MixingSet(PICTURES))), batch_size=None, num_workers=2)
        return [np.stack([one.numpy() for one in loader]) for _ in range(2)]

    first, second = epochs()
    assert len({one.tobytes() for one in (*first, *second)}) > 8  # some operations draw nothing
    for one, again in zip((first, second), epochs(), strict=True):
        np.testing.assert_array_equal(one, again)


def test_pickle_and_repr(tmp_path):
    np.save(tmp_path / "set.npy", PICTURES)
    mix = LayerMixTransform(tmp_path / "set.npy", magnitude=5)
    assert repr(mix) == f"LayerMixTransform(mixing_set='{tmp_path}/set.npy', magnitude=5)"
    assert repr(LayerMixTransform()) == "LayerMixTransform()"
    again = pickle.loads(pickle.dumps(mix))  # noqa: S301
    torch.manual_seed(0)
    mixed = mix(IMAGE)
    torch.manual_seed(0)
    np.testing.assert_array_equal(again(IMAGE), mixed)


def test_without_arguments_it_renders_fractals_once(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path))
    monkeypatch.setattr(online, "resolve_mixing_set", partial(resolve_mixing_set, count=3))
    with pytest.raises(LayerMixError, match="square"):
        LayerMixTransform()(TENSOR[:, :20])
    assert list(tmp_path.iterdir()) == []  # no fractals for what is refused
    mix = LayerMixTransform()
    for _ in range(20):
        assert mix(IMAGE).shape == IMAGE.shape
    assert [path.name for path in tmp_path.glob("*.npy")] == ["fractals-v1-seed0-3x36.npy"]
    loader = DataLoader(Images(LayerMixTransform()), batch_size=None, num_workers=1)
    assert len(list(loader)) == 6


def test_without_torch_the_randomness_is_the_systems():
    script = """
import sys
sys.modules["torch"] = None
import numpy as np
from layermix_gen import LayerMixTransform, MixingSet
mix = LayerMixTransform(MixingSet(np.arange(36 * 36, dtype=np.uint32).astype(np.uint8).reshape(1, 36, 36)))
image = np.arange(32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(32, 32, 3)
assert len({mix(image).tobytes() for _ in range(20)}) > 10
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_among_the_transforms_of_torchvision_and_timm():
    """Behind the crop, before the conversion to floats."""
    allow_timm()
    from timm.data.transforms_factory import create_transform
    from torchvision.transforms import v2

    mix = LayerMixTransform(MixingSet(PICTURES))
    photograph = PillowImage.fromarray(make_image("random", 60, 40, seed=2))
    floats = v2.ToDtype(torch.float32, scale=True)
    of_torchvision = v2.Compose([v2.PILToTensor(), v2.RandomResizedCrop(32), mix, floats])
    of_timm = create_transform(32, is_training=True)
    to_floats = [type(one).__name__.endswith("ToTensor") for one in of_timm.transforms].index(True)
    of_timm.transforms.insert(to_floats, mix)
    for transform in (of_torchvision, of_timm):
        mixed = transform(photograph)
        assert (mixed.dtype, mixed.shape) == (torch.float32, (3, 32, 32))
        assert mixed.std() > 0.01
