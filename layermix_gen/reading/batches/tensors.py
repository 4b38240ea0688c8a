"""Batches as they are handed out: tensors of images and labels, and metadata if it was asked for."""

from collections.abc import Sequence
from typing import Any

import torch

from layermix_gen.reading.batches.loader import Batch
from layermix_gen.reading.batches.metadata import collate
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.soft_labels import batch_labels


def as_tensors(batch: Batch, selection: Selection, fields: Sequence[str], *, several: bool) -> tuple[Any, ...]:
    """Images (B, 3, H, W), or (B, V, 3, H, W) with `several` views, their labels, and a dict of the fields if any."""
    images = torch.from_numpy(batch.pixels).movedim(-1, 2)
    return (images if several else images[:, 0], *labels_and_fields(batch, selection, fields, several=several))


def labels_and_fields(batch: Batch, selection: Selection, fields: Sequence[str], *, several: bool) -> tuple[Any, ...]:
    """The labels of a batch, and a dict of the fields if any."""
    columns = selection.label_columns(batch.rows[batch.shown], batch.planes[batch.shown, 0])
    if batch.mixed:
        columns[1:] = batch.mixed
    labels = batch_labels([*map(torch.from_numpy, columns)], selection.classes)
    return (labels, collate(batch.metadata, fields, many=several)) if fields else (labels,)
