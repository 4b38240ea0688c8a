"""CIFAR pickles that somebody saved again, as long-tailed and noisy sets are: read as pickle itself reads them."""

import os
import pickle
import struct
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy._core import multiarray, numeric

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source

COUNTS = (3, 1, 4, 2, 5)  # of images in the five batches: a long tail has no equal batches
IMAGES = np.random.default_rng(0).integers(0, 256, (sum(COUNTS) + 2, 3072), np.uint8)
LABELS = np.arange(len(IMAGES)) * 7 % 10
FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def write(
    folder: Path,
    protocol: int,
    labels: Callable[[np.ndarray], Any] = np.ndarray.tolist,
    images: Callable[[np.ndarray], np.ndarray] = np.ascontiguousarray,
    key: Callable[[str], Any] = str,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, begin, end in zip(FILES, np.cumsum((0, *COUNTS)), np.cumsum((*COUNTS, 2)), strict=True):
        content = {key("labels"): labels(LABELS[begin:end]), key("data"): images(IMAGES[begin:end]), key("x"): 0.5}
        (folder / name).write_bytes(pickle.dumps(content, protocol))
    names = [f"class {number}" for number in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({key("label_names"): names}, protocol))
    return folder


def same(folder: Path) -> None:
    """Compare with what torchvision's loader makes of the files: pickle itself, and its way to (N, 32, 32, 3)."""
    for kind, files in (("cifar10", FILES[:5]), ("cifar10:test", FILES[5:])):
        entries = [pickle.loads((folder / name).read_bytes(), encoding="latin1") for name in files]  # noqa: S301
        entries = [{k.decode() if isinstance(k, bytes) else k: v for k, v in entry.items()} for entry in entries]
        pixels = np.vstack([entry["data"] for entry in entries]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        source = open_source(folder, kind)
        items = source.items()
        assert [item.label for item in items] == [
            int(label) for entry in entries for label in np.ravel(entry["labels"])
        ]
        assert np.array_equal([source.read(item) for item in items], pixels)
        assert source.classes[9] == "class 9"


@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
@pytest.mark.parametrize("protocol", range(6))
def test_any_protocol_by_either_numpy(core: str, protocol: int, tmp_path: Path, monkeypatch) -> None:
    for module, name in ((multiarray, "_reconstruct"), (multiarray, "scalar"), (numeric, "_frombuffer")):
        last = module.__name__.rpartition(".")[2]
        monkeypatch.setattr(getattr(module, name), "__module__", f"{core}.{last}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the name numpy.core
        same(write(tmp_path / "lists", protocol))
        same(write(tmp_path / "scalars", protocol, list, key=str.encode))
        same(write(tmp_path / "arrays", protocol, np.copy))
        same(write(tmp_path / "columns", protocol, images=np.asfortranarray))
        same(write(tmp_path / "planes", protocol, images=lambda images: images.reshape(-1, 3, 32, 32)))
        assert core.encode() in (tmp_path / "arrays" / "test_batch").read_bytes()


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">i2", "<i4", ">u4", "<i8", ">i8", "<u8", ">u8"])
@pytest.mark.parametrize("protocol", [2, 5])
def test_labels_of_any_width_and_byte_order(dtype: str, protocol: int, tmp_path: Path) -> None:
    same(write(tmp_path / "arrays", protocol, lambda labels: labels.astype(dtype)))
    same(write(tmp_path / "scalars", protocol, lambda labels: list(labels.astype(dtype))))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_an_array_with_its_axes_in_another_order(protocol: int, tmp_path: Path) -> None:
    """Which protocol 5 stores as it lies in memory, with the order of the axes."""
    same(
        write(
            tmp_path,
            protocol,
            images=lambda images: np.ascontiguousarray(images.reshape(-1, 3, 32, 32).transpose(1, 0, 3, 2)).transpose(
                1, 0, 3, 2
            ),
        )
    )


def refusal(folder: Path) -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(folder).items()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


@pytest.mark.parametrize("missing", ["batches.meta", "data_batch_1", "data_batch_3"])
def test_the_file_that_is_missing_is_named(missing: str, tmp_path: Path) -> None:
    for folder in (tmp_path / "cifar-10-batches-py", tmp_path / "copied"):
        (write(folder, 4) / missing).unlink()
        expected = f"cannot read {folder / missing}: no such file or directory; extract the archive again"
        assert refusal(folder) == expected
    assert refusal(tmp_path) == expected.replace("copied", "cifar-10-batches-py")


def test_an_archive_that_was_extracted_in_part_does_not_hide_the_other_version(tmp_path: Path) -> None:
    (write(tmp_path / "cifar-10-batches-py", 4) / "data_batch_1").unlink()
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in FILES:
        (folder / f"{name}.bin").write_bytes(bytes([3]) + bytes(3072))
    (folder / "batches.meta.txt").write_text("a b c d")
    assert [item.label for item in open_source(tmp_path).items()] == [3] * 5


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(lambda labels: labels + 0.5, id="fractions"),
        pytest.param(lambda labels: labels * np.nan, id="NaN"),
        pytest.param(lambda labels: [float(label) + 0.5 for label in labels], id="a list of fractions"),
        pytest.param(lambda labels: [bool(label) for label in labels], id="truths"),
        pytest.param(lambda labels: [[int(label)] for label in labels], id="lists"),
        pytest.param(lambda labels: labels.astype("M8[s]"), id="dates"),
        pytest.param(lambda labels: labels.astype("U3"), id="an array of texts"),
        pytest.param(lambda labels: np.eye(10, dtype=np.int64)[labels], id="one column each"),
        pytest.param(lambda labels: labels.astype(np.uint64) + np.uint64((1 << 64) - 9), id="large ones"),
        pytest.param(lambda labels: labels - 1, id="-1"),
        pytest.param(lambda labels: labels[:0], id="an empty array"),
        pytest.param(lambda labels: labels[0], id="one number"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_labels_that_are_no_classes_are_refused(labels: Callable, protocol: int, tmp_path: Path) -> None:
    assert str(write(tmp_path, protocol, labels) / "data_batch_1") in refusal(tmp_path)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(lambda labels: labels.astype(np.float64), id="floats"),
        pytest.param(lambda labels: labels.astype(">f4"), id="big-endian floats"),
        pytest.param(lambda labels: [float(label) for label in labels], id="a list of floats"),
        pytest.param(lambda labels: list(labels.astype(np.float32)), id="float scalars"),
        pytest.param(lambda labels: labels.astype(object), id="an array of objects"),
        pytest.param(lambda labels: tuple(labels.tolist()), id="a tuple"),
        pytest.param(tuple, id="a tuple of scalars"),
        pytest.param(lambda labels: labels[:, None], id="a column"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_whole_numbers_in_any_form_are_labels(labels: Callable, protocol: int, tmp_path: Path) -> None:
    same(write(tmp_path, protocol, labels))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_images_with_their_channels_last(protocol: int, tmp_path: Path) -> None:
    folder = write(tmp_path, protocol, images=lambda images: images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy())
    source = open_source(folder)
    found = [source.read(item) for item in source.items()]
    assert np.array_equal(found, IMAGES[:-2].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


@pytest.mark.parametrize(
    "form",
    [
        tuple,
        np.array,
        lambda names: np.array(names, "S9"),
        lambda names: np.array(names, object),
        lambda names: list(np.array(names)),
        lambda names: np.array(names).astype(">U9"),
    ],
    ids=["tuple", "array", "bytes", "objects", "scalars", "big-endian"],
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_class_names_in_any_form(form: Callable, protocol: int, tmp_path: Path) -> None:
    names = [f"clàss {number}" if form is tuple else f"class {number}" for number in range(10)]
    (write(tmp_path, 4) / "batches.meta").write_bytes(pickle.dumps({"label_names": form(names)}, protocol))
    assert open_source(tmp_path).classes == tuple(names)


def test_what_was_found_instead_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, 4) / "batches.meta"
    for names, found in (
        ([3, "a"], "found 3; save"),
        ({"a": 1}, "found a dict; extract"),
        (np.ones(2), "found 1.0; s"),
    ):
        path.write_bytes(pickle.dumps({"label_names": names}))
        assert found in refusal(tmp_path)
    write(tmp_path, 4, lambda labels: labels + 0.5)
    assert "expected whole numbers in [0, 255] as labels in " in refusal(tmp_path)
    assert refusal(tmp_path).endswith(", found 0.5; save them so, or extract the archive again")
    for images, found in ((IMAGES[:3] / 255, "float64 (3, 3072)"), (IMAGES[:3].tolist(), "a list"), (None, "none")):
        write(tmp_path, 4)
        (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": images, "labels": [0, 1, 2]}))
        assert refusal(tmp_path) == (
            f"expected images as uint8 (N, 3072) in {tmp_path / 'data_batch_1'}, found {found}; "
            "save them so, or extract the archive again"
        )


def array(
    shape: bytes, code: bytes = b"u1", order: bytes = b"|", data: bytes = b"C\x06abcdef", columns: bytes = b"\x89"
):
    """A pickle of {"data": array, "labels": [0]} of protocol 3, with parts of one's choice."""
    dtype = b"cnumpy\ndtype\nX" + struct.pack("<I", len(code)) + code + b"K\0K\1\x87R(K\3X\1\0\0\0" + order
    state = b"(K\1" + shape + dtype + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb" + columns + data + b"tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\1b\x87R"
    return b"\x80\3}(X\4\0\0\0data" + empty + state + b"X\6\0\0\0labels]K\0au."


LONG = b"\x8a\x09" + (1 << 64).to_bytes(9, "little")


@pytest.mark.parametrize(
    "pickled",
    [
        pytest.param(array(b"J\xff\xff\xff\xffK\6\x86"), id="a negative shape"),
        pytest.param(array(b"J\xff\xff\xff\xffJ\xfa\xff\xff\xff\x86"), id="two negative sides"),
        pytest.param(array(LONG + LONG + b"\x86"), id="a huge shape"),
        pytest.param(array(LONG + b"K\0\x86", data=b"C\0"), id="a huge shape without a pixel"),
        pytest.param(array(b"(" + b"K\1" * 99 + b"K\6t"), id="a hundred axes"),
        pytest.param(array(b"\x88K\6\x86"), id="a shape with a truth value"),
        pytest.param(array(b"K\6\x85", b"O8", data=b"]K\1a"), id="objects"),
        pytest.param(array(b"K\1\x85", b"V6"), id="records"),
        pytest.param(array(b"K\6\x85", b"i8"), id="too few bytes"),
        pytest.param(array(b"K\6\x85", b"S1"), id="bytes"),
        pytest.param(array(b"K\6\x85", b"u2,O"), id="fields"),
        pytest.param(array(b"K\3\x85", b"u2", b"!"), id="a byte order that is none"),
        pytest.param(array(b"K\6\x85", data=b"X\6\0\0\0abcde\x01"), id="text for bytes"),
        pytest.param(array(b"K\2\x85", data=b"X\4\0\0\0\xc4\x81\xc4\x82"), id="text that is not Latin-1"),
        pytest.param(array(b"K\6\x85", columns=b"K\2"), id="an order that is none"),
    ],
)
def test_arrays_that_are_none_are_refused(pickled: bytes, tmp_path: Path) -> None:
    (write(tmp_path, 4) / "data_batch_1").write_bytes(pickled)
    assert str(tmp_path / "data_batch_1") in refusal(tmp_path)


class Reduced:
    """An object that calls a function when it is unpickled."""

    def __init__(self, function: Callable, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["data", "labels", "a label", "a key", "deep"])
def test_no_code_is_run_wherever_it_is_asked_for(place: str, protocol: int, tmp_path: Path) -> None:
    trap = Reduced(eval, f"open({str(tmp_path / 'owned')!r}, 'w')")
    content = {
        "data": {"data": trap, "labels": [0]},
        "labels": {"data": IMAGES[:3], "labels": trap},
        "a label": {"data": IMAGES[:3], "labels": [0, trap, 0]},
        "a key": {"data": IMAGES[:3], "labels": [0] * 3, trap: 1},
        "deep": {"data": IMAGES[:3], "labels": [0] * 3, "x": [[[({"y": (trap,)},)]]]},
    }[place]
    (write(tmp_path, 4) / "data_batch_1").write_bytes(pickle.dumps(content, protocol))
    message = refusal(tmp_path)
    assert message.startswith(f"refused to unpickle {tmp_path / 'data_batch_1'}: it asks for ")
    assert "eval, which no CIFAR file needs" in message
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "pickled",
    [
        pytest.param(b"c__builtin__\neval\n(S'1'\ntR.", id="eval"),
        pytest.param(b"(S'true'\nios\nsystem\n.", id="INST"),
        pytest.param(b"(cos\nsystem\nS'true'\no.", id="OBJ"),
        pytest.param(b"\x80\2cos\nsystem\nS'true'\n\x85\x81.", id="NEWOBJ"),
        pytest.param(b"\x80\4cos\nsystem\nS'true'\n\x85}\x92.", id="NEWOBJ_EX"),
        pytest.param(b"\x80\2\x82\1.", id="an extension"),
        pytest.param(b"Pname\n.", id="an object kept elsewhere"),
        pytest.param(b"\x80\5\x97.", id="a buffer kept elsewhere"),
        pytest.param(b"cnumpy\ndtype.__init__\n.", id="an attribute of a stand-in"),
        pytest.param(b"\x80\4\x8c\5numpy\x8c\x10ndarray.__init__\x93.", id="an attribute of a stand-in, by protocol 4"),
        pytest.param(b"c_codecs\nencode\n(X\1\0\0\0aX\5\0\0\0rot13tR.", id="another encoding"),
        pytest.param(b"c_codecs\ndecode\n.", id="decoding"),
        pytest.param(b"cnumpy.core.multiarray\n_reconstruct\n(N}X\1\0\0\0xK\1stb.", id="attributes of a function"),
        pytest.param(b"cnumpy\nndarray\n(N}X\1\0\0\0xK\1stb.", id="attributes of a class"),
        pytest.param(b"cnumpy.core.multiarray\nscalar\n(K\1K\1tR.", id="a scalar of no type"),
        pytest.param(b"cnumpy.core.numeric\n_frombuffer\n(K\1K\1K\1K\1tR.", id="an array of no type"),
    ],
)
def test_other_instructions_are_refused(pickled: bytes, tmp_path: Path) -> None:
    (write(tmp_path, 4) / "data_batch_1").write_bytes(pickled)
    assert str(tmp_path / "data_batch_1") in refusal(tmp_path)
    same(write(tmp_path, 4))  # nothing that the pickle did stays


TEXT = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000
ENCODED = b"c_codecs\nencode\nq\1" + TEXT + b"q\2X\6\0\0\0latin1q\3" + b"h\1h\2h\3\x86R" * 10_000
NESTED = b")" + b"q\0h\0\x86" * 60  # a tuple that holds the one before it twice, 60 times: its hash takes 2^60 steps


@pytest.mark.parametrize(
    "pickled",
    [
        pytest.param(b"](" + ENCODED + b"e.", id="one text encoded often"),
        pytest.param(b"}" + NESTED + b"K\1s.", id="a key that doubles itself"),
        pytest.param(b"}(" + NESTED + b"K\1u.", id="a key that doubles itself, of several"),
        pytest.param(b"(" + NESTED + b"K\1d.", id="a key that doubles itself, of a dict at once"),
        pytest.param(b"\x80\4\x8f(" + NESTED + b"\x90.", id="a set of what doubles itself"),
        pytest.param(b"\x80\2}X\4\0\0\0data" + NESTED + b"s.", id="data that doubles itself"),
        pytest.param(b"\x80\2" + b"(" * 20_000 + b"l" * 20_000 + b".", id="lists in lists"),
    ],
)
def test_a_small_pickle_takes_little_memory_and_time(pickled: bytes, tmp_path: Path) -> None:
    (write(tmp_path, 4) / "data_batch_1").write_bytes(pickled)
    tracemalloc.start()
    begin = time.process_time()
    refusal(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert time.process_time() - begin < 5


def test_names_that_double_themselves_are_refused(tmp_path: Path) -> None:
    """To write them out as text takes 2^60 characters."""
    pickled = b"}X\x0b\0\0\0label_names](" + NESTED + b"es."
    (write(tmp_path, 4) / "batches.meta").write_bytes(pickled)
    assert refusal(tmp_path).startswith(f"expected the class names in {tmp_path / 'batches.meta'}, found ")


def test_more_than_100000_images_are_sorted_by_their_ids(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in FILES[:5]:
        (folder / f"{name}.bin").touch()
        os.truncate(folder / f"{name}.bin", 20_001 * 3073)
    (folder / "batches.meta.txt").write_text("a")
    ids = [item.id for item in open_source(folder).items()]
    assert ids == sorted(ids)
    assert (ids[0], ids[-1], len(ids)) == ("train/000000", "train/100004", 100_005)
