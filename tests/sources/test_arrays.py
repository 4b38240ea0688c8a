"""CIFAR and IDX: small sets in the exact published formats, and which kinds of damage are told apart."""

import gzip
import pickle
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import Item, open_source

PLANES = np.random.default_rng(0).integers(0, 256, (12, 3072), np.uint8)  # 5 batches of 2 images, and 2 to test
NAMES = ["airplane", "automobile", "bird"]


def python2_pickle(labels_key: str, labels: list[int], images: np.ndarray) -> bytes:
    """A batch as Python 2 pickled it: byte strings for keys, NumPy of those days, protocol 2."""

    def short(text: str) -> bytes:
        return b"U" + bytes([len(text)]) + text.encode()

    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    shape = b"K" + bytes([len(images)]) + b"M" + struct.pack("<H", 3072) + b"\x86"
    dtype = (
        b"cnumpy\ndtype\n"
        + short("u1")
        + b"K\0K\1\x87R(K\3"
        + short("|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    )
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + short("b") + b"\x87R"
    data = b"T" + struct.pack("<I", images.nbytes) + images.tobytes()
    array = empty + b"(K\1" + shape + dtype + b"\x89" + data + b"tb"
    label = short("batch_label") + short("training batch 1 of 5")
    return b"\x80\2}(" + label + short(labels_key) + listed + short("data") + array + b"u."


def write_cifar10_python(root: Path) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for part, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        images = PLANES[2 * part : 2 * part + 2]
        (folder / name).write_bytes(python2_pickle("labels", [part % 3, 2], images))
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [n.encode() for n in NAMES]}, protocol=4))
    return folder


def write_cifar10_binary(root: Path) -> Path:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for part, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        labels = [part % 3, 2]
        records = [bytes([labels[i]]) + PLANES[2 * part + i].tobytes() for i in range(2)]
        (folder / name).write_bytes(b"".join(records))
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return folder


def write_cifar100_python(root: Path) -> Path:
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for name, images in (("train", PLANES[:10]), ("test", PLANES[10:])):
        labels = [i % 3 for i in range(len(images))]
        content = {"fine_labels": labels, "coarse_labels": [0] * len(images), "data": images}
        (folder / name).write_bytes(pickle.dumps(content, protocol=4))  # as written by NumPy 2
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": NAMES, "coarse_label_names": ["x"]}, protocol=4))
    return folder


def write_cifar100_binary(root: Path) -> Path:
    folder = root / "cifar-100-binary"
    folder.mkdir(parents=True)
    for name, images in (("train.bin", PLANES[:10]), ("test.bin", PLANES[10:])):
        records = [bytes([99, i % 3]) + image.tobytes() for i, image in enumerate(images)]
        (folder / name).write_bytes(b"".join(records))
    (folder / "fine_label_names.txt").write_text("\n".join(NAMES) + "\n")
    return folder


WRITERS: list[Callable[[Path], Path]] = [
    write_cifar10_python,
    write_cifar10_binary,
    write_cifar100_python,
    write_cifar100_binary,
]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("parent", [False, True])
def test_cifar(write: Callable[[Path], Path], parent: bool, tmp_path: Path) -> None:
    folder = write(tmp_path)
    kind = "cifar100" if "100" in folder.name else "cifar10"
    source = open_source(tmp_path if parent else folder)
    assert (source.kind, source.ignored) == (kind, 0)
    assert source.classes == tuple(NAMES)
    items = source.items()
    assert [item.id for item in items] == [f"train/{i:05d}" for i in range(10)]
    assert {item.size for item in items} == {3072}
    expected = [i % 3 for i in range(10)] if kind == "cifar100" else [0, 2, 1, 2, 2, 2, 0, 2, 1, 2]
    assert [item.label for item in items] == expected
    for i in (9, 0, 5):
        image = source.read(items[i])
        assert image.shape == (*source.pixel_size(items[i]), 3) == (32, 32, 3)
        assert image[3, 7, 2] == PLANES[i][2 * 1024 + 3 * 32 + 7]
    test = open_source(folder, f"{kind}:test")
    assert [item.id for item in test.items()] == ["test/00000", "test/00001"]
    assert np.array_equal(test.read(test.items()[1]).transpose(2, 0, 1).ravel(), PLANES[11])


@pytest.mark.parametrize("name", ["train/00010", "train/", "train/-1", "test/00000", "train/x", "elsewhere", "train/²"])
def test_an_id_of_another_set_is_a_bad_image(name: str, tmp_path: Path) -> None:
    for source in (open_source(write_cifar10_binary(tmp_path)), open_source(write_idx(tmp_path / "idx"))):
        with pytest.raises(BadImage, match="no such image in"):
            source.read(Item(name, 0, 3072))


def use(location: Path, kind: str) -> None:
    source = open_source(location, kind)
    assert len(source.classes) < 256
    source.read(source.items()[0])


