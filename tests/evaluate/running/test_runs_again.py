"""A run that is started again: what may have changed in between, and what may not."""

import fcntl
import json
import os
import shutil

import numpy as np
import pytest
import torch

from layermix_gen.evaluate.benchmarks import C
from layermix_gen.evaluate.results.results_folder import read_signature
from tests.evaluate.worlds import (
    MODEL_FILE,
    PIXELS,
    WNIDS,
    load_from,
    write_cifar10,
    write_corruptions,
    write_models,
    write_perturbations,
    write_photographs,
    write_videos,
)
from tests.helpers import build, invoke, snapshot


class World:
    """A model, data, and the command that evaluates it; `again` has to end well, `refused` with one line."""

    def __init__(self, root, suite, write):
        self.data, self.out = root / suite, root / "results"
        write(self.data)
        self.models = write_models(root)
        data = f"{suite}={self.data}"
        self.command = ["--model", f"{self.models}:four", "--data", data, "--out", self.out, *PIXELS]

    def again(self, *options):
        result = invoke("evaluate", "run", *self.command, *options)
        assert result.exit_code == 0, result.output
        return result.output

    def refused(self, *options):
        before = snapshot(self.out)
        result = invoke("evaluate", "run", *self.command, *options)
        assert result.exit_code == 1, result.output
        (line,) = result.output.splitlines()
        assert snapshot(self.out) == before
        return line

    def written(self):
        """When each file of predictions was written, and its digest."""
        return {name: state for name, state in snapshot(self.out).items() if name.endswith(".npz")}


def small_arrays(folder):
    write_corruptions(folder, (*C, "saturate"), count=4, size=8)


def small_files(folder):
    for number, name in enumerate(C):
        for severity in range(1, 6):
            write_photographs(folder / name / str(severity), 10 * number + severity, each=1)


@pytest.fixture
def arrays(tmp_path):
    """C as arrays, evaluated."""
    world = World(tmp_path, "c", small_arrays)
    world.again()
    return world


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """C as arrays, evaluated. To be left as it is."""
    world = World(tmp_path_factory.mktemp("evaluated"), "c", small_arrays)
    world.again()
    return world


@pytest.fixture
def signed(evaluated):
    """The same, whose signature may be edited: it is mended afterwards."""
    signature = (evaluated.out / "run.json").read_bytes()
    yield evaluated
    (evaluated.out / "run.json").write_bytes(signature)


def replaced(path, array):
    """Replace the file of an array by one of the same shape; its time of change is the system's."""
    path.unlink()
    np.save(path, array)


# --- the model -------------------------------------------------------------------------------------------------------


def test_an_edited_model_is_another_one(arrays):
    """The same weights, another forward pass: neither the spec nor the checkpoint shows the difference."""
    arrays.models.write_text(MODEL_FILE.replace("- 0.47", "- 0.46"))
    line = arrays.refused()
    assert "holds results of something else: model_sha256 " in line
    arrays.models.write_text(MODEL_FILE)
    arrays.again()


def test_a_model_exported_anew_is_another_one(tmp_path):
    def export(shift):
        model = load_from(write_models(tmp_path), "ten").eval()
        shape = ({0: torch.export.Dim("batch", min=1, max=1024)},)
        shifted = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.ReLU() if shift else torch.nn.Tanh())
        whole = torch.nn.Sequential(shifted, model)
        program = torch.export.export(whole, (torch.rand(2, 3, 32, 32),), dynamic_shapes=shape)
        torch.export.save(program, tmp_path / "m.pt2")

    write_cifar10(tmp_path / "data")
    command = ("evaluate", "run", *PIXELS, "--data", f"cifar10={tmp_path / 'data'}", "--out", tmp_path / "o")
    export(shift=False)
    assert invoke(*command, "--model", tmp_path / "m.pt2").exit_code == 0
    export(shift=True)
    result = invoke(*command, "--model", tmp_path / "m.pt2")
    assert result.exit_code == 1
    assert "model_sha256 " in result.output


# --- the data --------------------------------------------------------------------------------------------------------


