"""Batches on a device: what is copied when, told by a stand-in for CUDA; and the normalization."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from layermix_gen.errors import LayerMixError
from layermix_gen.reading import device as module
from layermix_gen.reading.device import normalize, on_device
from layermix_gen.reading.reader import LayerMixDataset
from tests.reading.truth import Truth, keys


class FakeCuda:
    """Tells in what order streams are used; copies stay where they are."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        patch.setattr(torch.cuda, "Stream", lambda device: self)
        patch.setattr(torch.cuda, "stream", self.use)
        patch.setattr(torch.cuda, "current_stream", lambda device: "main")
        patch.setattr(module, "_moved", self.move)
        patch.setattr(
            torch.Tensor, "record_stream", lambda tensor, stream: self.log.append(f"{int(tensor)} to {stream}")
        )

    @contextmanager
    def use(self, stream: Any) -> Iterator[None]:
        assert stream is self
        self.log.append("side (")
        yield
        self.log.append(")")

    def move(self, batch: tuple[Any, ...], device: torch.device) -> tuple[Any, ...]:
        self.log.append(f"copy {int(batch[0])}")
        return batch

    def record_event(self) -> "FakeCuda":
        return self

    def synchronize(self) -> None:
        self.log.append("wait")


def test_a_gpu_gets_the_next_batch_before_this_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    batches = ((torch.tensor(number), "facts") for number in range(3))
    for number, facts in on_device(batches, torch.device("cuda")):
        cuda.log.append(f"use {int(number)} {facts}")
    copied = [["side (", f"copy {number}", ")"] for number in range(3)]
    used = [["wait", f"{number} to main", f"use {number} facts"] for number in range(3)]
    assert cuda.log == [*copied[0], *copied[1], *used[0], *copied[2], *used[1], *used[2]]
    assert list(on_device(iter(()), torch.device("cuda"))) == []


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_other_devices(tiny: Truth, device: str) -> None:
    batches = list(tiny.reader(device=device))
    assert {part.device.type for batch in batches for part in batch[:2]} == {device}
    assert keys(batches) == keys(tiny.reader())


def test_the_state_counts_what_was_handed_out(tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = tiny.reader()
    ds.device = torch.device("cuda")
    monkeypatch.setattr("layermix_gen.reading.reader.on_device", lambda batches, device: iter(list(batches)))
    next(iter(ds))
    assert ds.state_dict()["consumed"] == 8


def test_devices_are_checked(tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        LayerMixError, match=r"^expected a device like 'cuda' or 'cuda:1', got 'gpu'; change the device"
    ):
        tiny.open(device="gpu")
    empty = torch.empty

    def without_gpu(*args: Any, device: Any = None, **options: Any) -> torch.Tensor:
        if device is not None and device.type == "cuda":
            raise RuntimeError("No CUDA GPUs are available")
        return empty(*args, device=device, **options)

    monkeypatch.setattr(torch, "empty", without_gpu)
    for name in ("cuda", "cuda:9", "mps", "xla", "privateuseone", "hpu", "mtia"):
        with pytest.raises(
            LayerMixError, match=rf"^expected a GPU for the device '{name}', found none; name another device"
        ):
            tiny.open(device=name)
    monkeypatch.setattr("layermix_gen.reading.device.get_worker_info", lambda: SimpleNamespace(id=0, num_workers=1))
    with pytest.raises(LayerMixError, match="a worker process cannot copy to a device; drop device= or num_workers="):
        list(tiny.open(device="meta"))


def test_a_gpu_is_fed_from_pinned_memory(tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("layermix_gen.reading.reader.as_device", torch.device)
        assert tiny.open(device="cuda").options.pin_memory
    assert not tiny.open(device="cpu").options.pin_memory
    asked = []
    empty = torch.empty

    def pinned(*args: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        asked.append(pin_memory)
        return empty(*args, **options)

    with pytest.raises(LayerMixError, match=r"^pin_memory is for copies to a GPU, and there is none; leave it out, or"):
        tiny.open(pin_memory=True)
    monkeypatch.setattr(torch, "empty", pinned)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert len(keys(tiny.open(pin_memory=True))) == 12
    assert asked
    assert all(asked)


@pytest.mark.parametrize(
    ("mean", "std", "dtype", "tolerance"),
    [
        (0.5, 0.5, torch.float32, 1e-6),
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), torch.float32, 1e-6),
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), torch.float16, 5e-3),
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), torch.bfloat16, 4e-2),
    ],
)
def test_normalize(mean: Any, std: Any, dtype: torch.dtype, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 3, 5, 4, 3), np.uint8)
    images = torch.from_numpy(pixels).movedim(-1, 2)
    found = normalize(images, mean, std, dtype)
    expected = torch.from_numpy((pixels / 255 - np.array(mean)) / np.array(std)).movedim(-1, 2)
    assert found.dtype == dtype
    assert found.stride() == images.stride()
    assert (found.double() - expected).abs().max() <= tolerance
    assert torch.equal(images, torch.from_numpy(pixels).movedim(-1, 2))


