"""Grad-CAM: where a model looks, as in the paper's figure 9.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (2017): the feature
maps of a late layer, weighted by the mean gradient of the class's logit with respect to each, added up, and cut off at
zero. It needs no more than a forward hook.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.models.calling import call_model, check_images, gradient, memory_faults
from layermix_gen.evaluate.models.eval_mode import evaluating
from layermix_gen.evaluate.models.normalized import without_normalization

PARTS = 8  # how many of a model's last modules an error message names
STRETCH = 4  # maps whose aspect ratio differs from the image's by more than this factor have another order of axes


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """Grad-CAM of B images: `maps` (B, H, W) in [0, 1], of `classes` (B,) with these `probabilities` (B,)."""

    maps: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    layer: str


def gradcam(model: nn.Module, images: Tensor, *, layer: str = "", target: int | None = None) -> Attention:
    """Grad-CAM of images in [0, 1], (B, 3, H, W): for the class `target`, by default the one that is predicted.

    `layer` is the name, in the model without its normalization, of a module whose output is feature maps (B, C, h, w);
    by default the last one of a convolutional network whose maps have more than one pixel. The model is left as it was.
    Raises `LayerMixError` for other images, where there is no such layer or class, where the class does not depend on
    the layer, and for outputs that are not finite logits.
    """
    check_images(images)
    check_type("layer", layer, str)
    with (
        evaluating(model),
        torch.inference_mode(False),
        torch.enable_grad(),
        memory_faults(len(images), "give fewer images, or smaller ones"),
    ):
        layer = layer or _last_layer(model, images)
        with _recorded(model, images, layer) as outputs:
            logits = _logits(model, images)
            features = _maps_of(layer, outputs, images)
            classes = _explained(logits, target)
            gradients = gradient(logits.gather(1, classes[:, None]).sum(), features)
        if gradients is None:
            raise LayerMixError(
                f"expected logits with a gradient with respect to {layer}, got others; name another --layer, or let "
                "the model run with gradients"
            )
        maps = _weighted(features, gradients).float()[:, None]
        large = F.interpolate(maps, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
        chances = logits.softmax(1).gather(1, classes[:, None])[:, 0]
    return Attention(_numpy(_scaled(large)), _numpy(classes), _numpy(chances), layer)


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    """The logits (B, classes) for a copy of the images, as a model may change its input in place."""
    return call_model(model, images.detach().clone())


def _explained(logits: Tensor, target: int | None) -> Tensor:
    """The classes (B,) to explain."""
    if target is None:
        return logits.argmax(1)
    if isinstance(target, bool | float) or target not in range(logits.shape[1]):
        raise LayerMixError(f"expected a class in [0, {logits.shape[1] - 1}], got {target}; change --class")
    return torch.full((len(logits),), int(target), device=logits.device)


@contextmanager
def _recorded(model: nn.Module, images: Tensor, layer: str) -> Iterator[list[Any]]:
    """Yield a list to which each call of a layer adds its output; feature maps become tensors to differentiate by.

    Leave this context only after the gradient is computed, as `torch.utils.checkpoint` runs the layer again then.
    """
    module = _layers(model).get(layer)
    if module is None:
        parts = [name for name in _layers(model) if name and "." not in name][-PARTS:]
        raise LayerMixError(
            f"expected a layer out of named_modules() ({', '.join(parts) or 'none'}), got {layer!r}; change --layer"
        )
    outputs: list[Any] = []

    def note(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if not _is_maps(output, images):
            outputs.append(output)
            return output
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()  # the next layer may change it in place

    hook = module.register_forward_hook(note)
    try:
        yield outputs
    finally:
        hook.remove()


def _maps_of(layer: str, outputs: list[Any], images: Tensor) -> Tensor:
    """The feature maps (B, C, h, w) that a layer returned last."""
    if outputs and _is_maps(outputs[-1], images):
        maps: Tensor = outputs[-1]
        return maps
    found = f"got {_shape(outputs[-1])}" if outputs else "which did not run"
    raise LayerMixError(
        f"expected feature maps (B, C, h, w), shaped like the images, from {layer}, {found}; name another --layer"
    )


def _weighted(features: Tensor, gradients: Tensor) -> Tensor:
    """The maps (B, h, w) by equations 1 and 2 of the Grad-CAM paper."""
    weights = gradients.mean((2, 3), keepdim=True)
    return (weights * features).sum(1).relu()


def _scaled(maps: Tensor) -> Tensor:
    """Each map divided by its maximum; one that is zero everywhere stays so."""
    return maps / maps.amax((1, 2), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def _numpy(values: Tensor) -> npt.NDArray[Any]:
    return values.detach().cpu().numpy()


def _shape(output: Any) -> str:
    return str(tuple(output.shape)) if isinstance(output, Tensor) else type(output).__name__


# --- which layer -------------------------------------------------------------------------------------------------


def _layers(model: nn.Module) -> dict[str, nn.Module]:
    """The modules by name, without TorchScript's, which take no hooks."""
    named = without_normalization(model).named_modules()
    return {name: module for name, module in named if not isinstance(module, torch.jit.ScriptModule)}


def _is_maps(output: Any, images: Tensor) -> bool:
    """Whether these are feature maps (B, C, h, w) of more than one pixel, with about the images' aspect ratio."""
    if not isinstance(output, Tensor) or output.ndim != 4 or not output.is_floating_point():
        return False
    (height, width), (tall, wide) = images.shape[2:], output.shape[2:]
    return tall * wide > 1 and max(tall * width, wide * height) <= STRETCH * min(tall * width, wide * height)


def _last_layer(model: nn.Module, images: Tensor) -> str:
    """The name of the last module of a convolutional network that returns feature maps.

    Modules after the last convolution may normalize, activate or pool its maps. If the output of one of them has axes
    of another kind, such as the tokens of a transformer, then it is not the maps that decide between the classes.
    """
    last, lost = "", False
    layers = _layers(model)
    convolutional = {
        name for name, module in layers.items() if any(isinstance(part, nn.Conv2d) for part in module.modules())
    }

    def note(name: str, output: Any) -> None:
        nonlocal last, lost
        if _is_maps(output, images):
            if name in convolutional:
                last, lost = name, False
            elif last and not lost:
                last = name
        elif isinstance(output, Tensor) and output.ndim > 2 and output.shape[2:].numel() > 1:
            lost = True

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: note(name, output))
        for name, module in layers.items()
    ]
    try:
        with torch.no_grad():
            _logits(model, images[:1])
    finally:
        for hook in hooks:
            hook.remove()
    if not last:
        raise LayerMixError(
            "expected a layer with feature maps (B, C, h, w) in the model, found none: it is no convolutional network, "
            "or an exported one; give its Python module, or name a --layer"
        )
    if lost:
        raise LayerMixError(
            f"expected a convolutional network, got one that goes on without maps after {last}, as transformers do; "
            "name a --layer whose maps tell the classes, if it has one"
        )
    return last
