"""Fresh variants rendered on a device: the very batches that the CPU renders, streamed and from memory."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from layermix_gen import LayerMixOptions, MixingSet, PixMixOptions
from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import PictureView
from layermix_gen.mixing.methods import METHODS, DrawSettings
from layermix_gen.reading import device
from layermix_gen.reading.fresh import device_renderer
from layermix_gen.reading.fresh.device_renderer import DeviceRenderer, cut_pictures, on_the_device
from layermix_gen.reading.fresh.fresh_mix import Mix
from layermix_gen.reading.fresh.fresh_variants import FreshVariants
from tests.reading.fresh.test_fresh_variants import FACTS, JSD, fresh
from tests.reading.truth import Truth

THERE: dict[str, Any] = {"device": "cpu", "render": "device"}


def same(batches: Iterable[Any], expected: Iterable[Any]) -> int:
    """Check that batches are equal in pixels, in memory layout, labels and fields; return how many images they have."""
    count = 0
    for (images, labels, facts), (pixels, numbers, told) in zip(batches, expected, strict=True):
        assert torch.equal(images, pixels)
        assert images.stride() == pixels.stride()
        assert torch.equal(labels, numbers)
        assert str(facts) == str(told)
        count += len(images)
    return count


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"views": JSD, "mix": "cutmix", "on_error": "skip", "rank": 1, "world_size": 2},
        {"mix": "mixup", "soft_labels": True, "where": "label < 4", "order": "shards", "batch_size": 40},
        {"views": JSD, "mix": PixMixOptions(k=2), "threads": 1, "prefetch": 0},
    ],
    ids=["layermix", "cutmix", "mixup", "pixmix"],
)
def test_they_are_rendered_on_a_device(options: dict[str, Any], tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, plain = fresh(tiny, **THERE, **options), fresh(tiny, **options)
    whole = list(plain)
    assert same(ours, whole) == sum(len(batch[0]) for batch in whole)
    for reader in (ours, plain):
        reader.set_epoch(1)
    assert same(ours, plain) > 30
    memory = fresh(tiny, **THERE, **options).in_memory()
    assert same(memory, whole) > 30  # rendered together
    monkeypatch.setattr(device_renderer, "MOST_TOGETHER", 3)
    memory.load_state_dict(fresh(tiny, **options).state_dict())
    steps = iter(memory)
    next(steps)
    ours.load_state_dict(memory.state_dict())
    assert same(ours, whole[1:]) == same(steps, whole[1:])
    assert ours.identity == plain.identity


def test_images_that_cannot_be_read_are_replaced_on_a_device(tiny: Truth, tmp_path: Path) -> None:
    root = shutil.copytree(tiny.root, tmp_path / "shards")
    path = root / "clean" / "000001.tar"
    path.write_bytes(bytes(byte ^ (at % 5000 == 0) for at, byte in enumerate(path.read_bytes())))
    options: dict[str, Any] = {
        "views": "fresh",
        "fields": FACTS,
        "on_error": "skip",
        "max_skipped": 97,
        "batch_size": 40,
    }
    broken = Truth(root, {}, {})
    ours, plain = broken.open(**options, **THERE), broken.open(**options)
    assert same(ours, plain) == 80
    assert ours.skipped == plain.skipped != []


@pytest.mark.parametrize("shape", [(7, 20, 20), (7, 20, 20, 3)])
def test_crops_of_pictures_on_a_device(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_renderer, "PART", 1000)
    mixing_set = MixingSet(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    crops = [(i % 7, i % 9, (3 * i) % 9, i % 2, i // 2 % 2) for i in range(20)]
    pictures = on_the_device(mixing_set, torch.device("cpu"))
    found = cut_pictures(pictures, torch.tensor(crops), 12)
    for cut, (index, top, left, *flips) in zip(found, crops, strict=True):
        assert np.array_equal(cut, mixing_set.view(PictureView(index, top, left, *map(bool, flips)), 12))
    monkeypatch.setattr(device, "usable_memory", lambda: 2000)
    settings = DrawSettings(12, 7, 20, LayerMixOptions())
    ids, rows = np.zeros(1, np.uint64), np.zeros(1, np.int64)
    views = FreshVariants(("fresh",), Mix(METHODS["layermix"], settings, mixing_set), 0, ids, rows, rows, rows)
    with pytest.raises(LayerMixError, match=r"GB of memory on cpu for 7 pictures of the mixing set, .*; leave out"):
        DeviceRenderer(views, torch.device("cpu"))
