"""Folders of splits, which are no classes: each layout that people have is refused with the split to give."""

from pathlib import Path

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source
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
    ],
)
def test_splits_are_refused(names: list[str], found: str, tmp_path: Path) -> None:
    make(tmp_path, *names)
    with pytest.raises(LayerMixError) as caught:
        open_source(tmp_path)
    assert found in str(caught.value).replace(str(tmp_path), "ROOT")
    assert str(caught.value).endswith("or --kind folder to take them as classes")
    assert "\n" not in str(caught.value)
    assert len(open_source(tmp_path, "folder").items()) == len(names)


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


def test_a_circle_of_single_folders_ends(tmp_path: Path) -> None:
    (tmp_path / "only").symlink_to(".")
    with pytest.raises(LayerMixError, match="no links to folders"):
        open_source(tmp_path).items()
