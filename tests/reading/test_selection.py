"""Which planes a step sees, and which images: views, planes, conditions and classes."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layermix_gen.dataset.dataset_files import LocalFiles
from layermix_gen.dataset.manifest import read_manifest
from layermix_gen.errors import LayerMixError
from layermix_gen.inspection.shards import open_shards
from layermix_gen.reading.catalog import _places
from layermix_gen.reading.reader import LayerMixDataset
from layermix_gen.reading.selection import Views
from tests.reading.truth import Truth, flat, keys

JSD = ("clean", "variant", "variant")


def split(key: str) -> tuple[str, str]:
    ordinal, _, plane = key.partition("-")
    return ordinal, plane


def test_every_variant_is_seen_once_in_as_many_epochs(tiny: Truth) -> None:
    ds = tiny.open(remainder="exact")
    for _ in range(2):
        epochs = [flat(ds) for _ in range(4)]
        assert Counter(key for epoch in epochs for key in epoch) == Counter(
            key for plane in ("v00", "v01", "v02", "v03") for key in tiny.keys(plane)
        )
        assert all(len({split(key)[1] for key in epoch[:32]}) == 4 for epoch in epochs)  # planes are mixed


def test_shard_wise_order_shows_every_variant_too(tiny: Truth) -> None:
    ds = tiny.open(order="shards", remainder="exact")
    epochs = [flat(ds) for _ in range(4)]
    assert len({key for epoch in epochs for key in epoch}) == 4 * 97
    planes = {(tiny.metadata[key]["plane"], shard_of(ds, key)) for key in epochs[0]}
    assert len(planes) == 7  # one plane of each shard


def shard_of(ds: LayerMixDataset, key: str) -> int:
    counts = ds.storage.manifest.counts
    ordinal = int(split(key)[0])
    return next(i for i in range(len(counts)) if ordinal < sum(counts[: i + 1]))


def test_jsd_triples_are_of_one_source(tiny: Truth) -> None:
    ds = tiny.open(views=JSD)
    for _ in range(2):
        for images, labels, facts in ds:
            assert images.shape == (8, 3, 3, 12, 12)
            for triple, label, names in zip(images, labels, facts["key"], strict=True):
                assert len({split(key)[0] for key in names}) == 1
                assert split(names[0])[1] == "clean"
                assert names[1] != names[2]
                assert all(key[-3:-2] == "v" for key in names[1:])
                assert len({tuple(tiny.metadata[key]["view"]) for key in names}) == 1
                assert all(
                    (image.permute(1, 2, 0).numpy() == tiny.pixels[key]).all()
                    for image, key in zip(triple, names, strict=True)
                )
                assert label == tiny.metadata[names[0]]["label"]


def test_planes_to_draw_among(tiny: Truth) -> None:
    ds = tiny.open(planes=("v01", "v03"), remainder="exact")
    seen = flat(ds) + flat(ds)
    assert sorted(seen) == sorted(tiny.keys("v01") + tiny.keys("v03"))
    assert {split(key)[1] for key in flat(tiny.open(planes=("clean", "v00")))} == {"clean", "v00"}


def test_a_fixed_variant_is_not_drawn_again(tiny: Truth) -> None:
    for batch in keys(tiny.open(views=("v01", "variant", "variant", "variant"))):
        assert all(sorted(split(key)[1] for key in names) == ["v00", "v01", "v02", "v03"] for names in batch)


def test_views_with_crops_of_their_own(independent: Truth) -> None:
    for batch in keys(independent.open(views=("variant", "variant"))):
        assert all({split(key)[1] for key in names} == {"v00", "v01"} for names in batch)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": "v07"}, "expected views out of fresh, variant, random, clean, v00, v01, v02, v03, got 'v07'"),
        ({"planes": ("variant",)}, "expected views out of .*, got 'variant'"),
        ({"views": ()}, "expected views that differ, drawn in one way"),
        ({"views": ("clean", "clean")}, "expected views that differ, drawn in one way"),
        ({"views": ("random", "variant")}, "expected views that differ, drawn in one way"),
        (
            {"views": ("variant",) * 5},
            "5 views are to be drawn, 4 planes are there to draw from; build with --variants 5",
        ),
        ({"views": ("v00", "variant"), "planes": ("v00",)}, "1 views are to be drawn, 0 planes are there"),
    ],
)
def test_views_are_checked(tiny: Truth, options: dict, message: str) -> None:
    with pytest.raises(LayerMixError, match=f"^{message}"):
        tiny.open(**options)


def views_of(tiny: Truth, names: tuple[str, ...], **settings: Any) -> Views:
    """Check views against the dataset's manifest, as if it were built with other settings."""
    manifest = read_manifest(LocalFiles(tiny.root))
    return Views.of(names, None, replace(manifest, settings=replace(manifest.settings, **settings)))


