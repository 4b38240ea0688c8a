"""The weights of a model: check that all of them are there, and compute their digests."""

import hashlib
import io
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models.normalized import as_module, without_normalization


def check_weights(model: nn.Module) -> None:
    """Raise `LayerMixError` unless this is a module whose parameters and buffers are all there, dense and usable."""
    given = without_normalization(as_module(model))
    for name, value in chain(given.named_parameters(), given.named_buffers()):
        if is_lazy(value):
            fault, remedy = "a lazy one without a shape", "run the model once on an image before you return it"
        elif value.is_meta:
            fault, remedy = "one on the meta device, without numbers", "make the model on the CPU"
        elif value.layout != torch.strided:
            fault, remedy = f"one of layout {value.layout}", "make it dense by to_dense()"
        elif isinstance(value, nn.Parameter) and value.is_inference():
            fault, remedy = "one of inference_mode", "make the model outside of torch.inference_mode()"
        else:
            continue
        raise LayerMixError(f"expected a model with all of its weights, got {name}, {fault}; {remedy}")


def weights_digest(model: nn.Module) -> str:
    """The sha256 of all weights with their names: two runs of the same model have the same one."""
    digest = hashlib.sha256()
    for name, one in weight_digests(model).items():
        digest.update(f"{name} {one}\n".encode())
    return digest.hexdigest()


def weight_digests(model: nn.Module) -> dict[str, str]:
    """The sha256 of each weight by its name, in the order of names."""
    return {name: _digest(value) for name, value in sorted(model.state_dict().items())}


def _digest(value: Any) -> str:
    if not isinstance(value, Tensor):  # the packed weights of a quantized layer, or another module's extra state
        torch.save(value, packed := io.BytesIO())
        return hashlib.sha256(packed.getvalue()).hexdigest()
    digest = hashlib.sha256(f"{value.dtype} {tuple(value.shape)}\n".encode())
    digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
