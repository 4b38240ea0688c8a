"""Projected gradient descent (PGD): of the images within epsilon of a given one, the worst that a few steps find.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks" (2018), in the L-infinity norm, with the
numbers of PixMix and LayerMix: epsilon 2/255, 20 steps of 0.5/255, a uniform random start. Pixels are in [0, 1].
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.models.calling import call_model, check_pixels, gradient
from layermix_gen.evaluate.models.eval_mode import evaluating
from layermix_gen.evaluate.running.run_options import Attack
from layermix_gen.support.checks import as_whole
from layermix_gen.support.seeds import generator


def attack(model: nn.Module, images: Tensor, labels: Tensor, options: Attack | None = None, first: int = 0) -> Tensor:
    """Adversarial versions (B, 3, H, W) of `images` in [0, 1] with `labels` (B,); `images` itself stays as it is.

    The model takes pixels in [0, 1], is attacked in evaluation mode and left as it was (see `evaluating`). `first` is
    the number of the first image in its suite. The result requires no gradients. Raises `LayerMixError` for other
    images or labels, and where the model fails or gives no gradients.
    """
    options, first = options or Attack(), as_whole("first", first, 0, change="first=")
    check_type("options", options, Attack)
    check_pixels(images)
    _check_labels(labels, images)
    with evaluating(model), torch.inference_mode(False):
        return _attacked(model, images.detach().clone(), labels.clone(), options, first)


def _attacked(model: nn.Module, images: Tensor, labels: Tensor, options: Attack, first: int) -> Tensor:
    """The worst of the last iterates from all starts."""
    best, worst = images, torch.full((len(images),), -torch.inf, device=images.device)
    for restart in range(options.restarts):
        found = _descend(model, images, labels, options, random_starts(images, options, first, restart))
        if options.restarts == 1:
            return found
        score = _score(model, found, labels)
        better = score > worst
        best = torch.where(better[:, None, None, None], found, best)
        worst = torch.where(better, score, worst)
    return best


def random_starts(images: Tensor, options: Attack, first: int, restart: int) -> Tensor:
    """The random starts (B, 3, H, W): uniform within epsilon, seeded by the numbers of the image and the restart."""
    shape = tuple(images.shape[1:])
    draws = [
        generator(options.seed, f"pgd/{first + i}", restart).uniform(-options.epsilon, options.epsilon, shape)
        for i in range(len(images))
    ]
    return torch.from_numpy(np.stack(draws).astype(np.float32)).to(images.device)


def _descend(model: nn.Module, images: Tensor, labels: Tensor, options: Attack, noise: Tensor) -> Tensor:
    """The last iterate of PGD from one random start."""
    released = options.variant == "released"
    center = images + noise if released else images
    current = center if released else (images + noise).clamp(0, 1)
    low, high = center - options.epsilon, center + options.epsilon
    for _ in range(options.steps):
        current = current + options.step_size * _gradient(model, current, labels).sign()
        current = torch.minimum(torch.maximum(current, low), high).clamp(0, 1)
    return current


def _gradient(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The gradient of the sum of cross entropies with respect to the pixels."""
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        loss = F.cross_entropy(_logits(model, images, labels), labels, reduction="sum")
        found = gradient(loss, images)
    if found is None:
        raise LayerMixError("expected a model with gradients to attack, got outputs without; leave pgd out")
    return found


@torch.no_grad()
def _score(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The greatest logit of a wrong class minus that of the label: positive where the model is misled."""
    logits = _logits(model, images, labels)
    own = logits.gather(1, labels[:, None])[:, 0]
    return logits.scatter(1, labels[:, None], -torch.inf).amax(1) - own


def _logits(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The logits (B, classes). Raises `LayerMixError` for a label that is none of the classes."""
    logits = call_model(model, images)
    if bad := labels[(labels < 0) | (labels >= logits.shape[1])].tolist():
        raise LayerMixError(
            f"expected labels in [0, {logits.shape[1] - 1}] for this model, got {bad[0]}; give the model that was "
            "trained on them"
        )
    return logits


def _check_labels(labels: Tensor, images: Tensor) -> None:
    """Raise `LayerMixError` unless there is one label for each image, on the same device."""
    check_type("labels", labels, Tensor, "use torch.as_tensor")
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        raise LayerMixError(
            f"expected labels ({len(images)},) of torch.int64, got {labels.dtype} {tuple(labels.shape)}; give one for "
            "each image"
        )
    if labels.device != images.device:
        raise LayerMixError(
            f"expected labels on {images.device}, as the images are, got some on {labels.device}; move them there"
        )