@pytest.mark.parametrize("names", [JSD, ("clean", "variant"), ("v00", "clean"), ("random", "clean")])
def test_comparing_with_the_clean_view_needs_shared_views(names: tuple[str, ...], tiny: Truth) -> None:
    with pytest.raises(LayerMixError, match=r"built with --view-mode independent; build it with --view-mode shared$"):
        views_of(tiny, names, view="rrc", view_mode="independent")
    assert views_of(tiny, names, view="center", view_mode="independent").names == names  # crops are all the same
    assert views_of(tiny, names, view="rrc", view_mode="shared").names == names


@pytest.mark.parametrize("names", [("clean",), ("variant",), ("v00", "variant")])
def test_other_views_may_have_crops_of_their_own(names: tuple[str, ...], tiny: Truth) -> None:
    assert views_of(tiny, names, view="rrc", view_mode="independent").names == names


def meets(tiny: Truth, key: str) -> bool:
    return tiny.metadata[key]["layer"] == 3 and tiny.metadata[key]["op"] != "posterize"


def test_a_condition_selects_before_reading(tiny: Truth) -> None:
    ds = tiny.open(1, where="layer = 3 and op <> 'posterize'")
    epochs = [flat(ds) for _ in range(12)]  # 12 is a multiple of any number of variants that an image can have
    fitting = {key for key in tiny.metadata if meets(tiny, key)}
    counts = Counter(key for epoch in epochs for key in epoch)
    assert set(counts) == fitting
    by_image = Counter(split(key)[0] for key in fitting)
    assert len(ds) == len(by_image) < 97
    assert all(count == 12 / by_image[split(key)[0]] for key, count in counts.items())


def test_a_condition_is_asked_of_the_variants(tiny: Truth) -> None:
    ds = tiny.open(1, views=JSD, where="layer >= 2")
    fitting = Counter(split(key)[0] for key, facts in tiny.metadata.items() if facts["layer"] >= 2)
    assert len(ds) == sum(count >= 2 for count in fitting.values())
    assert all(tiny.metadata[key]["layer"] >= 2 for batch in keys(ds) for key in batch[0][1:])
    assert flat(tiny.open(1, views="clean", where="key = '000000007-clean'")) == ["000000007-clean"]
    both = tiny.open(1, views=("v00", "v01"), where="layer = 1")
    assert all(tiny.metadata[key]["layer"] == 1 for batch in keys(both) for key in batch[0])