def test_normalize_one_image(tiny: Truth) -> None:
    images, _ = next(iter(LayerMixDataset(tiny.root, 8)))
    assert torch.equal(normalize(images, 0.5, 0.5)[3], normalize(images[3], 0.5, 0.5))


IMAGES = torch.zeros(2, 3, 5, 4, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (IMAGES.float() / 255, r"torch\.float32 \(2, 3, 5, 4\)"),
        (IMAGES.half(), r"torch\.float16 \(2, 3, 5, 4\)"),
        (IMAGES.int(), r"torch\.int32 \(2, 3, 5, 4\)"),
        (IMAGES.movedim(1, -1), r"torch\.uint8 \(2, 5, 4, 3\)"),
        (IMAGES[0, 0], r"torch\.uint8 \(5, 4\)"),
        (IMAGES.numpy(), "ndarray"),
    ],
)
def test_normalize_takes_images_as_they_are_read(images: Any, found: str) -> None:
    line = rf"^expected uint8 images \(\.\.\., 3, H, W\) as a reader yields them, got {found}; give these, wi"
    with pytest.raises(LayerMixError, match=line):
        normalize(images, 0.5, 0.5)


@pytest.mark.parametrize(
    ("mean", "std", "name"),
    [
        ((123.7, 116.3, 103.5), (0.2, 0.2, 0.2), "mean"),
        ((0.5, 0.5), 0.5, "mean"),
        (float("nan"), 0.5, "mean"),
        (-0.1, 0.5, "mean"),
        ("0.5", 0.5, "mean"),
        (None, 0.5, "mean"),
        ((), 0.5, "mean"),
        (0.5, (0.2, 0.0, 0.2), "std"),
        (0.5, 58.4, "std"),
        (0.5, float("inf"), "std"),
        (0.5, -0.2, "std"),
        (0.5, ((0.2, 0.2, 0.2),), "std"),
    ],
)
def test_normalize_takes_statistics_of_pixels_in_0_to_1(mean: Any, std: Any, name: str) -> None:
    with pytest.raises(LayerMixError, match=rf"^expected one {name} or three in .0, 1\], .*; change {name}=, divided"):
        normalize(IMAGES, mean, std)


def test_normalize_gives_floating_point_numbers() -> None:
    names = r"torch\.float16, torch\.bfloat16, torch\.float32, torch\.float64"
    for dtype in (torch.uint8, torch.complex64, torch.float8_e5m2, "float16", np.float16, None):
        with pytest.raises(LayerMixError, match=rf"^expected one of {names} as the dtype, got .*; change dtype=$"):
            normalize(IMAGES, 0.5, 0.5, dtype)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [torch.tensor, np.array, np.float32, lambda value: torch.tensor([[[value]]] * 3)])
def test_normalize_takes_statistics_as_arrays(make: Any) -> None:
    images = torch.arange(60, dtype=torch.uint8).reshape(1, 3, 5, 4)
    assert torch.equal(normalize(images, make(0.5), make(0.25)), normalize(images, 0.5, 0.25))
    assert normalize(IMAGES, [0, 0.5, 1], [1] * 3)[0, :, 0, 0].tolist() == [0, -0.5, -1]
