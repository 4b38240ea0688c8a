"""A model that is ready to be run: loaded or given, with its normalization, on its device."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models.loading import load_model
from layermix_gen.evaluate.models.normalized import Normalized
from layermix_gen.evaluate.models.weights import check_weights
from layermix_gen.evaluate.running.run_options import Forward
from layermix_gen.evaluate.suites import Part


def prepare_model(
    model: str | nn.Module,
    checkpoint: str | Path | None,
    mean: Sequence[float] | float | None,
    std: Sequence[float] | float | None,
    forward: Forward,
    parts: Sequence[Part],
    seed: int = 0,
) -> tuple[Normalized, Forward, str]:
    """The model on its device, the `Forward` to run it with, and its name.

    A model of timm gets as many outputs as the parts have classes; `seed` is that of weights which no checkpoint sets.
    """
    if isinstance(model, str):
        n_classes = max(part.classes or _least_classes(part) for part in parts)
        loaded = load_model(model, checkpoint, mean=mean, std=std, n_classes=n_classes, seed=seed)
        return loaded.to(forward.device), forward, model
    if checkpoint is not None:
        raise LayerMixError("expected a module with its weights, got a checkpoint too; load it into the module first")
    check_weights(model)
    weight = next(iter(model.parameters()), None)
    device = str(weight.device) if weight is not None else forward.device
    wrapped = Normalized(model, 0.0 if mean is None else mean, 1.0 if std is None else std)
    wrapped.mean, wrapped.std = wrapped.mean.to(device), wrapped.std.to(device)
    wrapped.training = model.training
    return wrapped, replace(forward, device=device), type(model).__qualname__


def _least_classes(part: Part) -> int:
    return 0 if part.labels is None else int(part.labels.max()) + 1
