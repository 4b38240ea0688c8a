"""Checkpoints: read the weights that a training script saved, without running any code, and load them strictly."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from layermix_gen.errors import LayerMixError
from layermix_gen.support.text import count, first_line

# Prefixes of weight names: by DataParallel and AveragedModel, by torch.compile, and by Lightning.
WRAPPERS = ("module.", "_orig_mod.", "model.")
HOLDERS = ("model", "model_state_dict", "state_dict", "net")  # keys under which training scripts keep the weights
AVERAGED = "n_averaged"  # a counter that AveragedModel saves with the weights
ABOUT = "layermix_gen"  # the key under which a checkpoint tells how its model was made and trained
REMEDY = "save the model's state_dict() alone by torch.save"


class TrainedAs(NamedTuple):
    """What a checkpoint tells of its model: its specification, and mean and std of the pixels in [0, 1] in training."""

    model: str = ""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def trained_as(path: Path) -> TrainedAs:
    """What a checkpoint tells under the key "layermix_gen". Raises `LayerMixError` where that is of another form."""
    content = _content(path)
    about = content.get(ABOUT, {}) if isinstance(content, Mapping) else {}
    if not isinstance(about, Mapping) or not isinstance(about.get("model", ""), str):
        raise LayerMixError(f"expected under {ABOUT!r} in {path} a dict of model, mean and std; {REMEDY}")
    mean, std = (_numbers(about.get(name), name, path) for name in ("mean", "std"))
    return TrainedAs(about.get("model", ""), mean, std)


def _numbers(values: Any, name: str, path: Path) -> tuple[float, ...] | None:
    if values is None:
        return None
    if not isinstance(values, list | tuple) or not all(isinstance(one, float) for one in values):
        raise LayerMixError(f"expected a list of numbers as {name} under {ABOUT!r} in {path}; {REMEDY}")
    return tuple(values)


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint into `model`, strictly. Raises `LayerMixError` with the first weight that does not fit."""
    own = model.state_dict()
    state = _state(_content(path), path)
    if AVERAGED not in own and _all_begin(state.keys() - {AVERAGED}, "module."):
        state.pop(AVERAGED, None)
    while state.keys() != own.keys() and (found := [one for one in WRAPPERS if _all_begin(state, one)]):
        state = {name.removeprefix(found[0]): value for name, value in state.items()}
    lacking, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    other = [name for name in own if name in state and _form(own[name]) != _form(state[name])]
    if lacking or unknown or other:
        raise LayerMixError(f"{path} does not fit the model: {_mismatch(lacking, unknown, other, own, state)}")
    model.load_state_dict(state)


def _content(path: Path) -> Any:
    """The content of a file, as `torch.load` reads it with `weights_only`."""
    if not path.is_file():
        raise LayerMixError(f"expected a checkpoint at {path}, found no file there; change --checkpoint")
    try:
        with warnings.catch_warnings(action="ignore"):  # PyTorch warns in addition to its errors
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or malicious file can make the unpickler raise anything
        # PyTorch's own messages recommend weights_only=False, which runs any code that the file holds.
        refused = "weights_only" in str(error)
        reason = "it holds more than weights, or is damaged" if refused else first_line(error)
        raise LayerMixError(f"cannot read {path} as weights alone ({reason}); {REMEDY}") from error


def _state(content: Any, path: Path) -> dict[str, Tensor]:
    """The weights by name, taken out of the dictionaries that a training script puts around them."""
    while holders := _holders(content):
        if len(holders) > 1:
            names = [repr(name) for name in holders]
            raise LayerMixError(
                f"expected the weights of one model in {path}, found {', '.join(names[:-1])} and {names[-1]}; save the "
                "ones to evaluate alone by torch.save"
            )
        content = content[holders[0]]
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        keys = ", ".join(map(repr, HOLDERS))
        raise LayerMixError(
            f"expected the weights of a model by name in {path}, alone or under one of {keys}, found something else; "
            f"{REMEDY}"
        )
    return dict(content)


def _holders(content: Any) -> list[str]:
    """The keys of `HOLDERS` that hold weights and, if any do, keys of their moving average (`state_dict_ema`)."""
    if not isinstance(content, Mapping):
        return []
    inner = [name for name, value in content.items() if isinstance(name, str) and _has_weights(value)]
    found = [name for name in inner if name in HOLDERS]
    return found + [name for name in inner if found and "ema" in name.lower().split("_")]


def _has_weights(content: Any) -> bool:
    """Whether this is a mapping that holds tensors, at any depth."""
    values = content.values() if isinstance(content, Mapping) else ()
    return any(isinstance(value, Tensor) or _has_weights(value) for value in values)


def _all_begin(names: Iterable[str], prefix: str) -> bool:
    names = tuple(names)
    return bool(names) and all(name.startswith(prefix) for name in names)


def _form(weight: Any) -> str:
    """The form that two weights must share for one to be copied into the other, such as `float (10, 4)`.

    PyTorch would copy other kinds of numbers, too: integers as they are, complex ones without their imaginary part.
    """
    if not isinstance(weight, Tensor):
        return type(weight).__name__
    storage = "meta " if weight.is_meta else "quantized " if weight.is_quantized else ""
    layout = "sparse " if weight.layout != torch.strided else ""
    kind = "complex" if weight.is_complex() else "float" if weight.is_floating_point() else "integer"
    return f"{storage}{layout}{kind} {tuple(weight.shape)}"


def _mismatch(
    lacking: list[str], unknown: list[str], other: list[str], own: Mapping[str, Any], state: Mapping[str, Tensor]
) -> str:
    facts = []
    if other:
        facts.append(f"expected {other[0]} as {_form(own[other[0]])}, found {_form(state[other[0]])}")
    if lacking:
        facts.append(f"it lacks {count(len(lacking), 'weight')} such as {lacking[0]}")
    if unknown:
        facts.append(f"it has {count(len(unknown), 'unknown weight')} such as {unknown[0]}")
    return f"{'; '.join(facts)}; give the model that was trained"
