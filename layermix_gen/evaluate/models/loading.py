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
from layermix_gen.evaluate.models.checkpoints import TrainedAs, load_weights, trained_as
from layermix_gen.evaluate.models.model_specs import EXPORTED, FORMS, TIMM, python_function
from layermix_gen.evaluate.models.normalized import Normalized
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

    The function returns the module; it may be given arguments, as in `net.py:wrn(40, 4)`. A timm model gets `n_classes`
    outputs (0: as many as it has by default) and only the weights of the `checkpoint`, which is read with
    `weights_only` and must fit strictly. Pixels are normalized as in training: by `mean` and `std` or, without them, as
    the checkpoint tells or a timm model's configuration says. With "" the model is the one of timm that the checkpoint
    tells. Weights that no checkpoint sets are drawn from `seed`. Loading a Python file runs it, and an exported model
    may run code, too: load only files of people you trust. Raises `LayerMixError` for what cannot be loaded.
    """
    spec, trained = resolve_spec(spec, checkpoint)
    check_whole("classes", n_classes, 0)
    check_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _load(spec, n_classes)
    check_weights(model)
    if checkpoint is not None:
        if spec.endswith(EXPORTED):
            raise LayerMixError(f"expected no checkpoint for {spec}, which holds its weights; leave --checkpoint out")
        load_weights(model, as_path(checkpoint, "checkpoint"))
    default = getattr(model, "pretrained_cfg", {}) if spec.startswith(TIMM) else {}
    mean = _first(mean, trained.mean, default.get("mean"))
    std = _first(std, trained.std, default.get("std"))
    if mean is None or std is None:
        raise LayerMixError(
            f"expected mean and std of the pixels in [0, 1] that {spec} was trained with, found none; give --mean and "
            "--std: 0 and 1, if it takes pixels as they are"
        )
    made_by = python_function(spec)
    return Normalized(model, mean, std, str(made_by.path.resolve().parent) if made_by else "")


def resolve_spec(spec: str, checkpoint: str | Path | None) -> tuple[str, TrainedAs]:
    """The specification of a model, and what its checkpoint tells; for "" the model of timm that the checkpoint tells.

    A checkpoint may come from anybody, and a Python file runs: it is not run because a checkpoint names it.
    """
    if not isinstance(spec, str):
        raise LayerMixError(f"expected a model as {FORMS}, got {type(spec).__name__}; change the model")
    known = checkpoint is not None and not spec.endswith(EXPORTED)
    trained = trained_as(as_path(checkpoint, "checkpoint")) if known else TrainedAs()
    if spec:
        return spec, trained
    if not trained.model.startswith(TIMM):
        told = f"the checkpoint tells of {trained.model!r:.200}: if you trust that file, " if trained.model else ""
        raise LayerMixError(f"expected a model as {FORMS}, got none; {told}give it as --model")
    return trained.model, trained


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _load(spec: str, n_classes: int) -> nn.Module:
    if spec.startswith(TIMM):
        return _from_timm(spec.removeprefix(TIMM), n_classes)
    if spec.endswith(EXPORTED):
        return _exported(as_path(spec, "model"))
    if made_by := python_function(spec):
        return model_from(made_by)
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
