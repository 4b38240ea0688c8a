"""Soft labels: the targets of samples that are mixed from two images, and the refusal of labels that would be wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layermix_gen.dataset.names import CLEAN_PLANE
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing.methods import Method
from layermix_gen.reading.order import Ints, Mask
from layermix_gen.sources.labels import MAX_LABEL

LABELLED = "label >= 0 and (label2 >= 0 or label_weight = 1)"
_FIELDS = "fields=('label2', 'label_weight')"


@dataclass(frozen=True, slots=True, eq=False)
class SoftLabels:
    """What the index says of second labels, for targets of `classes` classes.

    `second` (planes, images) are the labels of the second images, -1 where there is none; `weights` (planes, images) in
    [0, 1] are those of the images' own labels.
    """

    second: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    classes: int


def batch_labels(columns: Sequence[Tensor], classes: int) -> Tensor:
    """The labels of a batch: plain ones (B,) without `classes`, else targets (B, classes), float32.

    The columns (B,) are the labels and, for targets, those of the second images, -1 where there is none, and the
    weights of the former, in [0, 1], 1 where there is no second. Each row of the targets sums to 1.
    """
    if not classes:
        return columns[0]
    first, second, weights = columns
    rows = torch.arange(len(first), device=first.device)
    targets = weights.new_zeros(len(first), classes)
    targets[rows, first] = weights
    targets[rows, second.long()] += 1 - weights  # where there is none, 0 is added to the last class
    return targets


def class_count(names: Sequence[str], largest: int, place: str) -> int:
    """How many classes there are by their `names`, or by the `largest` label if they have none.

    Raises `LayerMixError` where the index in `place` has a label of none of them, or one too large for targets.
    """
    classes = len(names) or largest + 1
    if largest >= classes:
        raise LayerMixError(
            f"expected labels below {classes}, the number of classes, in {place}, found {largest}; restore it"
        )
    if classes > MAX_LABEL + 1:
        raise LayerMixError(
            f"expected labels up to {MAX_LABEL} in the index for soft_labels=True, found {largest}, which would be the "
            f"number of classes; ask for {_FIELDS}"
        )
    return classes


def check_labels(views: Sequence[str], method: Method, fields: Sequence[str], *, soft: bool) -> None:
    """Raise `LayerMixError` where labels of these views by a method would be wrong: one for several, or half of two."""
    if soft and len(views) > 1:
        raise LayerMixError(
            f"expected one view of each image with soft_labels=True, got {len(views)}, whose labels may differ; read "
            f"one view, or ask for {_FIELDS}, which come for each view"
        )
    if method.mixes_labels and not soft and "label_weight" not in fields and {*views} != {CLEAN_PLANE}:
        remedy = _FIELDS if len(views) > 1 else f"soft_labels=True, or for {_FIELDS}"
        raise LayerMixError(
            f"expected both labels of variants of {method.name} to be used, got a reader that yields the first alone; "
            f"ask for {remedy}"
        )


def check_labelled(labels: Ints, soft: SoftLabels, shown: Mask) -> None:
    """Raise `LayerMixError` if one of the samples `shown` (planes, images) has no target: a label (images,) is -1."""
    wanting = shown & ((labels < 0) | ((soft.second < 0) & (soft.weights < 1)))
    if wanting.any():
        raise LayerMixError(
            f"expected a label for each image with soft_labels=True, found {wanting.sum()} samples without one or "
            f"mixed with an image without one; leave them out: where={LABELLED!r}"
        )