def refusal(location: Path, kind: str = "auto") -> str:
    with pytest.raises(LayerMixError) as caught:
        use(location, kind)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("write", WRITERS)
def test_a_truncated_cifar_file_is_named(write: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = write(tmp_path)
    names = [path for path in folder.iterdir() if path.name.startswith(("data_batch_2", "train"))]
    content = names[0].read_bytes()
    for length in (0, 1, 100, len(content) // 2 + 1, len(content) - 1):
        names[0].write_bytes(content[:length])
        assert str(names[0]) in refusal(folder)
        assert "truncated" in refusal(folder)


def test_an_array_stored_by_columns_is_the_same_array(tmp_path: Path) -> None:
    folder = write_cifar100_python(tmp_path)
    content = {"fine_labels": [0] * 10, "data": np.asfortranarray(PLANES[:10])}
    (folder / "train").write_bytes(pickle.dumps(content, protocol=4))
    source = open_source(folder)
    assert np.array_equal(source.read(source.items()[4]).transpose(2, 0, 1).ravel(), PLANES[4])


def test_damaged_pickles_give_one_line(tmp_path: Path) -> None:
    folder = write_cifar100_python(tmp_path)
    content = (folder / "train").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(500):
        changed = bytearray(content)
        for _ in range(3):
            changed[rng.integers(len(content) if rng.random() < 0.3 else 200)] = rng.integers(256)
        (folder / "train").write_bytes(changed)
        try:
            open_source(folder).items()
        except LayerMixError as fault:
            assert "\n" not in str(fault)  # noqa: PT017


@pytest.mark.parametrize(
    "pickled",
    [
        pytest.param(b"\x80\x02]r" + (50_000_000).to_bytes(4, "little") + b".", id="a place in the memo"),
        pytest.param(b"\x80\x05\x96" + (1 << 31).to_bytes(8, "little") + b"abc.", id="a bytearray"),
        pytest.param(b"\x80\x04\x8e" + (1 << 33).to_bytes(8, "little") + b"abc.", id="bytes"),
        pytest.param(b"\x80\x04\x95" + (1 << 33).to_bytes(8, "little") + b"abc.", id="a frame"),
    ],
)
def test_a_few_bytes_of_a_pickle_take_no_gigabytes(pickled: bytes, tmp_path: Path) -> None:
    """Python's own unpickler takes 800 MB for the first, and 34 GB for the largest place that ten bytes can name."""
    folder = write_cifar100_python(tmp_path)
    (folder / "train").write_bytes(pickled)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert str(folder / "train") in refusal(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB on Linux


def test_a_missing_or_unequal_cifar_file_is_told(tmp_path: Path) -> None:
    folder = write_cifar10_binary(tmp_path)
    batch = folder / "data_batch_3.bin"
    batch.write_bytes(batch.read_bytes()[:3073])
    assert refusal(folder).startswith(f"expected 2 images in {batch} as in the other files, found 1: ")
    batch.unlink()
    assert refusal(folder) == f"cannot read {batch}: no such file or directory; extract the archive again"
    assert "expected the files of cifar-100-python or cifar-100-binary in" in refusal(folder, "cifar100")


class Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "payload",
    [
        lambda path: pickle.dumps({b"data": Trap(path)}),
        lambda path: f"cos\nsystem\n(S'touch {path}'\ntR.".encode(),
        lambda path: f"cbuiltins\nexec\n(S'open({str(path)!r}, \"w\")'\ntR.".encode(),
        lambda path: f"\x80\x04\x8c\x05numpy\x8c\x0crec.fromfile\x93(\x8c\x01{path.name[0]}tR.".encode("latin1"),
    ],
)
@pytest.mark.parametrize("name", ["data_batch_1", "batches.meta"])
def test_a_malicious_pickle_is_refused_and_not_run(payload: Callable[[Path], bytes], name: str, tmp_path: Path) -> None:
    folder = write_cifar10_python(tmp_path)
    (folder / name).write_bytes(payload(tmp_path / "owned"))
    message = refusal(folder)
    assert message.startswith(f"refused to unpickle {folder / name}: it asks for ")
    assert message.endswith(", which no CIFAR file needs; get the file from its authors")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "expected a dict in"),
        ({"data": PLANES[:10]}, "expected whole numbers in [0, 255] as fine_labels in"),
        ({"data": PLANES[:10], "fine_labels": ["a"] * 10}, "expected whole numbers in [0, 255] as fine_labels in"),
        (
            {"data": PLANES[:10], "fine_labels": [1 << 70] * 10},
            "expected whole numbers in [0, 255] as fine_labels in",
        ),
        ({"data": PLANES[:10], "fine_labels": [0] * 9}, "found 9 labels for 10 images"),
        ({"data": PLANES[:10], "fine_labels": [3] * 10}, "expected labels in [0, 2] in"),
        ({"data": PLANES[:10, :-1], "fine_labels": [0] * 10}, "expected images as uint8 (N, 3072) in"),
        ({"data": PLANES[:10].astype(np.int16), "fine_labels": [0] * 10}, "expected images as uint8 (N, 3072) in"),
        ({"fine_labels": [0] * 10}, "expected images as uint8 (N, 3072) in"),
    ],
)
def test_pickles_of_another_content_are_refused(content: object, message: str, tmp_path: Path) -> None:
    folder = write_cifar100_python(tmp_path)
    (folder / "train").write_bytes(pickle.dumps(content, protocol=4))
    assert message in refusal(folder)
    assert str(folder / "train") in refusal(folder)


