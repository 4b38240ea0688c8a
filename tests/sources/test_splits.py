"""Folders of splits, which are no classes: each layout that people have is refused with the split to give."""

from pathlib import Path

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source
from layermix_gen.sources.folder import scan
from layermix_gen.sources.splits import MOST
from tests.sources.test_folder import save

ILSVRC = "Data/CLS-LOC"


def make(root: Path, *names: str) -> Path:
    for name in names:
        save(root / name)
    return root


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["train/ant/x.png", "val/ant/x.png"], "splits train and val in ROOT; give one, such as ROOT/train, or"),
        (
            ["test/x.png", "train/x.png", "val/x.png"],
            "splits train, test and val in ROOT; give one, such as ROOT/train",
        ),
        (
            ["TRAIN/ant/x.png", "Validation/ant/x.png"],
            "splits TRAIN and Validation in ROOT; give one, such as ROOT/TRAI",
        ),
        (["training/ant/x.png", "testing/ant/x.png", "dev/ant/x.png"], "splits training, dev and testing in ROOT; "),
        (["valid/ant/x.png"], "split valid in ROOT; give one, such as ROOT/valid"),
        (["eval/ant/x.png", "logs/x.png"], "split eval in ROOT; give one, such as ROOT/eval"),
        ([f"{ILSVRC}/train/n1/x.png", f"{ILSVRC}/val/x.png", "Annotations/x.png"], f"train and val in ROOT/{ILSVRC}; "),
        ([f"ILSVRC/{ILSVRC}/train/n1/x.png", f"ILSVRC/{ILSVRC}/val/x.png"], f"val in ROOT/ILSVRC/{ILSVRC}; give one"),
        (["CLS-LOC/train/n1/x.png", "CLS-LOC/val/x.png", "DET/x.png"], "splits train and val in ROOT/CLS-LOC; give"),
        (["imagenette2/train/n1/x.png", "imagenette2/val/n1/x.png"], "splits train and val in ROOT/imagenette2; give"),
        (
            ["imagenette2/train/n1/x.png", "imagenette2/val/n1/x.png", "imagenette2-320/train/n1/x.png"],
            "splits train and val in ROOT/imagenette2; give one, such as ROOT/imagenette2/train",
        ),
        (["train/x.png", "test1/x.png"], "splits train and test1 in ROOT; give one, such as ROOT/train"),
        (["training_set/cats/x.png", "test_set/cats/x.png"], "splits training_set and test_set in ROOT; give one"),
        (
            ["seg_train/seg_train/b/x.png", "seg_test/seg_test/b/x.png"],
            "splits seg_train and seg_test in ROOT; give one, such as ROOT/seg_train, or",
        ),
        (
            ["seg_pred/seg_pred/x.png", "seg_train/seg_train/b/x.png", "seg_test/seg_test/b/x.png"],
            "splits seg_train and seg_test in ROOT; give one",
        ),
        (["seg_train/b/x.png", "seg_train/c/x.png"], "split seg_train in ROOT; give one, such as ROOT/seg_train"),
        (["train_set/x.png", "train_256/x.png", "images_train/x.png"], "splits images_train, train_256 and train_set"),
        (["train2017/x.png", "val2017/x.png"], "splits train2017 and val2017 in ROOT; give one"),
        (["trainA/x.png", "trainB/x.png", "testA/x.png"], "splits trainA, trainB and testA in ROOT; give one"),
        (["Fold1-Train/a/x.png", "Fold1 Valid/a/x.png"], "splits Fold1-Train and Fold1 Valid in ROOT; give one"),
        (
            ["images/train/x.png", "images/val/x.png", "labels/train/x.txt"],
            "splits train and val in ROOT/images; give one, such as ROOT/images/train",
        ),
        (
            ["annotations/train/n1/x.xml", "annotations/val/x.xml", "data/train/n1/x.png", "data/val/n1/x.png"],
            "splits train and val in ROOT/data; give one",  # and not those of the annotations
        ),
        (["a/b/c/train/n1/x.png", "a/b/c/val/n1/x.png", "a/z/x.txt"], "splits train and val in ROOT/a/b/c; give one"),
        ([f"sets/imagenet/{ILSVRC}/{part}/x.png" for part in ("train", "val")], "in ROOT/sets/imagenet/Data/CLS-LOC; "),
    ],
)
def test_splits_are_refused(names: list[str], found: str, tmp_path: Path) -> None:
    make(tmp_path, *names)
    with pytest.raises(LayerMixError) as caught:
        open_source(tmp_path)
    assert found in str(caught.value).replace(str(tmp_path), "ROOT")
    assert str(caught.value).endswith("or --kind folder to take them as classes")
    assert "\n" not in str(caught.value)
    assert len(open_source(tmp_path, "folder").items()) == sum(name.endswith(".png") for name in names)


@pytest.mark.parametrize(
    "names",
    [
        ["train/x.png", "car/x.png", "bus/x.png"],  # vehicles
        ["valid/x.png", "invalid/x.png"],
        ["test/x.png", "control/x.png"],
        ["trains/x.png", "vals/x.png"],
        ["ant/train/x.png", "bee/train/x.png"],
        ["val.png", "train.png"],
        ["ant/x.png"],
        ["x.png", "ant/val/x.png", "ant/train/x.png"],  # the root has images, too
        ["test_tube/x.png", "train/x.png", "trains/x.png", "valley/x.png", "training_shoes/x.png", "cup/x.png"],
        ["test_tube/x.png", "beaker/x.png"],
        ["test_tube/x.png"],
        ["trains/x.png", "valley/x.png", "contest/x.png", "device/x.png"],
        ["ant/test_a/x.png", "ant/test_b/x.png", "bee/x.png"],  # loose names, and deep
        ["vehicles/train/steam/x.png", "vehicles/car/x.png", "animals/ant/x.png"],
    ],
)
def test_classes_are_classes(names: list[str], tmp_path: Path) -> None:
    make(tmp_path, *names)
    assert len(open_source(tmp_path).items()) == len(names)


def test_splits_that_are_links_are_refused_and_each_is_a_source(tmp_path: Path) -> None:
    make(tmp_path / "all", "one/ant/x.png", "one/bee/x.png", "two/bee/x.png")
    root = tmp_path / "root"
    root.mkdir()
    for split, name in (("train", "one"), ("val", "two")):
        (root / split).symlink_to(tmp_path / "all" / name)
    with pytest.raises(LayerMixError, match="found the splits train and val in "):
        open_source(root)
    assert open_source(root / "train").classes == ("ant", "bee")


def test_few_folders_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, *(f"{number:03d}/{inner}/x.png" for number in range(60) for inner in "ab"))
    looked: list[Path] = []
    monkeypatch.setattr("layermix_gen.sources.splits.scan", lambda folder: (looked.append(folder), scan(folder))[1])
    assert len(open_source(tmp_path).items()) == 120
    assert len(looked) <= 1 + 2 * MOST


def test_a_circle_of_single_folders_ends(tmp_path: Path) -> None:
    (tmp_path / "only").symlink_to(".")
    with pytest.raises(LayerMixError, match="no links to folders"):
        open_source(tmp_path).items()
