"""Soft labels: ready targets, whatever is read and however, and plain labels refused where they would be wrong."""

import copy
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import webdataset
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from layermix_gen import BuildSettings, build
from layermix_gen.errors import LayerMixError
from layermix_gen.reading.reader import LayerMixDataset
from tests.reading.datasets import CLASSES, COUNT, read_truth, rewrite_indexes
from tests.reading.truth import Truth, flat

PAGE = (Path(__file__).parents[2] / "docs" / "reading.md").read_text(encoding="utf-8")
JSD = ("clean", "variant", "variant")
PAIR = ("label2", "label_weight")


@pytest.fixture(scope="module")
def mixed(tiny: Truth, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """The 97 images in 5 classes without names, a clean plane and 3 variants with two labels, in 2 shards."""
    root, lines = tmp_path_factory.mktemp("mixed"), ["path,label"]
    for key in tiny.keys("clean"):
        Image.fromarray(tiny.pixels[key]).save(root / f"{key}.png")
        lines.append(f"{key}.png,{tiny.metadata[key]['label']}")
    (root / "table.csv").write_text("\n".join(lines))
    settings = BuildSettings(variants=3, view_mode="shared", shard_size="50", method="mixup")
    manifest = build(root / "table.csv", root / "shards", settings, workers=1, progress=False)
    assert manifest.source.classes == ()
    return read_truth(root / "shards")


@pytest.fixture(scope="module")
def named(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """24 photographs in 4 classes that have names, with one variant."""
    root = tmp_path_factory.mktemp("named")
    build(photographs, root, BuildSettings(variants=1, size=16, method="mixup"), workers=1, progress=False)
    return read_truth(root)


@pytest.fixture
def rewritten(mixed: Truth, tmp_path: Path) -> Callable[[str], Path]:
    """Rewrites the indexes of a copy of the dataset by a statement."""
    return lambda sql: rewrite_indexes(shutil.copytree(mixed.root, tmp_path / "shards"), sql)


def truth_of(truth: Truth, key: str, classes: int = CLASSES) -> list[float]:
    """The target of a sample by the JSON in its tar."""
    facts = truth.metadata[key]
    target = [0.0] * classes
    target[facts["label"]] += facts["label_weight"]
    if facts["label2"] >= 0:
        target[facts["label2"]] += 1 - facts["label_weight"]
    return target


def check(truth: Truth, batches: Any, classes: int = CLASSES) -> int:
    """Check the targets of batches with keys, and return how many images they have."""
    count = 0
    for _, targets, facts in batches:
        assert (targets.dtype, targets.shape) == (torch.float32, (len(facts["key"]), classes))
        assert np.allclose(targets, [truth_of(truth, key, classes) for key in facts["key"]], rtol=0, atol=1e-6)
        assert torch.allclose(targets.sum(1), torch.ones(len(targets)))
        count += len(targets)
    return count


def soft(truth: Truth, **options: Any) -> LayerMixDataset:
    """A reader of targets that yields the keys, too."""
    return truth.open(soft_labels=True, **{"remainder": "exact"} | options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"views": "random", "planes": ("v00", "v02")},
        {"views": "clean"},
        {"views": "v01", "order": "sequential"},
        {"order": "shards", "window": 1},
        {"where": "label_weight < 0.5"},
        {"classes": (1, 4)},
        {"device": "cpu", "batch_size": 1},
    ],
    ids=str,
)
def test_targets_are_those_of_the_samples_shown(mixed: Truth, options: dict) -> None:
    ds, memory = soft(mixed, **options), soft(mixed, **options).in_memory()
    for _ in range(2):
        assert check(mixed, ds) == check(mixed, memory) == len(ds.selection) > 0
    pairs = list(zip(ds, memory, strict=True))
    assert all(torch.equal(one[1], other[1]) and torch.equal(one[0], other[0]) for one, other in pairs)


