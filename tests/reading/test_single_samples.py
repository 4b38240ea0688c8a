"""Single samples of a reader: by index and key they are what is stored, and looking at them changes nothing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from layermix_gen import BuildSettings, LayerMixDataset, LayerMixError, build
from layermix_gen.reading.single_samples import SingleSample
from tests.helpers import elements
from tests.reading.datasets import COUNT
from tests.reading.truth import Truth, flat


def holds(sample: SingleSample, truth: Truth, key: str) -> bool:
    facts = truth.metadata[key]
    return (
        np.array_equal(sample.image, truth.pixels[key])
        and sample.metadata == facts
        and (sample.label, sample.class_name) == (facts["label"], facts["class_name"])
    )


@pytest.mark.parametrize("epoch", [0, 3])
def test_by_index_they_are_those_of_the_epoch_in_order(tiny: Truth, epoch: int) -> None:
    ds = tiny.reader(1, order="sequential", remainder="exact")
    ds.set_epoch(epoch)
    shown = [ds[i] for i in range(0, COUNT, 8)]
    assert [one.metadata["key"] for one in shown] == flat(ds)[::8]
    assert all(holds(one, tiny, one.metadata["key"]) for one in shown)


def test_negative_indexes_count_from_the_end(tiny: Truth) -> None:
    ds = tiny.reader(views="clean", classes=[1, 2])
    count = len(ds.selection)
    assert 0 < count < COUNT
    assert [ds[i].metadata for i in (-count, -2, -1)] == [ds[i].metadata for i in (0, count - 2, count - 1)]
    assert {ds[i].label for i in range(0, count, 4)} == {1, 2}
    assert ds[np.int64(3)].metadata == ds[3].metadata


def test_behind_the_end_there_is_none(tiny: Truth) -> None:
    ds = tiny.reader(views="clean")
    for index in (COUNT, -COUNT - 1):
        with pytest.raises(IndexError, match=rf"^expected an index in \[-97, 96\] of 97 images, got {index}; "):
            ds[index]
    with pytest.raises(LayerMixError, match=r"^expected an index or a key of a sample, got slice\(None, 3, None\)"):
        ds[:3]  # type: ignore[index]


def test_by_key_it_is_any_sample_of_the_dataset(tiny: Truth) -> None:
    ds = tiny.reader(views="clean", classes=[1])
    for key in ("000000000-clean", "000000041-v03", "000000096-v00"):
        assert holds(ds[key], tiny, key)
    with pytest.raises(LayerMixError, match=r"^expected the key of a sample, such as 0000000..-clean, got '0-v00'"):
        ds["0-v00"]


def test_where_planes_share_keys_a_key_has_its_plane(digits: Path, pool: Path, tmp_path: Path) -> None:
    settings = BuildSettings(variants=2, keys="shared")
    build(digits, tmp_path, settings, mixing_set=pool, workers=1, progress=False)
    ds = LayerMixDataset(tmp_path, 4)
    assert ds[5].metadata["plane"] in ("v00", "v01")
    sample = ds["000000005-v01"]
    assert (sample.metadata["key"], sample.metadata["plane"]) == ("000000005", "v01")
    assert repr(sample).startswith("<SingleSample 000000005: label ")


def test_several_views_come_together(tiny: Truth) -> None:
    ds = tiny.reader(views=("clean", "variant", "v02"))
    sample = ds[11]
    assert [view["plane"] for view in sample.metadata][::2] == ["clean", "v02"]
    assert len({view["source"] for view in sample.metadata}) == 1
    assert sample.image.shape == (3, 12, 12, 3)
    for image, view in zip(sample.image, sample.metadata, strict=True):
        assert np.array_equal(image, tiny.pixels[view["key"]])
    html = elements(sample._repr_html_())
    assert [element.tag for element in html].count("img") == 3
    assert "clean: image" in str(html[-1].text)


def test_an_iteration_goes_on_as_if_nobody_had_looked(tiny: Truth) -> None:
    undisturbed, ds = flat(tiny.reader()), tiny.reader()
    found = []
    for images, _, facts in ds:
        before, state = images.clone(), ds.state_dict()
        ds[0], ds["000000007-v01"]
        assert torch.equal(images, before)
        assert ds.state_dict() == state
        found += facts["key"]
    assert found == undisturbed


def test_no_loader_makes_batches_of_them(tiny: Truth) -> None:
    """`len` counts batches: a subset by indexes would be another one than meant, and is refused."""
    with pytest.raises(TypeError, match="SingleSample"):
        next(iter(DataLoader(Subset(tiny.reader(), range(8)), batch_size=4)))


def test_a_damaged_sample_is_named(tiny: Truth, tmp_path: Path) -> None:
    root = shutil.copytree(tiny.root, tmp_path / "copy")
    tar = root / "clean" / "000000.tar"
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    ds = LayerMixDataset(root, 4, views="clean")
    with pytest.raises(LayerMixError, match=r"^0000000..-clean in .*clean/000000.tar is not as it was built; see"):
        ds[0]
    assert holds(ds[1], tiny, ds[1].metadata["key"])
