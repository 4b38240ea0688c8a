"""Views that a reader draws of whole images: the same whoever reads them, and those that a build would cut."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from layermix_gen import BuildSettings, build, open_mixing_set, render
from layermix_gen.dataset.samples import SampleMaker
from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import VIEWS, PictureView, View
from layermix_gen.reading import fresh_in_memory, reader
from layermix_gen.reading.fresh import held_views
from layermix_gen.reading.reader import LayerMixDataset
from tests.reading.datasets import WHOLE
from tests.reading.truth import Truth

SIZE = 24  # px of a view
JSD = ("clean", "fresh", "fresh")
FACTS = ("source", "key", "recipe", "picture", "picture_view", "other", "view")
Shown = dict[str, tuple[bytes, int, Any, list[float]]]


def drawn(truth: Truth, pool: Path, **options: Any) -> LayerMixDataset:
    """A reader of random crops, which yields all images."""
    more: dict[str, Any] = {"views": "clean", "view": "rrc", "size": SIZE, "fields": FACTS, "remainder": "exact"}
    more |= options
    return truth.reader(**more | ({"mixing_set": pool} if options.get("mix") == "layermix" else {}))


def shown(batches: Iterable[Any], of: Shown | None = None) -> Shown:
    """What batches show, image by image: pixels, label, recipes and the first view, by the source."""
    found = {} if of is None else of
    for images, labels, facts in batches:
        for i, source in enumerate(facts["source"]):
            name = source if isinstance(source, str) else source[0]
            assert name not in found
            view = facts["view"][i].reshape(-1, 5)
            assert (view == view[0]).all()  # all views of an image are of one crop
            found[name] = (
                images[i].contiguous().numpy().tobytes(),
                int(labels[i]),
                facts["recipe"][i],
                view[0].tolist(),
            )
    return found


def test_they_depend_on_seed_image_and_epoch_alone(whole: Truth, pool: Path) -> None:
    asked: dict[str, Any] = {"mix": "layermix", "views": JSD}
    expected = shown(drawn(whole, pool, **asked, threads=1, prefetch=0))
    assert len(expected) == WHOLE
    for options in ({"threads": 3, "batch_size": 20}, {"order": "shards", "batch_size": 5}):
        assert shown(drawn(whole, pool, **asked, **options)) == expected
    ranks: Shown = {}
    for rank in range(3):
        shown(drawn(whole, pool, **asked, rank=rank, world_size=3), ranks)
    assert ranks == expected
    ds = drawn(whole, pool, **asked)
    assert shown(DataLoader(ds, batch_size=None, num_workers=2, multiprocessing_context="fork")) == expected
    memory = ds.in_memory()
    assert shown(memory) == expected
    views = {name: one[3] for name, one in expected.items()}
    assert {name: one[3] for name, one in shown(drawn(whole, pool)).items()} == views  # also where nothing is mixed
    for other in (shown(memory), shown(drawn(whole, pool, **asked, seed=1))):  # in the next epoch, by another seed
        assert sum(other[name][3] == view for name, view in views.items()) < 3


@pytest.mark.parametrize("view", VIEWS)
def test_they_are_those_of_a_build(view: str, whole: Truth, pool: Path) -> None:
    """Each is what a build with that `--view` would cut out of the stored image, from the same box."""
    stored = {whole.metadata[key]["source"]: whole.pixels[key] for key in whole.keys("clean")}
    maker = SampleMaker(BuildSettings(view=view, size=SIZE).resolve(None), None)
    pictures, flips, shapes = open_mixing_set(pool), set(), {pixels.shape for pixels in stored.values()}
    mix = "cutmix" if view == "rrc" else "layermix"
    ds = drawn(whole, pool, view=view, mix=mix, views=JSD, fields=(*FACTS, "label_weight"))
    batches = list(ds)
    crops = {facts["source"][i][0]: images[i, 0] for images, _, facts in batches for i in range(len(images))}
    for images, _, facts in batches:
        for i, v in np.ndindex(*images.shape[:2]):
            source, box = facts["source"][i][v], View(*facts["view"][i, v].tolist())
            cut = maker.cut(stored[source], box)
            assert np.array_equal(crops[source].movedim(0, -1), cut)
            other, at = (
                facts["other"][i][v],
                PictureView(int(facts["picture"][i, v]), *facts["picture_view"][i, v].tolist()),
            )
            picture = pictures.view(at, SIZE) if at.index >= 0 else None
            second = crops[other].movedim(0, -1).contiguous().numpy() if other else None
            assert np.array_equal(images[i, v].movedim(0, -1), render(facts["recipe"][i][v], cut, picture, second))
            flips.add(box.flip)
    assert (len(shapes) > 20, max(min(shape[:2]) for shape in shapes)) == (True, 36)
    assert flips == ({0.0} if view == "center" else {0.0, 1.0})


def test_they_are_resumed_at_every_batch(whole: Truth, pool: Path) -> None:
    ds, again = drawn(whole, pool), drawn(whole, pool, threads=1)
    ds.set_epoch(3)
    parts = [(shown([batch]), ds.state_dict()) for batch in ds]
    for number, (_, state) in enumerate(parts[:-1], 1):
        again.load_state_dict(state)
        assert shown(again) == {name: one for part, _ in parts[number:] for name, one in part.items()}
    for options in ({"view": "pad-crop"}, {"size": SIZE + 1}):
        with pytest.raises(LayerMixError, match=r"^this is the state of another reader: view \['rrc', 24\] -> "):
            drawn(whole, pool, **options).load_state_dict(parts[0][1])
    assert "view     rrc of 24 px" in ds._repr_html_()


def test_the_centre_is_always_the_same(whole: Truth, pool: Path) -> None:
    ds = drawn(whole, pool, view="center", order="sequential", fields=FACTS)
    memory = ds.in_memory()
    first = shown(ds)
    assert first == shown(ds) == shown(memory) == shown(memory)
    assert memory.samples.images.shape == (WHOLE, SIZE, SIZE, 3)


def test_single_samples(whole: Truth, pool: Path) -> None:
    ds = drawn(whole, pool, mix="layermix", views=JSD, order="sequential")
    ds.set_epoch(2)
    images, _, facts = next(iter(ds))
    sample = ds[5]
    assert np.array_equal(sample.image, images[5].movedim(1, -1))
    assert [one["view"] for one in sample.metadata] == facts["view"][5].tolist()
    clean = drawn(whole, pool)
    assert clean[3].image.shape == (SIZE, SIZE, 3)
    key = whole.keys("clean")[3]
    assert np.array_equal(clean[key].image, whole.pixels[key])  # by its key, an image as it is stored
    assert clean[key].metadata["view"] == whole.metadata[key]["view"]


def test_memory_is_bounded(whole: Truth, pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_views, "usable_memory", lambda: 10_000)
    with pytest.raises(
        LayerMixError, match=r"^expected memory for 30 whole images, but 1e-05 GB were full after \d+; "
    ):
        drawn(whole, pool).in_memory()
    monkeypatch.undo()
    monkeypatch.setattr(reader, "IN_MEMORY_BATCH", 7)
    device = drawn(whole, pool, fields=()).in_memory("meta")
    assert isinstance(device, fresh_in_memory.FreshInMemoryDataset)
    images, _ = next(iter(device))
    assert (images.device.type, images.shape[1:]) == ("meta", torch.Size((3, SIZE, SIZE)))


def test_an_image_that_is_too_elongated(tmp_path: Path) -> None:
    """It is found as images are loaded, with its place; streamed, another stands in."""
    for number, shape in enumerate([(30, 30, 3), (30, 30, 3), (2, 9000, 3)]):
        (tmp_path / "source" / "a").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(shape, 99, np.uint8)).save(tmp_path / "source" / "a" / f"{number}.png")
    settings = BuildSettings(variants=0, view="source", size=36)
    build(tmp_path / "source", tmp_path / "shards", settings, workers=1, progress=False)
    given: dict[str, Any] = {"views": "clean", "view": "pad-crop", "size": 224, "remainder": "exact"}
    expected = (
        r"sample 000000\d{3}-clean: too elongated: .*; give a smaller size= or view='rrc', or leave it out by where=$"
    )
    for read in (list, lambda ds: ds.in_memory(), lambda ds: [ds[number] for number in range(3)]):
        with pytest.raises(LayerMixError, match=expected):
            read(LayerMixDataset(tmp_path / "shards", 3, **given))
    ds = LayerMixDataset(tmp_path / "shards", 3, on_error="skip", **given)
    assert [len(images) for images, _ in ds] == [3]
    assert len(ds.skipped) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": None}, "expected view= out of rrc, pad-crop, center for a dataset of whole images, got none; give "),
        ({"view": "source"}, "view must be one of rrc, pad-crop, center, got 'source'; change view="),
        ({"size": 7}, "size must be a whole number in [8, 4096], got 7; change size="),
        ({"views": "variant"}, "1 views are to be drawn, 0 planes are there to draw from; ask for 'clean' or 'fresh'"),
    ],
    ids=str,
)
def test_what_is_refused(options: dict[str, Any], message: str, whole: Truth, pool: Path) -> None:
    with pytest.raises(LayerMixError, match=f"^{re.escape(message)}") as raised:
        drawn(whole, pool, **options)
    assert "\n" not in str(raised.value)


def test_views_that_are_stored_are_not_drawn_again(tiny: Truth) -> None:
    for options in ({"view": "rrc"}, {"size": 12}):
        with pytest.raises(
            LayerMixError, match=r"^expected no view= and size= for a dataset of 12 px, pad-crop views, "
        ):
            tiny.reader(views="clean", **options)
    assert tiny.reader().size == 12
