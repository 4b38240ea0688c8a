"""Where a model looks: Grad-CAM, and a sheet of images with it, as in the paper's figure 9.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (2017): the feature
maps of a late layer, weighted by the mean gradient of the class's logit with respect to each, added up, and cut off at
zero. Two hooks are all it takes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models import evaluating


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """Grad-CAM of B images: `maps` (B, H, W) in [0, 1], of `classes` (B,) with these `probabilities` (B,)."""

    maps: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    layer: str


def gradcam(model: nn.Module, images: Tensor, *, layer: str = "", target: int | None = None) -> Attention:
    """Grad-CAM of images in [0, 1], (B, 3, H, W): for the class `target`, by default the one that is predicted.

    `layer` names a module whose output is feature maps (B, C, h, w), by default the last one whose maps have more than
    one pixel. The model is left as it was. Raises `LayerMixError` where there is no such layer, and no such class.
    """
    with evaluating(model):
        layer = layer or _last_layer(model, images[:1])
        module = dict(model.named_modules()).get(layer)
        if module is None:
            raise LayerMixError(f"expected a layer of the model, got {layer!r}; see named_modules()")
        features: list[Any] = []
        hook = module.register_forward_hook(lambda _module, _inputs, output: features.append(output))
        try:
            with torch.enable_grad():
                logits = model(images.detach().requires_grad_())
        finally:
            hook.remove()
        if not features or not _is_maps(features[-1]):
            raise LayerMixError(f"expected feature maps (B, C, h, w) from {layer}, got others; name another --layer")
        if target is not None and not 0 <= target < logits.shape[1]:
            raise LayerMixError(f"expected a class in [0, {logits.shape[1] - 1}], got {target}; change --class")
        classes = logits.argmax(1) if target is None else torch.full((len(images),), target, device=logits.device)
        chosen = logits.gather(1, classes[:, None])[:, 0]
        maps = _weighted(features[-1], torch.autograd.grad(chosen.sum(), features[-1])[0])
        large = F.interpolate(maps[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
        chances = logits.softmax(1).gather(1, classes[:, None])[:, 0]
    return Attention(_numpy(_scaled(large)), _numpy(classes), _numpy(chances), layer)


def _weighted(features: Tensor, gradients: Tensor) -> Tensor:
    """Equations 1 and 2 of the paper: (B, h, w)."""
    weights = gradients.mean((2, 3), keepdim=True)
    return (weights * features).sum(1).relu()


def _scaled(maps: Tensor) -> Tensor:
    """Each map divided by its maximum; one that is zero everywhere stays so."""
    return maps / maps.amax((1, 2), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def _numpy(values: Tensor) -> npt.NDArray[Any]:
    return values.detach().cpu().numpy()


def _is_maps(output: Any) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1


def _last_layer(model: nn.Module, images: Tensor) -> str:
    """The module that is the last to give feature maps of more than one pixel."""
    seen: list[str] = []

    def note(name: str, output: Any) -> None:
        if _is_maps(output):
            seen.append(name)

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: note(name, output))
        for name, module in model.named_modules()
    ]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise LayerMixError(
            "expected a layer with feature maps (B, C, h, w) in the model, found none: it is no convolutional network, "
            "or an exported one; give its Python module"
        )
    return seen[-1]