def test_an_array_that_was_replaced(arrays):
    before = arrays.written()
    stored = np.load(arrays.data / "fog.npy")
    replaced(arrays.data / "fog.npy", 255 - stored)
    line = arrays.refused()
    assert line.startswith(f"Error: expected the data that {arrays.out / 'c' / 'fog.npz'} came from, found files that")
    assert "delete such results to evaluate them again" in line
    (arrays.out / "c" / "fog.npz").unlink()
    arrays.again()
    after = arrays.written()
    assert after.pop("c/fog.npz")[1] != before.pop("c/fog.npz")[1]
    assert after == before  # nothing else was evaluated again
    arrays.again()
    assert arrays.written().keys() == before.keys() | {"c/fog.npz"}


def test_large_arrays_are_told_by_size_and_time(tmp_path):
    world = World(tmp_path, "c", lambda folder: write_corruptions(folder, count=80, size=32))
    world.command[1] = f"{world.models}:ten"
    world.again()
    path = world.data / "snow.npy"
    assert path.stat().st_size > 1 << 20
    content, state = bytearray(path.read_bytes()), path.stat()
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert "snow.npz came from, found files that changed since" in world.refused()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    world.again()


def test_labels_that_changed_concern_every_part(arrays):
    path = arrays.data / "labels.npy"
    labels = np.load(path)
    replaced(path, labels)  # `corrupt` does so when it goes on
    arrays.again()
    replaced(path, (labels + 1) % 4)
    assert "c/brightness.npz and 14 others came from, found files that changed since" in arrays.refused()


def test_data_may_move(arrays, tmp_path):
    before = arrays.written()
    shutil.move(arrays.data, tmp_path / "elsewhere")
    arrays.command[3] = f"c={tmp_path / 'elsewhere'}"
    arrays.again("--dataset", "c")
    assert arrays.written() == before
    assert read_signature(arrays.out).suites["c"].data == str(tmp_path / "elsewhere")


@pytest.mark.parametrize("dataset", ["", "own"])
def test_a_folder_may_be_renamed_with_its_dataset(tmp_path, dataset):
    """A dataset is what reports call the data, by default the folder's name."""
    world = World(tmp_path, "clean", lambda folder: write_photographs(folder, 0))
    world.again()
    assert read_signature(world.out).dataset == "clean"
    shutil.move(world.data, tmp_path / "test-v2")
    world.command[3] = f"clean={tmp_path / 'test-v2'}"
    world.again(*(("--dataset", dataset) if dataset else ()))
    assert read_signature(world.out).dataset == (dataset or "test-v2")


def test_the_same_files_by_another_path(tmp_path, monkeypatch):
    world = World(tmp_path, "cifar10", write_cifar10)
    world.models.write_text(MODEL_FILE + "\nother = ten\n")
    world.command[1] = f"{world.models}:ten"
    world.again()
    monkeypatch.chdir(tmp_path)
    for data in ("cifar10", "cifar10/../cifar10", "./cifar10"):
        world.command[3] = f"cifar10={data}"
        world.again()
    world.command[1] = "models.py:ten"
    world.again()
    world.command[1] = "models.py:other"
    assert "holds results of something else: model models.py:ten -> models.py:other;" in world.refused()


def test_suites_of_another_dataset_are_not_added(arrays, tmp_path):
    write_perturbations(tmp_path / "p", count=2)
    arrays.command[1:4] = [f"{arrays.models}:four", "--data", f"p={tmp_path / 'p'}"]
    assert "holds results of something else: dataset c -> p;" in arrays.refused()
    arrays.again("--dataset", "c")


