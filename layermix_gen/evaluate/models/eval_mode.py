"""Put a model into evaluation mode, and restore every flag of it afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models.weights import check_weights


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, without gradients of its weights, and restore every flag afterwards.

    Raises `LayerMixError` where one of its modules stays in training mode, as BatchNorm would take its statistics from
    the test set, and as `check_weights` does.
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
    except NotImplementedError:  # an exported model, whose mode is fixed: the flags have no effect on it
        for module in model.modules():
            module.training = False
    if wrong := [name or "the model" for name, module in model.named_modules() if module.training]:
        raise LayerMixError(f"expected evaluation mode after eval(), found {wrong[0]} in training mode; mend the model")


def _set_train(model: nn.Module) -> None:
    """Undo what a model's own `eval` may have done besides setting flags."""
    try:
        model.train()
    except NotImplementedError:
        return
