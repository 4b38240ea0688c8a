"""Virtual planes in batches: what a reader shows of them is what it shows of stored ones."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from layermix_gen import open_shards
from layermix_gen.dataset.virtual import found_mixing_set
from layermix_gen.errors import LayerMixError
from layermix_gen.reading.fresh import virtual_planes
from layermix_gen.reading.reader import LayerMixDataset
from tests.helpers import edit_manifest, manifest, rows
from tests.reading.truth import Truth

JSD = ("clean", "variant", "variant")
FIELDS = ("key", "plane", "source", "label2", "layer", "ops", "op_args", "picture_view", "view", "recipe")


def assert_same(one: Any, other: Any) -> None:
    """Two readers yield the same tensors and the same metadata, of the same types."""
    count = 0
    for (images, labels, facts), (others, other_labels, other_facts) in zip(one, other, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(labels, other_labels)
        assert facts.keys() == other_facts.keys()
        for name, column in facts.items():
            same = torch.equal(column, other_facts[name]) if isinstance(column, torch.Tensor) else None
            assert column == other_facts[name] if same is None else same, name
        count += 1
    assert count > 1


def both(virtual: Truth, tiny: Truth, **options: Any) -> tuple[LayerMixDataset, LayerMixDataset]:
    given: dict[str, Any] = {"fields": FIELDS, "batch_size": 40, "remainder": "exact"} | options
    return virtual.reader(**given), tiny.reader(**given)


@pytest.mark.parametrize(
    "options",
    [
        {"views": "variant", "fields": ("key",), "threads": 1, "order": "shards", "rank": 1, "world_size": 2},
        {"views": JSD, "where": "layer = 3 or plane = 'v02'", "planes": ("v02", "v03", "v00")},
        {"views": ("v02", "clean"), "classes": (1, 3), "batch_size": 16},
    ],
    ids=str,
)
def test_they_are_read_as_stored_ones(options: dict[str, Any], virtual: Truth, tiny: Truth) -> None:
    ds, stored = both(virtual, tiny, **options)
    assert_same(ds, stored)
    assert_same(ds, stored)  # the next epoch
    assert_same(ds.in_memory(), stored.in_memory())
    one, other = ds[5], stored[5]
    assert np.array_equal(one.image, other.image)
    assert one.metadata == other.metadata
    assert np.array_equal(ds["000000003-v01"].image, tiny.pixels["000000003-v01"])


def test_they_are_read_by_workers(virtual: Truth, tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_planes, "AT_ONCE", 60)  # samples: an index or two at a time
    ds, stored = both(virtual, tiny, views=JSD)
    loader = DataLoader(ds, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert_same(loader, stored)
    uses = ds._loaders.of_epoch(0).uses(1, lambda _: (np.arange(97), np.zeros((97, 3), np.int64)))
    assert [use.name for use in uses] == [f"clean/{number:06d}.tar" for number in range(7)]
    assert_same(*both(virtual, tiny, views="clean"))
    assert ds.virtual
    assert len(ds.virtual.texts.texts[0]) / (4 * 13) < 600  # bytes a sample, for these fields


def test_second_images_are_those_of_the_recipe(pairs: tuple[Path, Path]) -> None:
    """Also those that are not selected."""
    options: dict[str, Any] = {"classes": (1, 3), "soft_labels": True, "fields": ("other", "label2", "recipe")}
    ds, stored = (LayerMixDataset(root, 16, **options) for root in pairs)
    assert_same(ds, stored)
    assert_same(ds.in_memory(), stored.in_memory())
    assert np.array_equal(ds[0].image, stored[0].image)
    options |= {"soft_labels": False, "views": JSD, "fields": ("other", "label2", "label_weight")}
    assert_same(*(LayerMixDataset(root, 16, **options) for root in pairs))


def test_clean_images_that_cannot_be_read(virtual: Truth, tiny: Truth, tmp_path: Path) -> None:
    root = shutil.copytree(virtual.root, tmp_path / "shards")
    path = root / "clean" / "000001.tar"
    data = bytearray(path.read_bytes())
    for row in rows(root)[14:28:3]:  # of the clean plane and shard 1
        data[row["offset"] + 60] ^= 255
    path.write_bytes(data)
    with pytest.raises(LayerMixError, match=r"clean/000001\.tar, sample .*-clean: expected .*; restore that file, or"):
        list(LayerMixDataset(root, 8))
    ds = LayerMixDataset(root, 40, views=JSD, fields=("key",), on_error="skip", max_skipped=97)
    for images, _, facts in ds:
        for i, views in enumerate(facts["key"]):
            for view, key in enumerate(views):
                assert np.array_equal(images[i, view].movedim(0, -1).numpy(), tiny.pixels[key])
    assert ds.skipped


def test_a_recipe_with_a_second_image_of_another_method(virtual: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    line = ["add(image, other, 0.5, 0.5)", -1, [0, 0, 0, 0], "some image"]
    monkeypatch.setattr(virtual_planes.IndexTexts, "line", lambda *_: line)
    with pytest.raises(
        LayerMixError,
        match=r"the sample in v0\d of \d{9}-clean has no recipe to render: found a second image, .*; restore that file",
    ):
        list(LayerMixDataset(virtual.root, 32))


def test_the_mixing_set_travels_with_them(virtual: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = shutil.copytree(virtual.root, tmp_path / "shards")
    assert manifest(root)["mixing_set"]["location"] == "mixing-set.npy"
    monkeypatch.setattr(found_mixing_set, "resolve_mixing_set", None)  # nothing is rendered, and nothing looked up
    assert len(list(LayerMixDataset(root, 32))) == 3
    path = root / "mixing-set.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(data)
    assert [problem.file for problem in open_shards(root).verify(workers=1, progress=False).problems] == [path.name]


def test_what_is_refused(virtual: Truth, tmp_path: Path) -> None:
    """A mixing set that is gone, and a manifest that says otherwise than the index."""
    root = shutil.copytree(virtual.root, tmp_path / "shards")
    edit_manifest(root, lambda made: made["mixing_set"].update(location="/nowhere/set.npy"))
    with pytest.raises(
        LayerMixError, match=r"^expected the mixing set /nowhere/set\.npy of the dataset, with the digest .*; restore"
    ):
        LayerMixDataset(root, 8)
    assert len(list(LayerMixDataset(root, 32, views="clean"))) == 3
    edit_manifest(root, lambda made: made["settings"].update(store="images"))
    with pytest.raises(LayerMixError, match=r"is damaged \(expected 35 tars of 7 shards, found 7\)"):
        LayerMixDataset(root, 8, views="clean")