def test_the_dataset_has_two_labels(mixed: Truth) -> None:
    """The truth that targets are compared with: most variants have another label, some the same, clean ones none."""
    clean, variants = (
        [one for one in mixed.metadata.values() if (one["plane"] == "clean") == is_clean] for is_clean in (True, False)
    )
    assert {facts["label2"] for facts in variants} == set(range(CLASSES))
    assert any(facts["label"] == facts["label2"] for facts in variants)
    assert len({facts["label_weight"] for facts in variants}) > 200
    assert {(facts["label2"], facts["label_weight"]) for facts in clean} == {(-1, 1.0)}


def test_other_datasets_have_one_class_in_each_row(tiny: Truth) -> None:
    for soft_, (images, labels, facts) in zip(soft(tiny, fields=("key",)), tiny.open(remainder="exact"), strict=True):
        assert torch.equal(soft_[0], images)
        assert soft_[2] == facts
        assert torch.equal(soft_[1], torch.nn.functional.one_hot(labels, CLASSES).float())


def test_without_fields_two_tensors_come(mixed: Truth) -> None:
    images, targets = next(iter(LayerMixDataset(mixed.root, 16, soft_labels=True)))
    assert (images.shape, targets.shape) == ((16, 3, 12, 12), (16, CLASSES))


def test_one_view_in_a_tuple_is_one_view(mixed: Truth) -> None:
    for (images, targets, _), plain in zip(soft(mixed, views=("variant",)), soft(mixed), strict=True):
        assert images.shape[1:] == (1, 3, 12, 12)
        assert torch.equal(targets, plain[1])


def test_columns_are_the_classes_by_name(named: Truth) -> None:
    assert check(named, soft(named), 4) == 24
    assert check(named, soft(named, classes=("astronaut",)), 4) == 6


def test_columns_are_the_classes_of_the_whole_dataset(mixed: Truth, rewritten: Callable[[str], Path]) -> None:
    """Not those of the selection or of its planes: a model has as many outputs for each."""
    for options in ({"classes": (0,)}, {"views": "clean", "where": "label = 0"}, {"planes": ("v00",)}):
        assert check(mixed, soft(mixed, **options)) > 0
    root = rewritten(replace("CASE WHEN plane = 'v02' AND label2 = 4 THEN 6 ELSE label2 END AS label2"))
    for views in ("clean", "v00", "v02", "variant"):
        assert next(iter(LayerMixDataset(root, 8, views=views, soft_labels=True)))[1].shape == (8, 7)


def test_classes_without_names_are_chosen_by_label(mixed: Truth) -> None:
    batches = LayerMixDataset(mixed.root, 8, views="clean", classes=(1, 4))
    assert {label for _, labels in batches for label in labels.tolist()} == {1, 4}
    for one in (-1, "1", 1.0, 10**9):
        line = line_of(mixed.root, views="clean", classes=(one,))
        assert line == f"expected labels of classes, which have no names here, got {one!r}; mend classes="
    assert "no image fits" in line_of(mixed.root, views="clean", classes=(5,))


def test_a_stand_in_brings_its_own_target(mixed: Truth, tmp_path: Path) -> None:
    root = shutil.copytree(mixed.root, tmp_path / "shards")
    path = root / "v01" / "000001.tar"
    data = bytearray(path.read_bytes())
    for at in range(2000, len(data), 5000):
        data[at] ^= 255
    path.write_bytes(data)
    broken = Truth(root, mixed.pixels, mixed.metadata)
    ds = soft(broken, views="v01", on_error="skip", max_skipped=COUNT)
    assert check(broken, ds) == COUNT
    assert ds.skipped
    keys = flat(soft(broken, views="v01", on_error="skip", max_skipped=COUNT))
    assert len(set(keys)) < COUNT


