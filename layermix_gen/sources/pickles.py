"""Reading pickles that are trusted with nothing: they may build NumPy arrays, and that is all."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import as_text, reason

_Reconstruct: Callable[..., Any] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]

# All that CIFAR's pickles name; NumPy 2 moved the first one, for those who wrote the files anew.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Reads dicts, lists, strings, numbers and NumPy arrays, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed constructor; raises `LayerMixError` for any other."""
        if (module, name) not in _ALLOWED:
            raise LayerMixError(f"it asks for {module}.{name}, which no CIFAR file needs")
        return _ALLOWED[module, name]


# What unpickling damaged bytes raises, as its documentation warns and as the tests saw.
_FAULTS = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    SystemError,
)


def load_arrays(path: Path) -> dict[str, Any]:
    """Read a pickled dict of lists, numbers and arrays. Python 2 wrote its keys as bytes; they come back as str.

    Raises `LayerMixError` where the file is damaged, or asks for anything else.
    """
    try:
        content = _ArrayUnpickler(io.BytesIO(read_file(path)), encoding="bytes").load()
    except LayerMixError as fault:
        raise LayerMixError(f"refused to unpickle {as_text(path)}: {fault}; get the file from its authors") from fault
    except _FAULTS as fault:
        raise LayerMixError(f"{as_text(path)} is truncated or corrupt; extract the archive again") from fault
    if not isinstance(content, dict):
        raise LayerMixError(f"expected a dict in {as_text(path)}, found {type(content).__name__}")
    return {key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key): v for key, v in content.items()}


def read_file(path: Path) -> bytes:
    """Read a whole file. Raises `LayerMixError` that names it."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise LayerMixError(f"cannot read {as_text(path)}: {reason(fault)}; extract the archive again") from fault