@pytest.mark.parametrize("classes", [("1", "4"), (1, 4), ("4", 1), np.array([4, 1])])
def test_classes(tiny: Truth, classes: tuple) -> None:
    labels = [int(label) for _, batch, _ in tiny.open(classes=classes, remainder="exact") for label in batch]
    assert Counter(labels) == {1: 20, 4: 19}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"where": "layr = 3"},
            r"where='layr = 3' is no condition on the index: Binder Error: .*\"layr\".*columns are plane,",
        ),
        ({"where": "layer ="}, "where='layer =' is no condition on the index: .* syntax error"),
        ({"where": "layer"}, "where='layer' is no condition: expected true or false of it; the columns are plane, "),
        ({"where": "layer = 3; drop table x"}, "where=.* is no condition on the index: "),
        ({"where": "true) group by (true"}, "where=.* is no condition on the index: "),
        ({"where": 'op = "rotate"'}, r"where=.*column .* \(texts stand in single quotes\); the columns are plane, "),
        ({"where": " "}, "expected an expression in SQL as where, found an empty text; the columns are plane, "),
        (
            {"where": "(select count(*) from read_text('/etc/hostname')) > 0"},
            "where=.*: expected a query of the table samples alone",
        ),
        ({"where": "random() < 0.5"}, r"where=.*: expected .*, got the function random\(\)"),
        ({"where": "now() > '2020-01-01'"}, r"where=.*: expected .*, got the function now\(\)"),
        ({"where": "unnest([true, false])"}, r"where=.* is no condition on the index: "),
        ({"where": 1}, "where must be a text in SQL, got 1; the columns are"),
        ({"where": "op_args[9] > 0"}, "no image fits the selection"),  # NULL everywhere
        ({"classes": "12"}, r"classes must be several values, got '12'; write classes=\('12',\)"),
        ({"classes": 3}, r"classes must be several values, got 3; write classes=\(3,\)"),
        ({"classes": (1.0,)}, "expected classes out of 0, 1, 2, 3, 4 or their labels, got 1.0"),
        ({"classes": (-1,)}, "expected classes out of 0, 1, 2, 3, 4 or their labels, got -1"),
        (
            {"planes": ("v00",), "views": "clean"},
            "expected no planes= with the views clean, none of which is drawn; leave it out",
        ),
        ({"planes": "v01"}, "planes must be several values, got 'v01'"),
        ({"views": 1}, "views must be several values, got 1"),
        ({"views": {"v00"}}, r"views must be in an order, which a set has not, got \{'v00'\}; give a list"),
        ({"where": "op = 'nothing'"}, "no image fits the selection; loosen where=, classes= or planes="),
        ({"classes": ("seven",)}, "expected classes out of 0, 1, 2, 3, 4 or their labels, got 'seven'"),
        ({"classes": (5,)}, "expected classes out of 0, 1, 2, 3, 4 or their labels, got 5"),
    ],
)
def test_selections_are_checked(tiny: Truth, options: dict, message: str) -> None:
    with pytest.raises(LayerMixError, match=f"^{message}") as caught:
        tiny.open(**options)
    assert "\n" not in str(caught.value)


def test_nothing_of_an_image_is_read_to_select(tiny: Truth, tmp_path) -> None:
    (tmp_path / "index").symlink_to(tiny.root / "index")
    (tmp_path / "dataset.json").symlink_to(tiny.root / "dataset.json")
    assert len(LayerMixDataset(tmp_path, 1, where="layer = 3", classes=(0,))) > 0


@pytest.mark.parametrize(
    ("rows", "planes", "places"),
    [
        ([0, 1, 2], [0, 0, 0], [0, 1, 2]),
        ([4, 3, 5], [0, 0, 0], [1, 0, 2]),
        ([6, 7, 8], [0, 0, 0], [0, 1, 2]),  # planes were added before it
        ([4, 0, 3, 1, 5, 2], [1, 0, 1, 0, 1, 0], [4, 0, 3, 1, 5, 2]),
        ([0, 2, 4, 1, 3, 5], [0, 0, 0, 1, 1, 1], [0, 2, 1, 4, 3, 5]),
        ([3, 3, 5], [0, 0, 0], None),
        ([0, 3, 5], [0, 0, 0], None),  # of two planes
        ([3, 4], [0, 0], None),
    ],
)
def test_rows_of_an_index_have_one_place_each(rows: list[int], planes: list[int], places: list[int] | None) -> None:
    """In an index with 3 images in each plane, one plane after the other."""
    shards = np.zeros(len(rows), np.int64)
    found = _places(shards, np.array(planes, np.uint8), np.array(rows, np.int32), np.array([3]), max(planes) + 1)
    assert (found if found is None else found.tolist()) == places


@pytest.mark.parametrize(
    "where", ["size > (SELECT avg(size) FROM samples)", "source IN (SELECT source FROM samples s WHERE s.layer = 3)"]
)
def test_a_condition_may_ask_for_other_samples(tiny: Truth, where: str) -> None:
    found = {row["key"] for row in open_shards(tiny.root).query(f"({where}) AND plane = 'v01'")}
    assert 0 < len(found) < 97
    assert set(flat(tiny.open(1, views="v01", where=where))) == found
