"""Predictions as files and the folder of results: what is written comes back, what is damaged or mixed is refused."""

import dataclasses
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.format import write_array_header_1_0

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.results.archive import load_predictions, save_predictions
from layermix_gen.evaluate.results.predictions import (
    Predictions,
    SequencePredictions,
    predicted,
    predicted_sequences,
    stack,
)
from layermix_gen.evaluate.results.results_folder import (
    begin_results,
    finished_parts,
    load_part,
    part_path,
    read_signature,
    save_part,
)
from layermix_gen.evaluate.results.signature import Signature, Suite
from tests.strategies import steady

SIGNATURE = Signature(
    model="models.py:small",
    model_sha256="ef" * 32,
    checkpoint="runs/a.pt",
    checkpoint_sha256="ab" * 32,
    checkpoint_rule="last",
    dataset="cifar10",
    scale="cifar",
    n_classes=7,
    normalization="mean 0, std 1",
    precision="float32",
    seed=0,
    versions={"torch": "2.13.0"},
    suites={"clean": Suite(20), "c": Suite(20, (1, 2, 3, 4, 5))},
)


def some(seed: int = 0, images: int = 20, classes: int = 7) -> Predictions:
    rng = np.random.default_rng(seed)
    return predicted(rng.normal(size=(images, classes)).astype(np.float32), rng.integers(0, classes, images))


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in type(one).__dataclass_fields__
    )


# --- files -----------------------------------------------------------------------------------------------------------


@steady()
@given(
    st.integers(0, 1000), st.integers(1, 30), st.integers(1, 9), st.lists(st.integers(0, 9), min_size=1, unique=True)
)
def test_predictions_come_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, images: int, classes: int, severities: list[int]
) -> None:
    path = tmp_path_factory.mktemp("files") / "part.npz"
    part = stack({number: some(seed + number, images, classes) for number in severities})
    save_predictions(path, part)
    assert same(load_predictions(path), part)
    assert part.severities == tuple(sorted(severities))
    assert part.images == images


def test_sequences_come_back(tmp_path: Path) -> None:
    part = predicted_sequences(np.random.default_rng(0).normal(size=(9, 7)), [2, 4, 3])
    save_predictions(tmp_path / "p.npz", part)
    back = load_predictions(tmp_path / "p.npz")
    assert isinstance(back, SequencePredictions)
    assert same(back, part)


def test_an_image_takes_52_bytes(tmp_path: Path) -> None:
    part = stack({number: some(number, 5000, 10) for number in range(1, 6)})
    save_predictions(tmp_path / "c.npz", part)
    assert (tmp_path / "c.npz").stat().st_size / 25_000 == pytest.approx(52, abs=0.2)


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    begin_results(tmp_path, SIGNATURE)
    monkeypatch.setattr("numpy.savez", full)
    with pytest.raises(LayerMixError, match=r"^cannot write to .*: no space left on device; make room"):
        save_part(tmp_path, SIGNATURE, "clean", "clean", some())
    assert list((tmp_path / "clean").iterdir()) == []