def test_parts_that_are_not_evaluated_yet_may_change(arrays):
    replaced(arrays.data / "saturate.npy", 255 - np.load(arrays.data / "saturate.npy"))
    arrays.again("--extras")
    both = read_signature(arrays.out).suites["c"].stamps
    assert both.keys() == {*C, "saturate"}
    arrays.again()
    assert read_signature(arrays.out).suites["c"].stamps == both  # those without extras forget nothing
    replaced(arrays.data / "saturate.npy", np.load(arrays.data / "saturate.npy") // 2)
    arrays.again()
    assert "saturate.npz came from" in arrays.refused("--extras")


def test_image_files_that_were_replaced(tmp_path):
    world = World(tmp_path, "c", small_files)
    world.again()
    path = next((world.data / "frost" / "4" / WNIDS[2]).iterdir())
    new = path.with_name("new")
    new.write_bytes(next((world.data / "frost" / "5" / WNIDS[2]).iterdir()).read_bytes())
    new.replace(path)
    assert "c/frost.npz came from, found files that changed since" in world.refused()


def test_videos_that_were_replaced(tmp_path):
    world = World(tmp_path, "p", write_videos)
    world.again()
    path = next((world.data / "tilt" / WNIDS[1]).iterdir())
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    assert "p/tilt.npz came from, found files that changed since" in world.refused()


@pytest.mark.parametrize("suites", ["clean", "clean,pgd"])
def test_a_test_set_that_was_replaced(tmp_path, suites):
    world = World(tmp_path, "cifar10", write_cifar10)
    world.command[1] = f"{world.models}:ten"
    world.again("--suites", suites)
    (world.data / "notes.txt").touch()
    path = world.data / "cifar-10-batches-py" / "data_batch_1"
    path.write_bytes(path.read_bytes() + b" ")  # of the training set
    path = world.data / "cifar-10-batches-py" / "test_batch"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    world.again("--suites", suites)
    images, _ = write_cifar10(tmp_path / "same")
    first = content.index(images[0].transpose(2, 0, 1).tobytes())
    path.write_bytes(content[:first] + bytes([content[first] ^ 1]) + content[first + 1 :])  # one pixel
    others = " and 1 other" if "pgd" in suites else ""
    assert f"clean.npz{others} came from, found files that changed since" in world.refused("--suites", suites)


@pytest.mark.parametrize(("first", "second"), [("clean", "pgd"), ("pgd", "clean")])
def test_the_attack_is_on_the_clean_images(tmp_path, first, second):
    """Otherwise a report could have the error on some images and the attack on others."""
    world = World(tmp_path, "cifar10", write_cifar10)
    world.command[1] = f"{world.models}:ten"
    world.again("--suites", first)
    path = world.data / "cifar-10-batches-py" / "test_batch"
    content = bytearray(path.read_bytes())
    images, _ = write_cifar10(tmp_path / "same")
    content[content.index(images[0].transpose(2, 0, 1).tobytes())] ^= 1
    path.write_bytes(content)
    done = world.out / first / ("clean.npz" if first == "clean" else "correct.npz")
    assert f"expected the data that {done} came from, found files that changed" in world.refused("--suites", second)


def test_class_folders_of_a_test_set_that_changed(tmp_path):
    world = World(tmp_path, "clean", lambda folder: write_photographs(folder, 0))
    world.again()
    path = next((world.data / WNIDS[0]).iterdir())
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    assert "clean.npz came from, found files that changed since" in world.refused()


def test_shards_that_were_built_anew(tmp_path, digits):
    def write(folder, *options):
        build(digits, folder, "--view", "center", "--variants", 0, "--shard-size", "20", *options)

    world = World(tmp_path, "clean", write)
    world.command[1] = f"{world.models}:ten"
    world.again()
    shutil.rmtree(world.data)
    write(world.data)  # the same bytes
    world.again()
    shutil.rmtree(world.data)
    write(world.data, "--seed", 1)
    assert "clean.npz came from, found files that changed since" in world.refused()


# --- the folder ------------------------------------------------------------------------------------------------------


def test_one_run_at_a_time(arrays):
    with (arrays.out / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert f"another process is writing to {arrays.out}; wait for it" in arrays.refused("--extras")
    arrays.again("--extras")
    assert not (arrays.out / ".lock").exists()


def test_hidden_files_do_not_count(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / ".DS_Store").touch()
    World(tmp_path, "c", small_arrays).again()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("model",), 3),
        (("seed",), "0"),
        (("n_classes",), 0),
        (("n_classes",), None),
        (("scale",), ["cifar"]),
        (("versions",), []),
        (("versions",), {"torch": 2}),
        (("suites",), []),
        (("suites", "c", "images"), "4"),
        (("suites", "c", "images"), 0),
        (("suites", "c", "severities"), []),
        (("suites", "c", "severities"), ["1", "2"]),
        (("suites", "c", "settings"), {"epsilon": None}),
        (("suites", "c", "settings"), [1]),
        (("suites", "c", "stamps"), {"fog": 7}),
        (("suites", "c", "stamps"), "fog"),
        (("suites", "c", "data"), None),
    ],
)
def test_an_edited_signature_gets_one_line(signed, path, value):
    file = signed.out / "run.json"
    signature = json.loads(file.read_text())
    inside = signature
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] = value
    file.write_text(json.dumps(signature))
    assert f"{file} is damaged" in signed.refused()
    result = invoke("evaluate", "report", signed.out)
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1