GRAY = np.random.default_rng(1).integers(0, 256, (7, 28, 28), np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(root: Path, images: np.ndarray = GRAY, zipped: bool = False, dash: str = "-") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, array in ((f"images{dash}idx3", images), (f"labels{dash}idx1", np.arange(len(images), dtype=np.uint8))):
        data = idx_bytes(array)
        path = root / f"train-{name}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(data) if zipped else data)
    return root


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dash", ["-", "."])
def test_idx(zipped: bool, dash: str, tmp_path: Path) -> None:
    source = open_source(write_idx(tmp_path, zipped=zipped, dash=dash))
    assert (source.kind, source.ignored) == ("idx", 0)
    assert source.classes == ("0", "1", "2", "3", "4", "5", "6")
    items = source.items()
    assert items[6] == Item("train/00006", 6, 784)
    assert np.array_equal(source.read(items[6]), np.stack([GRAY[6]] * 3, -1))
    assert refusal(tmp_path, "idx:test").startswith("expected t10k-images-idx3-ubyte or the same with .gz in ")


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_of_colour_images_that_are_not_square(zipped: bool, tmp_path: Path) -> None:
    images = np.random.default_rng(2).integers(0, 256, (3, 5, 9, 3), np.uint8)
    source = open_source(write_idx(tmp_path, images, zipped))
    item = source.items()[2]
    assert item.size == 5 * 9 * 3
    assert np.array_equal(source.read(item), images[2])


def test_idx_by_the_file_of_its_images(tmp_path: Path) -> None:
    path = write_idx(tmp_path) / "train-images-idx3-ubyte"
    assert open_source(path).items()[3] == Item("train/00003", 3, 784)
    assert refusal(path, "idx:test").endswith("; give the file of test, or --kind idx to take this one")
    path = path.rename(tmp_path / "t10k-images-idx3-ubyte")
    assert "t10k-labels-idx1-ubyte or the same with .gz next to" in refusal(path)
    (tmp_path / "train-labels-idx1-ubyte").rename(tmp_path / "t10k-labels-idx1-ubyte")
    assert open_source(path).items()[3].id == "test/00003"
    path = path.rename(tmp_path / "pictures")
    assert open_source(path).items()[3] == Item("train/00003", -1, 784)
    assert open_source(path).classes == ()


@pytest.mark.parametrize("zipped", [False, True])
def test_an_idx_file_of_the_wrong_length_is_named(zipped: bool, tmp_path: Path) -> None:
    root = write_idx(tmp_path, zipped=zipped)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        path = root / (name + (".gz" if zipped else ""))
        whole = path.read_bytes()
        raw = gzip.decompress(whole) if zipped else whole
        for data, why in ((raw[:-1], "truncated"), (raw + b"x", "longer than its header says"), (raw[:3], "truncated")):
            path.write_bytes(gzip.compress(data) if zipped else data)
            assert str(path) in refusal(root, "idx")
            assert why in refusal(root, "idx")
        if zipped:
            path.write_bytes(whole[:-20])
            assert f"cannot read {path}: it is truncated or corrupt; download it again" == refusal(root, "idx")
        path.write_bytes(whole)


def test_a_gzipped_idx_file_cannot_claim_any_memory(tmp_path: Path) -> None:
    path = write_idx(tmp_path, zipped=True) / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 1 << 31, 1 << 10, 1 << 10) + b"0000"))
    assert refusal(tmp_path).endswith(": it is truncated; download it again")


def test_other_idx_files_are_refused(tmp_path: Path) -> None:
    root = write_idx(tmp_path)
    path = root / "train-images-idx3-ubyte"
    whole = path.read_bytes()
    path.write_bytes(b"\0\0\x0d\3" + whole[4:])  # floats
    assert refusal(root, "idx").startswith("expected an IDX file of unsigned bytes, found something else in ")
    path.write_bytes(idx_bytes(GRAY[0]))
    assert "expected images (N, H, W) or (N, H, W, 3) in" in refusal(root, "idx")
    path.write_bytes(idx_bytes(GRAY[:0]))
    assert "found (0, 28, 28)" in refusal(root, "idx")
    path.write_bytes(idx_bytes(GRAY[:5]))
    assert "found 7 labels for 5 images" in refusal(root, "idx")
    path.write_bytes(whole)
    (root / "train-labels-idx1-ubyte").write_bytes(idx_bytes(GRAY))
    assert "expected labels (N,) in" in refusal(root, "idx")
