"""Models to evaluate: from a function, from timm or as exported by torch, with a checkpoint and with normalization.

A model takes pixels in [0, 1], float (B, 3, H, W), and gives logits (B, classes). What training did to the pixels first
is a part of the model (`Normalized`), as an attack moves pixels and not normalized numbers.
"""

import hashlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.checkpoints import load_weights
from layermix_gen.evaluate.python_file import model_from, neighbours
from layermix_gen.support.text import first_line

FORMS = "PATH.py:function, timm:NAME or PATH.pt2"


class Normalized(nn.Module):
    """A model that is given (pixels - mean) / std. `mean` and `std` are one number, or one for each channel.

    `folder` is where the model may import from as it runs, beside what Python finds anyway.
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
        """`mean 0.5, std 0.5`."""
        return f"mean {_said(self.mean.flatten().tolist())}, std {_said(self.std.flatten().tolist())}"


def without_normalization(model: nn.Module) -> nn.Module:
    """The model as it was given, whose modules and weights have the names that the user knows."""
    return model.model if isinstance(model, Normalized) else model


def as_module(model: Any) -> nn.Module:
    """The same. Raises `LayerMixError` unless it is a module."""
    if not isinstance(model, nn.Module):
        raise LayerMixError(f"expected a torch.nn.Module, got {type(model).__name__}; give {FORMS}, or a module")
    return model


def _channels(values: Any) -> list[float]:
    """One finite number or three, or none where it is something else."""
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


def load_model(
    spec: str,
    checkpoint: str | Path | None = None,
    *,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    n_classes: int = 0,
    seed: int = 0,
) -> Normalized:
    """Load a model on the CPU, as it is trained: `PATH.py:function`, `timm:NAME` or `PATH.pt2`.

    The function is called without arguments and returns the module. A timm model gets `n_classes` outputs (0: as many
    as it has by default), and no weights but those of the `checkpoint`, which is read with `weights_only` and has to
    fit strictly. By default pixels are normalized as a timm model's configuration says, and left in [0, 1] for others.
    Weights that no checkpoint sets are drawn from `seed`. A Python file runs as it is loaded, and an exported model may
    run code, too: load only those of people you trust. Raises `LayerMixError` for what cannot be loaded.
    """
    if n_classes < 0:
        raise LayerMixError(f"expected at least 0 classes, got {n_classes}; change --classes")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _load(spec, n_classes)
    check_weights(model)
    if checkpoint is not None:
        if spec.endswith(".pt2"):
            raise LayerMixError(f"expected no checkpoint for {spec}, which holds its weights; leave --checkpoint out")
        load_weights(model, Path(checkpoint))
    default = getattr(model, "pretrained_cfg", {}) if spec.startswith("timm:") else {}
    mean = (default.get("mean") or 0.0) if mean is None else mean
    std = (default.get("std") or 1.0) if std is None else std
    path = spec.rpartition(":")[0]
    return Normalized(model, mean, std, str(Path(path).resolve().parent) if path.endswith(".py") else "")


def _load(spec: str, n_classes: int) -> nn.Module:
    if not isinstance(spec, str):
        raise LayerMixError(f"expected a model as {FORMS}, got {type(spec).__name__}; change the model")
    path, _, function = spec.rpartition(":")
    if spec.startswith("timm:"):
        return _from_timm(spec.removeprefix("timm:"), n_classes)
    if spec.endswith(".pt2"):
        return _exported(Path(spec))
    if path.endswith(".py"):
        return model_from(Path(path), function)
    raise LayerMixError(f"expected a model as {FORMS}, got {spec!r}; change --model")


def _from_timm(name: str, n_classes: int) -> nn.Module:
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # the latter of a torchvision that is made for another torch
        raise LayerMixError(
            f"cannot import timm: {first_line(error)}; pip install 'layermix-gen[eval]', and the torchvision of this "
            "torch"
        ) from error
    if not timm.is_model(name):
        raise LayerMixError(f"expected the name of a timm model, got {name!r}; see timm.list_models()")
    options: dict[str, Any] = {"num_classes": n_classes} if n_classes else {}
    try:
        return timm.create_model(name, pretrained=False, **options)
    except Exception as error:  # such as a pretrained tag that is unknown, or an architecture without a classifier
        raise LayerMixError(f"timm cannot make {name!r}: {first_line(error)}; change --model") from error


def _exported(path: Path) -> nn.Module:
    if not path.is_file():
        raise LayerMixError(f"expected a model at {path}, found no file there; change --model")
    with _silent_export() as said:
        try:
            program = torch.export.load(path)
        except Exception as error:
            raise LayerMixError(
                f"expected a model that torch.export.save wrote in {path}, got {first_line((*said, error)[0])}; "
                "export it again"
            ) from error
    if _trains(program.graph):
        raise LayerMixError(f"{path} was exported in training mode; call eval() on the model, then export it again")
    return program.module()


@contextmanager
def _silent_export() -> Iterator[list[BaseException]]:
    """Keep what torch.export logs of a failure off the terminal; yields the errors that it logged."""
    said: list[BaseException] = []

    def note(record: logging.LogRecord) -> bool:
        said.extend(filter(None, [record.exc_info[1]] if record.exc_info else []))
        return False

    logger = logging.getLogger("torch.export")
    logger.addFilter(note)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield said
    finally:
        logger.removeFilter(note)


def _trains(graph: torch.fx.Graph) -> bool:
    """Whether a graph normalizes by its batches or drops units: the argument that says so is fixed in it."""
    at = {torch.ops.aten.batch_norm.default: 5, torch.ops.aten.dropout.default: 2}
    return any(node.target in at and node.args[at[node.target]] is True for node in graph.nodes)


# --- weights -----------------------------------------------------------------------------------------------------


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
    """The sha256 of all weights with their names: what two runs have in common that evaluate one model."""
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


# --- modes -------------------------------------------------------------------------------------------------------


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, without gradients of its weights, and leave every flag as it was.

    Raises `LayerMixError` where a part of it stays in training mode, as BatchNorm would take its statistics from the
    test set, and where `check_weights` does.
    """
    check_weights(model)
    training = {module: module.training for module in model.modules()}
    gradients = {weight: weight.requires_grad for weight in model.parameters()}
    mode = model.training
    try:
        _set_eval(model)
        for weight in gradients:
            weight.requires_grad_(False)
        yield
    finally:
        if mode:
            _set_train(model)
        for module, flag in training.items():
            module.training = flag
        for weight, flag in gradients.items():
            weight.requires_grad_(flag)


def _set_eval(model: nn.Module) -> None:
    try:
        model.eval()
    except NotImplementedError:  # an exported model, whose mode is fixed: the flags mean nothing to it
        for module in model.modules():
            module.training = False
    if wrong := [name or "the model" for name, module in model.named_modules() if module.training]:
        raise LayerMixError(f"expected evaluation mode after eval(), found {wrong[0]} in training mode; mend the model")


def _set_train(model: nn.Module) -> None:
    """Undo what a model's own `eval` may have done beside setting flags."""
    try:
        model.train()
    except NotImplementedError:
        return
