"""Run a model over a part of a suite, batch by batch, while the next batches are read.

Memory is bounded by a few batches and the 52 bytes that are kept for each image, but where logits are kept.
"""

from collections.abc import Callable, Iterable, Iterator
from types import NoneType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.models.calling import CHECK, call_model, check_images, memory_faults
from layermix_gen.evaluate.models.eval_mode import evaluating
from layermix_gen.evaluate.results.predictions import (
    AnyPredictions,
    Predictions,
    SequencePredictions,
    most_probable,
    predicted,
)
from layermix_gen.evaluate.running.pgd import attack
from layermix_gen.evaluate.running.run_options import PRECISIONS, Attack, Forward
from layermix_gen.evaluate.suites.base import Part
from layermix_gen.evaluate.suites.batching import Images, rebatched
from layermix_gen.support.threads import read_ahead

AHEAD = 2  # batches that are read ahead
FRAMES = 31  # in most videos: a first guess
T = TypeVar("T")


def logits_of(model: nn.Module, images: Tensor, forward: Forward) -> Tensor:
    """The logits (B, classes) of pixels in [0, 1], as float32. Raises `LayerMixError` as `call_model` does."""
    check_images(images)
    dtype = PRECISIONS[forward.precision]
    if not dtype:
        return call_model(model, images)
    with torch.autocast(torch.device(forward.device).type, getattr(torch, dtype)):
        return call_model(model, images, f"{CHECK}, or evaluate without --amp")


def predict(
    model: nn.Module,
    part: Part,
    forward: Forward | None = None,
    *,
    attacked: Attack | None = None,
    watch: Callable[[int], Any] = lambda _: None,
) -> AnyPredictions:
    """The predictions of `model` for every image of a part, or for adversarial versions of them with `attacked`.

    The model takes pixels in [0, 1], is on the device, runs in evaluation mode and is left as it was. `watch` is called
    with the number of images, or videos, that each batch completed. Raises `LayerMixError` for outputs that do not fit
    the part, for a model that fails, and where memory runs out.
    """
    forward = forward or Forward()
    check_type("part", part, Part, "open it from what find_suite returns")
    check_type("forward", forward, Forward)
    check_type("attacked", attacked, (Attack, NoneType))
    with evaluating(model), memory_faults(forward.batch_size):
        if part.labels is None:
            return _predict_videos(model, part, forward, watch)
        return _predict_images(model, part, part.labels, forward, attacked, watch)


def labelled_logits(
    model: nn.Module, part: Part, forward: Forward, watch: Callable[[int], Any] = lambda _: None
) -> tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.int64]]]:
    """The logits (N, C), with no temperature, of all images of a part, and their labels (N,); memory holds them all."""
    if part.labels is None:
        raise LayerMixError("expected labelled images, got videos; give a test set")
    rows = _Rows(part.labels.size)
    with evaluating(model), memory_faults(forward.batch_size):
        for batch in _batches(part.batches(forward.batch_size), forward):
            rows.add(_outputs(model, as_pixels(batch, forward), part, forward))
            watch(len(batch))
    return rows.values, part.labels.ravel()


def _predict_images(
    model: nn.Module,
    part: Part,
    labels: np.ndarray[Any, np.dtype[np.int64]],
    forward: Forward,
    attacked: Attack | None,
    watch: Callable[[int], Any],
) -> Predictions:
    rows = [_Rows(labels.size) for _ in ("classes", "probabilities", "log_likelihoods")]
    answers, done, n_classes = labels.ravel(), 0, 0
    for batch in _batches(part.batches(forward.batch_size), forward):
        images = as_pixels(batch, forward)
        expected = answers[done : done + len(images)]
        if attacked:
            targets = expected if part.among is None else part.among[expected]
            images = attack(model, images, torch.from_numpy(targets).to(images.device), attacked, done)
        said = predicted(_outputs(model, images, part, forward) / np.float32(forward.temperature), expected)
        for column, values in zip(rows, (said.classes, said.probabilities, said.log_likelihoods), strict=True):
            column.add(values[0])
        n_classes = said.n_classes
        done += len(images)
        watch(len(images))
    if done != answers.size:
        raise LayerMixError(f"expected {answers.size} images, read {done}; check the data")
    classes, probabilities, log_likelihoods = (
        column.values.reshape(*labels.shape, *column.values.shape[1:]) for column in rows
    )
    return Predictions(labels, classes, probabilities, log_likelihoods, n_classes, part.severities)


