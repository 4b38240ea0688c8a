"""A model that includes the normalization of its training, so that it takes, and attacks change, pixels in [0, 1]."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.models.model_specs import FORMS
from layermix_gen.evaluate.models.python_file import neighbours


class Normalized(nn.Module):
    """A model that is given (pixels - mean) / std. `mean` and `std` are one number, or one for each channel.

    `folder` is where the model may import from as it runs, in addition to Python's own path.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: nn.Module,
        mean: Sequence[float] | float = 0.0,
        std: Sequence[float] | float = 1.0,
        folder: str = "",
    ) -> None:
        super().__init__()
        check_type("folder", folder, str)
        self.model, self.folder = as_module(model), folder
        means, stds = _channels(mean), _channels(std)
        if not means or not stds or min(stds) <= 0:
            raise LayerMixError(
                "expected one finite number or three as mean and as std, which is above 0, "
                f"got mean {_said(mean)} and std {_said(std)}; change --mean and --std"
            )
        self.register_buffer("mean", torch.tensor(means, dtype=torch.float32).reshape(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(stds, dtype=torch.float32).reshape(-1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, classes) of pixels in [0, 1], (B, 3, H, W)."""
        with neighbours(self.folder) if self.folder else nullcontext():
            return self.model((pixels - self.mean) / self.std)

    @property
    def normalization(self) -> str:
        """Mean and std as text, such as `mean 0.5, std 0.5`."""
        return f"mean {_said(self.mean.flatten().tolist())}, std {_said(self.std.flatten().tolist())}"


def without_normalization(model: nn.Module) -> nn.Module:
    """The user's model without `Normalized` around it: its modules and weights have the names that the user knows."""
    return model.model if isinstance(model, Normalized) else model


def as_module(model: Any) -> nn.Module:
    """Return `model` itself. Raises `LayerMixError` unless it is a module."""
    if not isinstance(model, nn.Module):
        raise LayerMixError(f"expected a torch.nn.Module, got {type(model).__name__}; give {FORMS}, or a module")
    return model


def _channels(values: Any) -> list[float]:
    """One finite number or three as a list, which is empty where `values` is anything else."""
    try:
        numbers = np.atleast_1d(np.asarray(values, np.float64))
    except (TypeError, ValueError):
        return []
    return numbers.tolist() if numbers.shape in ((1,), (3,)) and bool(np.isfinite(numbers).all()) else []


def _said(values: Any) -> str:
    try:
        return " ".join(f"{float(value):.6g}" for value in np.atleast_1d(values))
    except (TypeError, ValueError):
        return repr(values)