def arrays(**changes: Any) -> dict[str, Any]:
    part = some()
    values = {name: getattr(part, name) for name in Predictions.__dataclass_fields__}
    return values | {"format": "layermix-gen predictions 1"} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "numbers"}, "is no file of predictions"),
        ({"labels": np.array([{}], object)}, "is no file of predictions"),  # it would have to be unpickled
        ({"n_classes": np.arange(3)}, "is no file of predictions"),
        ({"labels": np.full((1, 20), 7)}, r"is damaged \(expected labels below the number of classes"),
        ({"labels": np.zeros((1, 19), np.int64)}, r"is damaged \(expected classes as int32 \(1, 19, 5\)"),
        ({"labels": np.int64(3)}, r"is damaged \(expected labels as int64"),
        ({"log_likelihoods": np.full((1, 20), -np.inf, np.float32)}, r"is damaged \(expected finite"),
        ({"severities": np.array([[0]])}, "is no file of predictions"),
    ],
)
def test_damage_gets_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "part.npz"
    np.savez(path, **arrays(**changes))
    with pytest.raises(LayerMixError, match=message) as caught:
        load_predictions(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith("delete it and run the evaluation again to write a new one")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", [0, 1, 100, -1000, -1])
def test_truncated_files(tmp_path: Path, end: int) -> None:
    path = tmp_path / "part.npz"
    save_predictions(path, some())
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(LayerMixError, match=r"is no file of predictions, or is truncated; delete it"):
        load_predictions(path)


def test_flipped_bits_are_found(tmp_path: Path) -> None:
    path = tmp_path / "part.npz"
    save_predictions(path, some())
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(LayerMixError, match=r"is (no file of predictions|damaged)"):
        load_predictions(path)


def test_other_files(tmp_path: Path) -> None:
    """Missing, a pickle, a single array, and an archive that could unpack to more than its size."""
    path = tmp_path / "part.npz"
    with pytest.raises(LayerMixError, match=r"^expected predictions in .*, found no such file; run the evaluation"):
        load_predictions(path)
    np.savez_compressed(tmp_path / "compressed.npz", **arrays())
    np.save(tmp_path / "single.npy", np.arange(3))
    (tmp_path / "pickle").write_bytes(pickle.dumps(arrays()))
    for other in ("compressed.npz", "single.npy", "pickle"):
        (tmp_path / other).rename(path)
        with pytest.raises(LayerMixError, match=r"is no file of predictions"):
            load_predictions(path)


def test_a_header_that_promises_more_than_there_is(tmp_path: Path) -> None:
    """A header promises ten million million numbers; nothing is allocated or read beyond the file."""
    path = tmp_path / "part.npz"
    header = io.BytesIO()
    write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (1, 10**13)})
    np.savez(path, **{name: value for name, value in arrays().items() if name != "labels"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.npy", header.getvalue() + bytes(800))
    with pytest.raises(LayerMixError, match=r"is no file of predictions, or is truncated"):
        load_predictions(path)


# --- the folder ------------------------------------------------------------------------------------------------------


def test_a_run_goes_on_after_what_is_there(tmp_path: Path) -> None:
    root = tmp_path / "results"
    assert begin_results(root, SIGNATURE) == SIGNATURE == read_signature(root)
    assert finished_parts(root, SIGNATURE) == {"clean": (), "c": ()}
    part = stack({number: some(number) for number in range(1, 6)})
    for name in ("fog", "gaussian_noise", "spatter"):
        save_part(root, SIGNATURE, "c", name, part)
    draft = root / "c" / ".snow.npz.host-1.tmp"
    draft.write_bytes(b"half")
    assert finished_parts(root, SIGNATURE) == {"clean": (), "c": ("gaussian_noise", "fog", "spatter")}
    assert same(load_part(root, "c", "fog"), part)
    assert begin_results(root, SIGNATURE) == SIGNATURE


def test_a_suite_may_be_added(tmp_path: Path) -> None:
    begin_results(tmp_path, SIGNATURE)
    more = dataclasses.replace(SIGNATURE, suites={"pgd": Suite(20, settings={"epsilon": 2 / 255, "steps": 20})})
    merged = begin_results(tmp_path, more)
    assert list(merged.suites) == ["clean", "c", "pgd"]
    assert read_signature(tmp_path) == merged
    assert begin_results(tmp_path, SIGNATURE) == merged


def test_a_checkpoint_may_move(tmp_path: Path) -> None:
    begin_results(tmp_path, SIGNATURE)
    begin_results(tmp_path, dataclasses.replace(SIGNATURE, checkpoint="elsewhere/a.pt"))
    assert read_signature(tmp_path).checkpoint == "elsewhere/a.pt"


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"model": "timm:resnet18"}, "model models.py:small -> timm:resnet18"),
        ({"checkpoint_sha256": "cd" * 32}, "checkpoint_sha256 abab.* -> cdcd"),
        ({"checkpoint_rule": "best"}, "checkpoint_rule last -> best"),
        ({"dataset": "cifar100", "seed": 1}, "dataset cifar10 -> cifar100; seed 0 -> 1;"),
        ({"versions": {"torch": "2.14.0"}}, "version of torch 2.13.0 -> 2.14.0"),
        ({"suites": {"clean": Suite(19)}}, "clean images 20 -> 19"),
        ({"suites": {"c": Suite(20, (1, 2))}}, r"c severities \[1, 2, 3, 4, 5\] -> \[1, 2\]"),
        ({"suites": {"clean": Suite(20, settings={"size": 32})}}, "clean size none -> 32"),
    ],
)
def test_results_are_not_mixed(tmp_path: Path, change: dict[str, Any], difference: str) -> None:
    begin_results(tmp_path, SIGNATURE)
    with pytest.raises(LayerMixError, match=rf"holds results of something else: {difference}") as caught:
        begin_results(tmp_path, dataclasses.replace(SIGNATURE, **change))
    assert str(caught.value).endswith("repeat the command that began it, or choose another --out")
    assert read_signature(tmp_path) == SIGNATURE


def test_an_edited_signature_is_damaged(tmp_path: Path) -> None:
    begin_results(tmp_path, SIGNATURE)
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace('"scale": "cifar"', '"scale": "large"'))
    line = r"^.*run\.json is damaged \(expected one of cifar, imagenet as scale, found .large.\); restore it, or"
    with pytest.raises(LayerMixError, match=line):
        read_signature(tmp_path)


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(LayerMixError, match=r"^expected an empty folder, found 'thesis.tex' in .*another --out"):
        begin_results(tmp_path, SIGNATURE)
    with pytest.raises(LayerMixError, match=r"^expected results of `evaluate run` in .*, found no run.json"):
        read_signature(tmp_path)
    with pytest.raises(LayerMixError, match=r"^expected results of `evaluate run` in"):
        read_signature(tmp_path / "thesis.tex")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"format": "layermix-gen results 1"}', '{"format": "other"}'],
)
def test_a_damaged_signature(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(LayerMixError, match=r"run\.json") as caught:
        read_signature(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_signature_with_other_fields(tmp_path: Path) -> None:
    begin_results(tmp_path, SIGNATURE)
    value = json.loads((tmp_path / "run.json").read_text())
    value["suites"]["clean"]["severities"] = 3
    (tmp_path / "run.json").write_text(json.dumps(value))
    with pytest.raises(LayerMixError, match=r"run\.json is damaged"):
        read_signature(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint_rule": "newest"}, r"^checkpoint rule must be one of last, best, unknown, got 'newest'"),
        ({"scale": "large"}, r"^scale must be one of cifar, imagenet, got 'large'"),
        ({"suites": {"d": Suite(1)}}, r"^suite must be one of clean, .*, got 'd'"),
    ],
)
def test_signatures_are_checked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(LayerMixError, match=message):
        dataclasses.replace(SIGNATURE, **change)


@pytest.mark.parametrize("part", ["rain", "../../escape", "ripple"])
def test_parts_are_those_of_the_lists(tmp_path: Path, part: str) -> None:
    with pytest.raises(LayerMixError, match=r"^part of suite c must be one of gaussian_noise, "):
        save_part(tmp_path, SIGNATURE, "c", part, some())
    assert part_path(tmp_path, "c", "fog") == tmp_path / "c" / "fog.npz"