def test_ranks_and_workers_and_resuming(mixed: Truth) -> None:
    parts = [soft(mixed, rank=rank, world_size=3) for rank in range(3)]
    assert sum(check(mixed, part) for part in parts) == COUNT
    loader = DataLoader(soft(mixed), batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert check(mixed, loader) == COUNT
    ds = soft(mixed)
    expected = [targets for _, targets, _ in ds]
    ds.set_epoch(0)
    batches = iter(ds)
    for _ in range(4):
        next(batches)
    copied = pickle.loads(pickle.dumps(soft(mixed)))  # noqa: S301
    for again in (soft(mixed), copied, copy.copy(soft(mixed)), soft(mixed).in_memory()):
        again.load_state_dict(ds.state_dict())
        rest = [targets for _, targets, _ in again]
        assert all(torch.equal(one, other) for one, other in zip(rest, expected[4:], strict=True))
    plain = mixed.open(remainder="exact", fields=PAIR)  # another reader of the same images resumes it, too
    plain.load_state_dict(ds.state_dict())
    assert len(list(plain)) == len(rest)


def test_the_reader_of_the_card_is_not_refused(mixed: Truth, tiny: Truth) -> None:
    """The card that a build writes shows how to read the dataset."""
    for truth, labels in ((mixed, (4, CLASSES)), (tiny, (4,))):
        (loop,) = re.findall(r"for batch in (.*):", (truth.root / "README.md").read_text(encoding="utf-8"))
        names = {
            "LayerMixDataset": lambda _, *rest, root=truth.root, **more: LayerMixDataset(root, 4, *rest[1:], **more)
        }
        assert next(iter(eval(loop, names)))[1].shape == labels  # noqa: S307


def test_a_loss_takes_them(mixed: Truth) -> None:
    """As plain cross entropy of each of the labels, weighted."""
    logits = torch.randn(8, CLASSES, generator=torch.Generator().manual_seed(0))
    _, targets, facts = next(iter(soft(mixed, fields=("label", *PAIR))))
    second = facts["label2"].clamp(min=0)

    def loss(labels: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none")

    weighted = facts["label_weight"] * loss(facts["label"]) + (1 - facts["label_weight"]) * loss(second)
    assert torch.nn.functional.cross_entropy(logits, targets).item() == pytest.approx(weighted.mean().item())


def test_stock_webdataset_makes_the_same_targets(mixed: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mixed.root.parent)
    (snippet,) = [one for one in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "def target" in one]
    names: dict[str, Any] = {"webdataset": webdataset, "shards": sorted(map(str, Path("shards").glob("v*/*.tar")))}
    exec(snippet, names)  # noqa: S102
    made = [names["target"](mixed.metadata[key]) for key in mixed.keys("v01")]
    assert np.allclose(made, [truth_of(mixed, key) for key in mixed.keys("v01")], rtol=0, atol=1e-6)
    _, facts = next(iter(names["stream"].to_tuple("png", "json")))
    assert facts in [{name: one[name] for name in facts} for one in mixed.metadata.values()]


# --- what is refused ---------------------------------------------------------------------------------------------


def line_of(root: Path, **options: Any) -> str:
    """The one line by which a reader is refused."""
    with pytest.raises(LayerMixError) as caught:
        LayerMixDataset(root, 8, **options)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500
    return str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"views": "v00"},
        {"views": "random", "fields": ("label2", "key")},
        {"views": JSD},
        {"views": ("clean", "v01")},
        {"fields": ("label2",)},
    ],
    ids=str,
)
def test_plain_labels_of_mixed_variants_are_refused(mixed: Truth, options: dict) -> None:
    line = line_of(mixed.root, **options)
    assert line.startswith("expected both labels of variants of mixup to be used, ")
    if options.get("views") in (JSD, ("clean", "v01")):
        assert "soft_labels" not in line  # which is refused for several views
    else:
        assert line.endswith("ask for soft_labels=True, or for fields=('label2', 'label_weight')")


def test_plain_labels_are_right_where_weights_or_unmixed_images_are_read(mixed: Truth) -> None:
    for options in ({"views": "clean"}, {"fields": PAIR}, {"views": JSD, "fields": PAIR}, {"fields": PAIR[1:]}):
        batch = next(iter(LayerMixDataset(mixed.root, 8, **options)))
        assert (batch[1].dtype, batch[1].shape) == (torch.int64, (8,))


@pytest.mark.parametrize("views", [JSD, ("v00", "v01"), ("variant", "variant")], ids=str)
def test_several_views_have_no_targets(mixed: Truth, tiny: Truth, views: tuple) -> None:
    for truth in (mixed, tiny):
        line = line_of(truth.root, views=views, soft_labels=True)
        assert line == (
            f"expected one view of each image with soft_labels=True, got {len(views)}, whose labels may differ; "
            "read one view, or ask for fields=('label2', 'label_weight'), which come for each view"
        )


