"""Read untrusted pickles: the only objects that they may build are arrays of bytes.

A pickle names the functions that build its objects. The three that an array needs are replaced by stand-ins that only
record their arguments, and every other name is refused. Not even NumPy sees the pickle's values unchecked: its own way
of rebuilding arrays crashes on some damaged pickles.
"""

import io
import math
import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text


class _Dtype:
    """A stand-in for `numpy.dtype`."""

    def __init__(self, code: object, *_: object) -> None:
        self.is_bytes = code in ("u1", b"u1")

    def __setstate__(self, state: object) -> None:
        """Ignore byte order and alignment: they mean nothing for single bytes."""


class _Array:
    """A stand-in for `numpy.ndarray` that records the state (version, shape, dtype, whether in Fortran order, data)."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def build(self) -> npt.NDArray[np.uint8] | None:
        """Return the array, read-only, or None if the state does not describe an array of unsigned bytes."""
        match self.state:
            case (int(), tuple(shape), _Dtype(is_bytes=True), bool(by_columns), bytes(data)):
                if all(type(n) is int and n >= 0 for n in shape) and math.prod(shape) == len(data):
                    return np.frombuffer(data, np.uint8).reshape(shape, order="F" if by_columns else "C")
        return None


def _reconstruct(*_: object) -> _Array:
    return _Array()


# All that CIFAR's pickles name. NumPy 2 moved the first: a file that was written again with it has the second.
_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}


class _ArrayUnpickler(pickle._Unpickler):  # the one in Python: from 10 bytes, that in C makes a memo of 30 GB
    # No CIFAR file has a bytearray, for which memory is taken before its bytes are seen to be there.
    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch}
    del dispatch[pickle.BYTEARRAY8[0]]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            wanted = ascii(f"{module}.{name}")[1:-1]  # printable, for any bytes
            raise LayerMixError(f"it asks for {wanted[:100]}, which no CIFAR file needs")
        return _STAND_INS[module, name]


# What unpickling damaged bytes raises, according to its documentation and as seen in the tests.
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
    struct.error,
)


def load_arrays(path: Path) -> dict[str, Any]:
    """Read a pickled dict of lists, numbers and arrays of bytes, each array as uint8, or None if it is of another type.

    Python 2 wrote the keys as bytes; they come back as str. Raises `LayerMixError` if the file is damaged, or names
    any other object.
    """
    try:
        content = _ArrayUnpickler(io.BytesIO(read_file(path)), encoding="bytes").load()
    except LayerMixError as fault:
        raise LayerMixError(f"refused to unpickle {as_text(path)}: {fault}; get the file from its authors") from fault
    except _FAULTS as fault:
        raise LayerMixError(f"{as_text(path)} is truncated or corrupt; extract the archive again") from fault
    if not isinstance(content, dict):
        raise LayerMixError(f"expected a dict in {as_text(path)}, found {type(content).__name__}")
    return {_text(key): value.build() if isinstance(value, _Array) else value for key, value in content.items()}


def read_file(path: Path) -> bytes:
    """Read a whole file. Raises `LayerMixError` that names it."""
    with reading(path, "extract the archive again"):
        return with_retries(path.read_bytes, path)


def _text(key: object) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
