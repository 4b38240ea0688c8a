"""Load models to evaluate: from a Python function, timm or a file of `torch.export`, with checkpoint and normalization.

A model takes pixels in [0, 1], float (B, 3, H, W), and gives logits (B, classes).
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models.checkpoints import load_weights
from layermix_gen.evaluate.models.normalized import FORMS, Normalized
from layermix_gen.evaluate.models.python_file import model_from
from layermix_gen.evaluate.models.weights import check_weights
from layermix_gen.support.checks import as_path, check_seed, check_whole
from layermix_gen.support.text import first_line


def load_model(
    spec: str,
    checkpoint: str | Path | None = None,
    *,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    n_classes: int = 0,
    seed: int = 0,
) -> Normalized:
    """Load a model on the CPU, with its weights and its normalization: `PATH.py:function`, `timm:NAME` or `PATH.pt2`.

    The function is called without arguments and returns the module. A timm model gets `n_classes` outputs (0: as many
    as it has by default) and only the weights of the `checkpoint`, which is read with `weights_only` and must fit
    strictly. By default pixels are normalized as a timm model's configuration says, and stay in [0, 1] for others.
    Weights that no checkpoint sets are drawn from `seed`. Loading a Python file runs it, and an exported model may run
    code, too: load only files of people you trust. Raises `LayerMixError` for what cannot be loaded.
    """
    check_whole("classes", n_classes, 0)
    check_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _load(spec, n_classes)
    check_weights(model)
    if checkpoint is not None:
        if spec.endswith(".pt2"):
            raise LayerMixError(f"expected no checkpoint for {spec}, which holds its weights; leave --checkpoint out")
        load_weights(model, as_path(checkpoint, "checkpoint"))
    default = getattr(model, "pretrained_cfg", {}) if spec.startswith("timm:") else {}
    mean = (default.get("mean") or 0.0) if mean is None else mean
    std = (default.get("std") or 1.0) if std is None else std
    path = spec.rpartition(":")[0]
    return Normalized(model, mean, std, str(as_path(path, "model").resolve().parent) if path.endswith(".py") else "")


def _load(spec: str, n_classes: int) -> nn.Module:
    if not isinstance(spec, str):
        raise LayerMixError(f"expected a model as {FORMS}, got {type(spec).__name__}; change the model")
    path, _, function = spec.rpartition(":")
    if spec.startswith("timm:"):
        return _from_timm(spec.removeprefix("timm:"), n_classes)
    if spec.endswith(".pt2"):
        return _exported(as_path(spec, "model"))
    if path.endswith(".py"):
        return model_from(as_path(path, "model"), function)
    raise LayerMixError(f"expected a model as {FORMS}, got {spec!r}; change --model")


def _from_timm(name: str, n_classes: int) -> nn.Module:
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision was built for another torch
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
    """Keep the failures that torch.export logs off the terminal; yield the errors that it logged."""
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
    """Whether an exported graph uses batch statistics or dropout: the arguments that say so are fixed in it."""
    at = {torch.ops.aten.batch_norm.default: 5, torch.ops.aten.dropout.default: 2}
    return any(node.target in at and node.args[at[node.target]] is True for node in graph.nodes)
