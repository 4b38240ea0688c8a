"""Fresh variants: the same whoever reads them and however, and what their recipes render."""

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from layermix_gen import BuildSettings, LayerMixOptions, PixMixOptions, build, open_mixing_set, render
from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import PictureView
from layermix_gen.mixing.methods import METHODS
from layermix_gen.reading.batches import loader
from layermix_gen.reading.fresh import clean_loader
from layermix_gen.reading.reader import LayerMixDataset
from tests.reading.truth import Truth

JSD = ("clean", "fresh", "fresh")
FACTS = ("source", "key", "plane", "recipe", "picture", "picture_view", "other", "label2", "label_weight")
Shown = dict[str, tuple[bytes, int, Any]]


def fresh(truth: Truth, mix: Any = "layermix", **options: Any) -> LayerMixDataset:
    """A reader of fresh views, which yields all images."""
    more = {"views": "fresh", "fields": FACTS, "remainder": "exact"}
    return truth.reader(**{"mix": mix} | more | options)


def shown(batches: Iterable[Any], of: Shown | None = None) -> Shown:
    """What batches show, image by image: pixels, label and recipes by the source."""
    found = {} if of is None else of
    for images, labels, facts in batches:
        for i, source in enumerate(facts["source"]):
            name = source if isinstance(source, str) else source[0]
            assert name not in found
            found[name] = (images[i].contiguous().numpy().tobytes(), int(labels[i]), facts["recipe"][i])
    return found


