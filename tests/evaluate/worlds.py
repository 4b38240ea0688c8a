"""Small datasets in each published layout, and models to evaluate on them."""

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image as PillowImage
from torch import nn

from layermix_gen.evaluate.benchmarks import CBAR, C, P

SEVERITIES = 5
WNIDS = ("n01440764", "n01443537", "n01484850", "n02007558")
VIDEO_FRAMES = {"n01440764": 3, "n01443537": 5, "n01484850": 4, "n02007558": 6}

MODEL_FILE = """
import torch
from torch import nn

class Mean(nn.Module):
    '''Logits by the mean of each channel: as many classes as `weight` has rows.'''
    def __init__(self, classes):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.linear = nn.Linear(3, classes)
        self.linear.weight.data = torch.randn(classes, 3, generator=generator) * 9
        self.linear.bias.data = torch.randn(classes, generator=generator) / 9

    def forward(self, images):
        return self.linear(images.mean((2, 3)) - 0.47)

def ten():
    return Mean(10)

def four():
    return Mean(4)

def five():
    return Mean(5)

def unsure():
    model = Mean(10)
    model.linear.weight.data /= 20
    model.linear.bias.data /= 20
    return model

def nan():
    model = Mean(10)
    model.linear.bias.data[3] = float("nan")
    return model

def broken():
    return undefined_name

def number():
    return 3
"""


AS_THEY_ARE: dict[str, Any] = {"mean": 0.0, "std": 1.0}  # pixels, for these models
PIXELS = ("--mean", "0", "--std", "1")  # the same on the command line


def write_models(folder: Path) -> Path:
    """A file of models for `--model`."""
    path = folder / "models.py"
    path.write_text(MODEL_FILE)
    return path


def load_from(path: Path, name: str) -> nn.Module:
    """The model `name` of that file, loaded in another way than by the package."""
    names: dict[str, Any] = {}
    exec(path.read_text(), names)  # noqa: S102
    return names[name]()


class Answering(nn.Module):
    """A model without weights or modes, which returns `answer(images)`."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, images):
        return self.answer(images)


def pixels(seed: int, *shape: int) -> np.ndarray:
    """Random pixels whose mean differs from image to image."""
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 120, (shape[0],) + (1,) * (len(shape) - 2) + (3,))
    return (low + rng.integers(0, 120, shape)).astype(np.uint8)


def logits_of(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """The logits of images (N, H, W, 3), one by one: a second route, without batches or threads."""
    model.eval()
    with torch.no_grad():
        rows = [model(torch.tensor(image / 255, dtype=torch.float32).permute(2, 0, 1)[None]) for image in images]
    return torch.cat(rows).numpy()


# --- CIFAR -----------------------------------------------------------------------------------------------------------


def write_cifar10(root: Path, count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """The Python version of CIFAR-10 with `count` test images; returns these and their labels."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    images, labels = pixels(0, count, 32, 32, 3), np.arange(count) % 10
    rows = images.transpose(0, 3, 1, 2).reshape(count, -1)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for name in names:
        content = {b"data": np.ascontiguousarray(rows), b"labels": labels.tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=3))
    classes = [f"class {number}".encode() for number in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": classes}, protocol=3))
    return images, labels


def write_cifar10_binary(root: Path, count: int) -> None:
    """The binary version, of black images."""
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    records = np.zeros((count, 3073), np.uint8)
    records[:, 0] = np.arange(count) % 10
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
        (folder / name).write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(f"class{number}" for number in range(10)))


def write_corruptions(folder: Path, names: tuple[str, ...] = C, count: int = 20, size: int = 32) -> None:
    """A folder like CIFAR-10-C."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        np.save(folder / f"{name}.npy", pixels(number + 1, SEVERITIES * count, size, size, 3))
    np.save(folder / "labels.npy", np.tile(np.arange(count) % 10, SEVERITIES))


def write_perturbations(folder: Path, names: tuple[str, ...] = P, count: int = 6) -> None:
    """A folder like CIFAR-10-P, with as many frames as there."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        frames = {"motion_blur": 21, "translate": 16}.get(name, 31)
        np.save(
            folder / f"{name}.npy", pixels(number + 40, count * frames, 32, 32, 3).reshape(count, frames, 32, 32, 3)
        )


def write_cifar_world(root: Path) -> Path:
    """CIFAR-10 with C, C-bar and P under their published names."""
    write_cifar10(root)
    write_corruptions(root / "CIFAR-10-C")
    write_corruptions(root / "CIFAR-10-C-Bar", CBAR["cifar"])
    write_perturbations(root / "CIFAR-10-P")
    return root


# --- ImageNet --------------------------------------------------------------------------------------------------------


def write_photographs(folder: Path, seed: int, height: int = 224, width: int = 224, each: int = 2, wnids=WNIDS) -> None:
    """Class folders of JPEG files."""
    for number, wnid in enumerate(wnids):
        (folder / wnid).mkdir(parents=True)
        for image in range(each):
            low = np.random.default_rng((seed, number, image)).integers(0, 255, (7, 7, 3)).astype(np.uint8)
            picture = PillowImage.fromarray(low).resize((width, height), PillowImage.Resampling.BICUBIC)
            picture.save(folder / wnid / f"ILSVRC2012_val_{number}{image}.JPEG", quality=90)


def write_videos(folder: Path) -> None:
    """ImageNet-P: mp4 files of different lengths."""
    for number, name in enumerate(P):
        for wnid, frames in VIDEO_FRAMES.items():
            (folder / name / wnid).mkdir(parents=True)
            write_video(folder / name / wnid / "ILSVRC2012_val_0.mp4", frames, seed=number)


def write_video(path: Path, frames: int, seed: int, size: int = 224) -> None:
    """Frames that grow brighter or darker, so that predictions change."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (size, size))
    rng = np.random.default_rng((seed, frames))
    for _ in range(frames):
        writer.write(np.broadcast_to(rng.integers(0, 255, 3).astype(np.uint8), (size, size, 3)).copy())
    writer.release()


def write_imagenet_world(root: Path) -> Path:
    """ImageNet's validation set, C, C-bar, R and P under their published names, with four classes."""
    write_photographs(root / "val", 0, 300, 400)
    for suite, names in (("ImageNet-C", C), ("ImageNet-C-Bar", CBAR["imagenet"])):
        for number, name in enumerate(names):
            for severity in range(1, SEVERITIES + 1):
                level = f"{severity * 1.15:.2f}" if name == "plasma_noise" else str(severity)
                write_photographs(root / suite / name / level, number * 10 + severity, each=1)
    write_photographs(root / "imagenet-r", 1, 330, 250, wnids=WNIDS[1:3])
    write_videos(root / "ImageNet-P")
    return root
