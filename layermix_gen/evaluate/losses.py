"""Losses for training: on several views of an image, and on images that belong to no class."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_real, check_type

JSD_WEIGHT = 12.0
OUTLIER_WEIGHT = 0.5
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
LEAST = 1e-7  # the mean of the predictions is clamped to at least this before its logarithm


def jsd_loss(logits: Tensor, labels: Tensor, weight: float = JSD_WEIGHT) -> Tensor:
    """Cross entropy of the first view plus a weighted Jensen-Shannon divergence between the predictions for all views.

    CE(p_1) + weight * mean over views of KL(p_i || M), where M is the mean of the predictions p_i: the loss of AugMix
    (Hendrycks et al. 2020), in which the first view is the clean one. `logits` are (B, V, C) for V views of each of B
    images, as `LayerMixDataset` orders them; `labels` are (B,), integers in [0, C). Returns a scalar, in float32 at
    least. Raises `LayerMixError` for other shapes and types, a negative weight, and on the CPU for
    labels out of range.
    """
    _check(logits, labels, weight)
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logs = exact.log_softmax(-1)  # its gradient stays finite where a probability has become 0
    predictions = logs.exp()
    mixture = predictions.mean(1, keepdim=True).clamp(LEAST, 1).log()
    apart = (predictions * (logs - mixture)).sum(-1).mean()
    return F.cross_entropy(exact[:, 0], labels.long()) + weight * apart


def outlier_loss(logits: Tensor, weight: float = OUTLIER_WEIGHT) -> Tensor:
    """Outlier exposure (Hendrycks, Mazeika and Dietterich 2019): the loss of predictions for images of no class.

    weight * mean over images of the cross entropy between the uniform distribution and the prediction, which is log C
    at least, for a uniform prediction. It is added to the loss of the training images. `logits` are (B, C). Returns a
    scalar, in float32 at least. Raises `LayerMixError` for other shapes and types, and a negative weight.
    """
    check_type("logits", logits, Tensor, "use torch.as_tensor")
    check_real("weight", weight, 0, math.inf, "change weight=")
    if logits.dim() != 2 or not logits.numel() or not logits.is_floating_point():
        raise LayerMixError(
            f"expected floating-point logits (B, C), got {logits.dtype} {tuple(logits.shape)}; give the outliers'"
        )
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return -weight * exact.log_softmax(1).mean()


def _check(logits: Tensor, labels: Tensor, weight: float) -> None:
    check_type("logits", logits, Tensor, "use torch.as_tensor")
    check_type("labels", labels, Tensor, "use torch.as_tensor")
    check_real("weight", weight, 0, math.inf, "change weight=")
    if logits.dim() != 3 or logits.shape[1] < 2 or labels.shape != logits.shape[:1] or not logits.numel():
        raise LayerMixError(
            f"expected logits (B, V, C) of at least 2 views and labels (B,), got {tuple(logits.shape)} and "
            f"{tuple(labels.shape)}; use logits.unflatten(0, (B, V))"
        )
    if not logits.is_floating_point() or labels.dtype not in INTEGERS:
        raise LayerMixError(
            f"expected floating-point logits and integer labels, got {logits.dtype} and {labels.dtype}; convert them"
        )
    if labels.device != logits.device:
        raise LayerMixError(
            f"expected labels on {logits.device}, as the logits are, got some on {labels.device}; move them there"
        )
    if labels.device.type == "cpu":  # on a GPU the check would stall every step, and the GPU reports bad labels itself
        least, most = labels.aminmax()
        if least < 0 or most >= logits.shape[2]:
            raise LayerMixError(
                f"expected labels in [0, {logits.shape[2] - 1}] for {logits.shape[2]} classes, got {int(least)} to "
                f"{int(most)}; give the model as many outputs as there are classes, and train on labelled images"
            )