@pytest.mark.parametrize("mix", ["layermix", "cutmix"])
def test_they_depend_on_seed_image_epoch_and_view_alone(mix: str, tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = shown(fresh(tiny, mix, views=JSD, threads=1, prefetch=0))
    assert len(expected) == 97
    for options in ({"threads": 3, "batch_size": 40}, {"order": "shards", "batch_size": 5}, {"order": "sequential"}):
        assert shown(fresh(tiny, mix, views=JSD, **options)) == expected
    ranks: Shown = {}
    for rank in range(3):
        shown(fresh(tiny, mix, views=JSD, rank=rank, world_size=3), ranks)
    assert ranks == expected
    loader = DataLoader(fresh(tiny, mix, views=JSD), batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert shown(loader) == expected
    monkeypatch.setattr(clean_loader, "DECODED", 3 * 12 * 12 * 3)  # three images at a time
    assert shown(fresh(tiny, mix, views=JSD, batch_size=40)) == expected
    memory = fresh(tiny, mix, views=JSD, threads=2).in_memory()
    assert shown(memory) == expected
    others = [shown(fresh(tiny, mix, views=JSD, seed=1)), shown(memory)]  # by another seed, in the next epoch
    for other in others:
        assert sum(other[name][0] == expected[name][0] for name in expected) < 3
    first = shown(fresh(tiny, mix))
    assert [recipe for _, _, recipe in first.values()] == [expected[name][2][1] for name in first]
    assert sum(one[1] == one[2] for _, _, one in expected.values()) < 3  # views of one image differ


def test_they_are_resumed_at_every_batch(tiny: Truth) -> None:
    ds, memory, again = fresh(tiny, batch_size=20), fresh(tiny).in_memory(), fresh(tiny, threads=1).in_memory()
    expected, states = [], []
    for batch in ds:
        expected.append(shown([batch]))
        states.append(ds.state_dict())
    for number, state in enumerate(states[:-1], 1):
        streamed = fresh(tiny, batch_size=20, threads=2)
        streamed.load_state_dict(state)
        assert [shown([batch]) for batch in streamed] == expected[number:]
    whole = [shown([batch]) for batch in fresh(tiny)]
    memory.set_epoch(0)
    for number, batch in enumerate(memory, 1):
        assert shown([batch]) == whole[number - 1]
        if number < len(whole):
            again.load_state_dict(memory.state_dict())
            assert shown(again) == {name: one for part in whole[number:] for name, one in part.items()}
    ds.load_state_dict(memory.state_dict())
    assert shown(ds) == shown(memory)
    for other in (fresh(tiny, "augmix"), fresh(tiny, LayerMixOptions(magnitude=5)), tiny.reader(views="clean")):
        with pytest.raises(LayerMixError, match="this is the state of another reader: "):
            other.load_state_dict(memory.state_dict())


def clean_pixels(tiny: Truth) -> dict[str, np.ndarray]:
    """The clean images by their source."""
    return {tiny.metadata[key]["source"]: tiny.pixels[key] for key in tiny.keys("clean")}


def views_of(batches: Iterable[Any]) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Each view that batches show, with its metadata."""
    for images, _, facts in batches:
        for i, view in np.ndindex(*images.shape[:2]):
            of_view = {name: column[i][view] for name, column in facts.items()}
            yield images[i, view].movedim(0, -1).contiguous().numpy(), of_view


@pytest.mark.parametrize("mix", METHODS)
def test_recipes_render_the_very_pixels(mix: str, tiny: Truth, pool: Path) -> None:
    pictures, clean, ds = open_mixing_set(pool), clean_pixels(tiny), fresh(tiny, mix, views=JSD, classes=(0, 1))
    labels = {tiny.metadata[key]["source"]: tiny.metadata[key]["label"] for key in tiny.keys("clean")}
    mixed = 0
    for pixels, facts in views_of(ds):
        view = PictureView(int(facts["picture"]), *facts["picture_view"].tolist())
        picture = pictures.view(view, 12) if view.index >= 0 else None
        again = render(facts["recipe"], clean[facts["source"]], picture, clean.get(facts["other"]))
        assert np.array_equal(pixels, again)
        assert int(facts["label2"]) == labels.get(facts["other"], -1)
        mixed += facts["plane"] == "fresh" and facts["recipe"] != "image"
    assert mixed > 20 or mix == "none"
    ds.set_epoch(2)
    sample, held = ds[3], fresh(tiny, mix, views=JSD, classes=(0, 1)).in_memory()
    held.set_epoch(2)
    for pixels, facts in views_of(held):
        for number, one in enumerate(sample.metadata):
            if one["key"] == facts["key"]:
                assert np.array_equal(pixels, sample.image[number])
                assert {name: one[name] for name in ("recipe", "other", "source")}.items() <= facts.items()


def test_the_kernels_draw_what_metadata_says(tiny: Truth) -> None:
    with_recipes, without = (
        [images for images, *_ in fresh(tiny, views=JSD, order="sequential", fields=fields)] for fields in (FACTS, ())
    )
    assert len(with_recipes) == len(without) > 1
    assert all(map(torch.equal, with_recipes, without))


def test_workers_that_are_spawned(tiny: Truth) -> None:
    loader = DataLoader(fresh(tiny, "cutmix"), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    assert shown(loader) == shown(fresh(tiny, "cutmix"))


def test_memory_is_bounded(tiny: Truth) -> None:
    """Whoever keeps no batch makes the reader take no more memory for batches than it reads ahead."""
    ds = fresh(tiny, views=JSD, fields=(), prefetch=2, threads=2)
    taken = set()
    for _ in range(4):
        for images, _ in ds:
            taken.add(images.data_ptr())
            del images
    assert 1 <= len(taken) <= 5  # of 52 batches; the last one of an epoch is shorter


def test_metadata_says_what_was_drawn(tiny: Truth) -> None:
    fields = ("key", "plane", "variant", "method", "layer", "op", "ops", "op_args", "view", "label", "class_name")
    ds = fresh(tiny, views=JSD, fields=fields)
    ds.set_epoch(7)
    _, labels, facts = next(iter(ds))
    number = facts["key"][0][0].partition("-")[0]
    assert facts["key"][0] == [f"{number}-clean", f"{number}-fresh-7-0", f"{number}-fresh-7-1"]
    assert facts["plane"][0] == ["clean", "fresh", "fresh"]
    assert facts["variant"][0].tolist() == [-1, 0, 1]
    assert facts["method"][0] == ["none", "layermix", "layermix"]
    assert facts["layer"][:, 0].tolist() == [0] * 8
    assert set(facts["layer"][:, 1:].flatten().tolist()) == {1, 2, 3}
    assert facts["op_args"].shape == (8, 3, 3)
    assert [len(ops) for ops in facts["ops"][0]] == [3, 3, 3]
    assert torch.equal(facts["label"], labels[:, None].expand(8, 3))
    assert torch.equal(facts["view"][:, 0], facts["view"][:, 2])
    one = ds[0]
    assert (one.image.shape, one.metadata[1]["plane"]) == ((3, 12, 12, 3), "fresh")
    assert (ds["000000003-v01"].metadata["plane"], fresh(tiny)[0].image.shape) == ("v01", (12, 12, 3))


def test_soft_labels_are_those_of_both_images(tiny: Truth) -> None:
    with pytest.raises(LayerMixError, match=r"expected both labels of variants of mixup to be used, .*; ask for soft"):
        fresh(tiny, "mixup", fields=())
    ds = fresh(tiny, "mixup", soft_labels=True, fields=(*FACTS, "label"))
    for (_, targets, facts), (_, held, _) in zip(ds, ds.in_memory(), strict=True):
        expected = torch.zeros(len(targets), 5, dtype=torch.float64)
        rows = torch.arange(len(targets))
        expected[rows, facts["label"]] += facts["label_weight"]
        expected[rows, facts["label2"]] += 1 - facts["label_weight"]
        assert torch.allclose(targets.double(), expected)
        assert torch.equal(targets, held)
    _, targets, _ = next(iter(fresh(tiny, "augmix", soft_labels=True)))
    assert torch.equal(targets.max(1).values, torch.ones(8))


def test_the_selection_is_that_of_the_clean_plane(tiny: Truth) -> None:
    ds = fresh(tiny, "mixup", where="label < 2", classes=(0, 1), fields=("label", "label2", "label_weight"))
    seconds = {label for _, _, facts in ds for label in facts["label2"].tolist()}
    assert (len(ds.selection), seconds) == (40, {0, 1})  # second images are selected ones, too
    with pytest.raises(
        LayerMixError, match=r"^expected at least 2 selected images in each shard for the method cutmix"
    ):
        fresh(tiny, "cutmix", where="source = 'train/00012'")
    assert repr(fresh(tiny, PixMixOptions(k=2))) == "<LayerMixDataset of 97 images in batches of 8, epoch 0>"
    assert "pixmix" in fresh(tiny, PixMixOptions(k=2))._repr_html_()


@pytest.mark.parametrize("mix", ["layermix", "cutmix"])
def test_images_that_cannot_be_read(mix: str, tiny: Truth, tmp_path: Path) -> None:
    root = shutil.copytree(tiny.root, tmp_path / "shards")
    path = root / "clean" / "000001.tar"
    data = bytearray(path.read_bytes())
    for at in range(2000, len(data), 5000):
        data[at] ^= 255
    path.write_bytes(data)
    broken = Truth(root, tiny.pixels, tiny.metadata)
    given: dict[str, Any] = {"views": "fresh", "mix": mix, "fields": FACTS, "remainder": "exact"}
    with pytest.raises(
        LayerMixError, match=r"clean/000001\.tar, sample .*; restore that file, or read it with on_error"
    ):
        list(broken.open(**given))
    ds, clean = broken.open(**given, on_error="skip", max_skipped=97, batch_size=40), clean_pixels(tiny)
    for images, _, facts in ds:
        for i, recipe in enumerate(facts["recipe"]):
            if facts["picture"][i] < 0:
                again = render(recipe, clean[facts["source"][i]], None, clean.get(facts["other"][i]))
                assert np.array_equal(images[i].movedim(0, -1).numpy(), again)
    assert len(ds.skipped) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": ("fresh", "v00")}, "expected 'fresh' views, with 'clean' at most once, got ('fresh', 'v00'); "),
        ({"views": ("clean", "clean", "fresh")}, "expected 'fresh' views, with 'clean' at most once, "),
        ({"planes": ("v00",)}, "expected no planes= with fresh views, which are made of the clean plane, "),
        ({"views": "variant"}, "mix= and mixing_set= are for views='fresh', which was not asked for; "),
        ({"mix": "cutpix"}, "mix must be one of layermix, none, cutout, "),
        ({"mix": {"k": 2}}, "expected the name of a method or its options as mix, got {'k': 2}; "),
        ({"mix": "cutout", "mixing_set": "set.npy"}, "expected no mixing set with the method cutout; "),
        (
            {"where": "layer = 3"},
            "no image fits the selection; loosen where=, which is of the clean plane with 'fresh'",
        ),
        ({"mixing_set": 3}, "expected a mixing set or its path, got 3; "),
        ({"render": "gpu"}, "render must be one of cpu, device, got 'gpu'; "),
        ({"render": "device"}, "expected a device to render on with render='device', got none; "),
        ({"render": "device", "views": "clean", "mix": None}, "render='device' is for views='fresh', which was not "),
        ({"mixing_set": "nowhere.npy"}, "expected a mixing set at nowhere.npy, but nothing is there; "),
        ({"mix": LayerMixOptions(pictures="color")}, "expected pictures in color, but those of the mixing set are in "),
    ],
    ids=str,
)
def test_what_is_refused(options: dict[str, Any], message: str, tiny: Truth) -> None:
    with pytest.raises(LayerMixError, match=f"^{re.escape(message)}") as raised:
        fresh(tiny, **options)
    assert "\n" not in str(raised.value)


def test_a_key_that_is_not_stored(tiny: Truth) -> None:
    with pytest.raises(LayerMixError, match=r"^expected the key of a stored sample, got '000000003-fresh-0-0' of a "):
        _ = fresh(tiny)["000000003-fresh-0-0"]


def built(tiny: Truth, root: Path, pool: Path | None = None, **settings: Any) -> LayerMixDataset:
    """Fresh views of a dataset that was built without variants."""
    made = BuildSettings(variants=0, shard_size="50", **settings)
    build(tiny.root.parent / "digits", root, made, mixing_set=pool, workers=1, progress=False)
    return LayerMixDataset(root, 97, views="fresh", fields=("key", "recipe", "method"), order="sequential")


def test_a_build_says_what_they_are_mixed_by(tiny: Truth, pool: Path, tmp_path: Path) -> None:
    """Its method with its options; and the set that it was given lies in the dataset, wherever that is taken."""
    _, _, facts = next(iter(built(tiny, tmp_path / "a", method="augmix", options={"width": 1, "depth": 1})))
    assert {*facts["method"]} == {"augmix"}
    assert max(recipe.count("(") for recipe in facts["recipe"]) <= 2  # a mean of the image and of a chain of one call
    given = shutil.copy(pool, tmp_path / "given.npy")
    ds = built(tiny, tmp_path / "b", Path(given), options={"magnitude": 2}, keys="shared")
    assert ds.fresh is not None
    assert ds.fresh.mix.drawing.options.magnitude == 2
    Path(given).unlink()
    root = (tmp_path / "b").rename(tmp_path / "elsewhere")
    moved = LayerMixDataset(root, 97, views="fresh", fields=("key",), order="sequential")
    images, _, facts = next(iter(moved))
    assert torch.equal(images, next(iter(built(tiny, tmp_path / "c", pool, options={"magnitude": 2})))[0])
    assert facts["key"][3] == "000000003"  # which all planes share
    assert moved.fresh is not None
    assert moved.fresh.mix.mixing_set is not None
    assert moved.fresh.mix.mixing_set.path == root / "mixing-set.npy"
    both = BuildSettings(variants=2, shard_size="50", options={"magnitude": 2}, keys="shared")
    again = build(tiny.root.parent / "digits", root, both, workers=1, progress=False)  # with the set that lies there
    assert again.mixing_set == moved.storage.manifest.mixing_set
    assert torch.equal(images, next(iter(LayerMixDataset(root, 97, views="fresh", order="sequential")))[0])
    with pytest.raises(LayerMixError, match=r"^expected mix= for fresh views of a dataset of the method none; give "):
        built(tiny, tmp_path / "d", method="none")
    with pytest.raises(LayerMixError, match=r"; ask for 'clean' or 'fresh' views, which need no variants$"):
        LayerMixDataset(tmp_path / "a", 8)


def test_the_options_of_a_build_suit_the_size_that_is_read(whole: Truth, tmp_path: Path) -> None:
    settings = BuildSettings(variants=0, view="source", size=100, method="cutout")
    build(whole.root.parent / "source", tmp_path / "shards", settings, workers=1, progress=False)
    given: dict[str, Any] = {"views": "fresh", "view": "rrc", "size": 12}
    own, named = (LayerMixDataset(tmp_path / "shards", 8, **given, mix=mix) for mix in (None, "cutout"))
    assert all(torch.equal(one[0], other[0]) for one, other in zip(own, named, strict=True))


def test_an_image_that_stands_in_for_itself(tiny: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After another that could not be read either, an image is mixed by what was drawn for it, not for the other."""
    ds = fresh(tiny, "cutmix", on_error="skip", max_skipped=97, order="sequential", batch_size=97)
    [(expected, _, facts)] = ds
    tried: list[int] = []
    draw = iter([5, 3])  # for image 3: another, then itself
    monkeypatch.setattr(loader, "draw_image", lambda *_: next(draw))
    read = loader.Loader.read

    def unreadable(self: Any, places: Any, *rest: Any) -> Any:
        tried.append(places[0].image)
        if len(tried) in (4, 5):
            raise loader.SampleError("not now")
        return read(self, places, *rest)

    monkeypatch.setattr(loader.Loader, "read", unreadable)
    again = fresh(tiny, "cutmix", on_error="skip", max_skipped=97, order="sequential", batch_size=97, threads=1)
    [(images, _, others)] = again
    assert tried[3:6] == [tried[3], tried[4], tried[3]]
    assert tried[4] != tried[3]
    assert torch.equal(images[3], expected[3])
    assert others["recipe"][3] == facts["recipe"][3]


def test_a_dataset_without_a_clean_plane(independent: Truth) -> None:
    with pytest.raises(
        LayerMixError, match=r"^expected a clean plane to make fresh views of, found v00, v01; run the build again with"
    ):
        fresh(independent)


def test_on_another_device(tiny: Truth) -> None:
    memory = fresh(tiny, fields=()).in_memory("meta")
    images, labels = next(iter(memory))
    assert (images.device.type, labels.device.type, memory.samples.images.device.type) == ("meta", "meta", "cpu")