def _predict_videos(model: nn.Module, part: Part, forward: Forward, watch: Callable[[int], Any]) -> SequencePredictions:
    classes, n_classes = _Rows(part.total * FRAMES), 0
    lengths: list[int] = []

    def videos() -> Iterator[Images]:
        for video in part.pieces(forward.batch_size):
            lengths.append(len(video))
            yield video

    frames = seen = 0
    for batch in _batches(rebatched(videos(), forward.batch_size, part.size), forward):
        logits = _outputs(model, as_pixels(batch, forward), part, forward)
        n_classes = logits.shape[1]
        classes.add(most_probable(logits))
        frames += len(batch)
        before, seen = seen, int(np.searchsorted(np.cumsum(lengths), frames, "right"))
        watch(seen - before)
    return SequencePredictions(classes.values, np.array(lengths, np.int64), n_classes)


@torch.no_grad()  # not inference_mode: a model may keep its tensors, and an attack could not use them
def _outputs(model: nn.Module, images: Tensor, part: Part, forward: Forward) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The logits (B, classes) of the part's classes. Raises `LayerMixError` where they do not fit the part."""
    logits = logits_of(model, images, forward)
    check_classes(logits.shape[1], part)
    values: np.ndarray[Any, np.dtype[np.float32]] = logits.cpu().numpy()
    return values if part.among is None else values[:, part.among]


def check_classes(classes: int, part: Part) -> None:
    """Raise `LayerMixError` unless a model has as many classes as the part or, if unknown, enough for its labels."""
    least = part.classes or (int(part.labels.max()) + 1 if part.labels is not None else 1)
    if classes < least or (part.classes and classes != part.classes):
        raise LayerMixError(
            f"expected a model of {least} classes for this data, got one of {classes}; give the model that was trained "
            "on it, or other --data"
        )


class _Rows:
    """Rows in one array that grows.

    Many small arrays, allocated between batches, would keep the heap from being reused: 50,000 images took 600 MB.
    """

    def __init__(self, expected: int) -> None:
        self._expected, self._count = expected, 0
        self._array: np.ndarray[Any, Any] | None = None

    def add(self, rows: np.ndarray[Any, Any]) -> None:
        """Append rows, all of the same shape and dtype."""
        if self._array is None:
            self._array = np.empty((max(self._expected, len(rows)), *rows.shape[1:]), rows.dtype)
        end = self._count + len(rows)
        if end > len(self._array):
            larger = np.empty((2 * end, *rows.shape[1:]), rows.dtype)
            larger[: self._count] = self._array[: self._count]
            self._array = larger
        self._array[self._count : end] = rows
        self._count = end

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """All rows."""
        return np.empty((0,)) if self._array is None else self._array[: self._count].copy()


# --- batches -----------------------------------------------------------------------------------------------------


def _batches(images: Iterable[Images], forward: Forward) -> Iterator[Tensor]:
    """Batches as tensors. For a GPU a thread reads ahead, into pinned memory.

    A model on the CPU uses all cores, and would wait for the core that a thread takes; besides, the operating system
    reads arrays ahead, and the threads that decode image files do the same.
    """
    kind = torch.device(forward.device).type
    if kind == "cpu":
        return map(torch.from_numpy, images)
    pinned = kind == "cuda"

    def tensors() -> Iterator[Tensor]:
        for batch in images:
            tensor = torch.from_numpy(batch)
            yield tensor.pin_memory() if pinned else tensor

    return read_ahead(tensors(), AHEAD)


def as_pixels(batch: Tensor, forward: Forward) -> Tensor:
    """Images, uint8 (B, H, W, 3), as pixels in [0, 1], float32 (B, 3, H, W), on the device."""
    images = batch.to(forward.device, non_blocking=True).permute(0, 3, 1, 2)
    return images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
