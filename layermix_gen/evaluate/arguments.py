"""Checks of arguments: arrays from NumPy, lists or tensors, numbers, and objects of a type, each in one line.

Tensors may be on any device, in any precision and require gradients; torch is not imported for them.
"""

import sys
from collections.abc import Mapping
from math import isfinite
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import as_several, check_whole
from layermix_gen.support.text import first_line

Vector: TypeAlias = NDArray[np.float64]


# --- arrays ----------------------------------------------------------------------------------------------------------


def as_array(name: str, values: Any) -> NDArray[Any]:
    """An array of what NumPy, a list or a tensor holds. Raises `LayerMixError` for what has no rectangular shape."""
    torch = sys.modules.get("torch")
    try:
        if torch and isinstance(values, torch.Tensor):
            values = values.detach().cpu()
            values = (values.float() if values.is_floating_point() and values.itemsize < 4 else values).numpy()
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: of torch, as for a sparse tensor
        raise LayerMixError(
            f"expected {name} as an array, got {first_line(error)}; give numbers of one shape"
        ) from error


def as_confidences(confidences: ArrayLike) -> Vector:
    """Confidences (N,), N >= 1, in [0, 1], as float64."""
    values = as_array("confidences", confidences)
    if values.ndim != 1 or not len(values):
        raise LayerMixError(
            f"expected confidences (N,), N >= 1, got {values.shape}; give the probability of each predicted class"
        )
    if not np.issubdtype(values.dtype, np.floating):
        raise LayerMixError(
            f"expected confidences as floats, got {values.dtype}; give the probabilities of the predicted classes first"
        )
    if not (values.min() >= 0 and values.max() <= 1):  # for NaN neither is true
        raise LayerMixError("expected confidences in [0, 1], got others; give probabilities, not logits")
    return values.astype(np.float64, copy=False)


def as_answers(correct: ArrayLike, images: int) -> Vector:
    """Whether each of N predictions is right, as float64 (N,): given as booleans, or as 0 and 1."""
    values = as_array("correct", correct)
    if values.shape != (images,):
        raise LayerMixError(
            f"expected correct ({images},), as there are {images} confidences, got {values.shape}; give one of each "
            "for an image"
        )
    if values.dtype.kind not in "biuf" or not (values.dtype.kind == "b" or np.isin(values, (0, 1)).all()):
        raise LayerMixError(
            f"expected correct as booleans, or 0 and 1, got {values.dtype} with others; give predictions == labels"
        )
    return values.astype(np.float64)


def as_integers(name: str, values: ArrayLike, length: int | None, remedy: str) -> NDArray[np.int64]:
    """Whole numbers (N,), N being `length` if given, as int64; booleans and floats are none."""
    found = as_array(name, values)
    shape = ("N" if length is None else str(length)) + ","
    if found.ndim != 1 or length not in (None, len(found)) or found.dtype.kind not in "iu":
        raise LayerMixError(f"expected whole numbers ({shape}) as {name}, got {found.dtype} {found.shape}; {remedy}")
    return found.astype(np.int64)


# --- single values ---------------------------------------------------------------------------------------------------


def check_real(name: str, value: Any, low: float, high: float, remedy: str, *, above: bool = False) -> None:
    """Raise `LayerMixError` unless `value` is a finite number, and no bool, in [low, high]; with `above`, above low."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and isfinite(value) and low <= value <= high and not (above and value == low)):
        bounds = f"{'above' if above else 'from'} {low:g}" + (f" and at most {high:g}" if isfinite(high) else "")
        found = f"{value:g}" if is_number else repr(value)
        raise LayerMixError(f"{name} must be a number {bounds}, got {found}; {remedy}")


def check_type(name: str, value: Any, kind: type | tuple[type, ...], remedy: str = "") -> None:
    """Raise `LayerMixError` unless `value` is of a type, or of one of several. A NumPy bool is a bool."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, (*kinds, np.bool_) if bool in kinds else kinds):
        wanted = " or ".join(one.__name__ for one in kinds)
        found = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
        raise LayerMixError(f"expected {name} as {wanted}, got {found}; {remedy or f'change {name}='}")


def as_whole_in(name: str, value: Any, low: int, high: int) -> int:
    """A whole number in [low, high], NumPy's too, as an int."""
    number: int = int(value) if isinstance(value, np.integer) else value
    check_whole(name, number, low, high, change=f"{name}=")
    return number


def as_texts(name: str, values: Any) -> tuple[str, ...]:
    """Several texts as a tuple. Raises `LayerMixError` for a single one, and for anything else among them."""
    several = as_several(name, values)
    for value in several:
        check_type(f"each of {name}", value, str, f"change {name}=")
    return several


def check_mapping(name: str, values: Any, keys: type, kind: type | tuple[type, ...], remedy: str) -> None:
    """Raise `LayerMixError` unless `values` is a mapping whose keys and values are of these types."""
    check_type(name, values, Mapping, remedy)
    for key, value in values.items():
        check_type(f"each key of {name}", key, keys, remedy)
        check_type(f"{name}[{key!r}]", value, kind, remedy)