@pytest.mark.parametrize("value", [1, 0.1, 10, "yes", None, [], np.True_], ids=str)
def test_it_is_a_switch(mixed: Truth, value: Any) -> None:
    line = line_of(mixed.root, soft_labels=value)
    assert line == f"soft_labels must be True or False, got {value!r}; change soft_labels="


def replace(sql: str) -> str:
    return f"SELECT * REPLACE ({sql}) FROM t"  # noqa: S608


def test_images_without_a_label_are_refused(rewritten: Callable[[str], Path]) -> None:
    root = rewritten(replace("CASE WHEN key LIKE '%3-%' THEN -1 ELSE label END AS label"))
    line = line_of(root, soft_labels=True)
    assert line == (
        "expected a label for each image with soft_labels=True, found 30 samples without one or mixed with an image "
        "without one; leave them out: where='label >= 0 and (label2 >= 0 or label_weight = 1)'"
    )
    labelled = LayerMixDataset(root, 8, soft_labels=True, where="label >= 0 and (label2 >= 0 or label_weight = 1)")
    assert len(labelled.selection) == COUNT - 10
    assert LayerMixDataset(root, 8, soft_labels=True, classes=(0, 1)).selection.labels.min() == 0
    assert next(iter(LayerMixDataset(root, 8, fields=PAIR)))[1].min() >= -1


def test_second_images_without_a_label_are_refused(rewritten: Callable[[str], Path]) -> None:
    root = rewritten(replace("CASE WHEN label2 = 3 THEN -1 ELSE label2 END AS label2"))
    assert "mixed with an image without one" in line_of(root, soft_labels=True)
    choices: list[dict[str, Any]] = [{"views": "clean"}, {"where": "label2 >= 0"}]
    for options in choices:
        targets = torch.cat([targets for _, targets in LayerMixDataset(root, 8, soft_labels=True, **options)])
        assert torch.allclose(targets.sum(1), torch.ones(len(targets)))


HOSTILE = {
    "a weight of NaN": "CASE WHEN label = 3 THEN 'nan'::DOUBLE ELSE label_weight END AS label_weight",
    "weights just above 1": "1.0000000000000002::DOUBLE AS label_weight",
    "negative weights": "-0.1::DOUBLE AS label_weight",
    "no weights": "NULL::DOUBLE AS label_weight",
    "negative second labels": "-2::BIGINT AS label2",
    "second labels of 64 bits": "4294967296::BIGINT AS label2",
    "one very large second label": "CASE WHEN key = '000000003-v01' THEN 2147483647 ELSE label2 END AS label2",
    "large labels": "1000000::BIGINT AS label",
    "weights as texts": "'x'::VARCHAR AS label_weight",
    "second labels as numbers with a point": "0.5::DOUBLE AS label2",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_index_gives_one_line(name: str, rewritten: Callable[[str], Path]) -> None:
    root = rewritten(replace(HOSTILE[name]))
    assert "index" in line_of(root, soft_labels=True)


@pytest.mark.parametrize(("label", "column"), [(4, "label"), (4, "label2"), (2**31 - 1, "label2")])
def test_labels_of_no_class_are_refused(named: Truth, tmp_path: Path, label: int, column: str) -> None:
    """Where the classes have names: in every plane that is read, whatever is selected."""
    sql = replace(f"CASE WHEN label = 3 THEN {label} ELSE {column} END AS {column}")
    root = rewrite_indexes(shutil.copytree(named.root, tmp_path / "shards"), sql)
    line = line_of(root, soft_labels=True, classes=(0,))
    assert line == f"expected labels below 4, the number of classes, in {root / 'index'}, found {label}; restore it"


def test_a_reader_of_plain_labels_reads_no_more_columns(tiny: Truth, tmp_path: Path) -> None:
    sql = replace("9::BIGINT AS label2, 'nan'::DOUBLE AS label_weight")
    ds = LayerMixDataset(rewrite_indexes(shutil.copytree(tiny.root, tmp_path / "shards"), sql), 8)
    assert ds.catalog.soft is None
    assert len(list(ds)) == COUNT // 8
