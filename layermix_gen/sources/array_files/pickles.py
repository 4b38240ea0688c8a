"""Read untrusted pickles: the only objects that they may build are arrays and scalars of numbers and texts.

A pickle names the functions that build its objects. Those that an array needs are replaced by stand-ins that only
record their arguments, and every other name is refused. Not even NumPy sees the pickle's values unchecked: its own way
of rebuilding arrays crashes on some damaged pickles.
"""

import io
import pickle
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.array_files.base import EXTRACT
from layermix_gen.support.files import read_file
from layermix_gen.support.text import as_text

_CODES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
_TEXT = re.compile(r"[US][1-9]\d{0,3}")  # of a fixed length
_MOST_AXES = 8


class _Dtype:
    """A stand-in for `numpy.dtype`."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = _latin1(code)
        self.order = "|"

    def set_state(self, state: object) -> None:
        """Take the byte order from (version, order, ...); numbers and texts need nothing else."""
        match state:
            case (int(), order, *_):
                self.order = _latin1(order)

    def array(self, data: object) -> npt.NDArray[Any]:
        """The numbers or texts that bytes hold, (N,). Raises ValueError for any other type or byte order."""
        if not (self.code in _CODES or _TEXT.fullmatch(self.code)) or self.order not in ("|", "=", "<", ">"):
            raise ValueError(f"neither numbers nor texts: {self.order}{self.code}")
        encoded = data.encode("latin1") if isinstance(data, str) else data  # see `_encode`
        if not isinstance(encoded, bytes):
            raise TypeError("no bytes")
        return np.frombuffer(encoded, self.order + self.code)


class _Array:
    """A stand-in for `numpy.ndarray` that records (version, shape, dtype, whether in Fortran order, data)."""

    state: object = None

    def set_state(self, state: object) -> None:
        self.state = state

    def build(self) -> npt.NDArray[Any] | list[Any] | None:
        """Return an array of numbers or texts, read-only, or one of objects (N,) as a list; None for any other."""
        match self.state:
            case (int(), (count,), _Dtype(code="O8"), bool(), list(data)) if len(data) == count:
                return data
            case (int(), tuple(shape), _Dtype() as dtype, bool(by_columns), (bytes() | str()) as data):
                if len(shape) <= _MOST_AXES and all(type(n) is int and 0 <= n < 1 << 32 for n in shape):
                    try:
                        return dtype.array(data).reshape(shape, order="F" if by_columns else "C")
                    except ValueError:
                        return None
        return None


class _Reordered(_Array):
    """An array whose axes lie in another order in memory than in its shape."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def build(self) -> npt.NDArray[Any] | list[Any] | None:
        """Return the array, or None as `_Array.build` does."""
        stored = super().build()
        return stored.transpose(self.axes) if isinstance(stored, np.ndarray) else stored


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(data: object, dtype: object, shape: object, order: object, axes: Any = None) -> _Array:
    array = _Array() if axes is None else _Reordered(axes)
    array.set_state((1, shape, dtype, order == "F", data))
    return array


def _scalar(dtype: _Dtype, data: object) -> float | str | bytes | None:
    """The number or text, None for anything else."""
    try:
        value: float | str | bytes = dtype.array(data).item()
    except ValueError:
        return None
    return value


def _encode(text: str, encoding: object) -> str:
    """Return text that stands for bytes, which protocols below 3 lack, as it is: encoded, each call would be a copy."""
    if _latin1(encoding) != "latin1":
        raise ValueError("another encoding than latin1")
    return text


# All that arrays name. NumPy 2 moved its own: a file that was written by it has "_core".
_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
} | {
    (f"numpy.{core}.{module}", name): stand_in
    for core in ("core", "_core")
    for module, name, stand_in in (
        ("multiarray", "_reconstruct", _reconstruct),
        ("multiarray", "scalar", _scalar),
        ("numeric", "_frombuffer", _from_buffer),
    )
}

_INSTRUCTIONS = (  # noqa: SIM905
    "PROTO FRAME STOP MARK GLOBAL STACK_GLOBAL REDUCE PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET NONE "
    "NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE "
    "BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE "
    "EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT"
).split()


class _ArrayUnpickler(pickle._Unpickler):  # the one in Python: from 10 bytes, that in C makes a memo of 30 GB
    stack: list[Any]
    append: Callable[[Any], None]  # to the stack
    pop_mark: Callable[[], list[Any]]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            wanted = ascii(f"{module}.{name}")[1:-1]  # printable, for any bytes
            raise LayerMixError(f"it asks for {wanted[:100]}, which no CIFAR file needs")
        return _STAND_INS[module, name]

    def _build(self) -> None:
        state = self.stack.pop()
        self.stack[-1].set_state(state)  # of nothing but a stand-in

    def _set(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][_key(key)] = value

    def _set_all(self) -> None:
        items = self.pop_mark()
        self.stack[-1].update(zip(map(_key, items[::2]), items[1::2], strict=True))

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append(dict(zip(map(_key, items[::2]), items[1::2], strict=True)))

    dispatch: ClassVar[dict[int, Any]] = {
        **{getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in _INSTRUCTIONS},
        # Pickle itself takes memory for a bytearray before its bytes are seen to be there.
        pickle.BYTEARRAY8[0]: pickle._Unpickler.dispatch[pickle.BINBYTES8[0]],
        pickle.BUILD[0]: _build,
        pickle.SETITEM[0]: _set,
        pickle.SETITEMS[0]: _set_all,
        pickle.DICT[0]: _dict,
    }


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


def load_values(path: Path, keys: Sequence[str]) -> list[Any]:
    """Read a pickled dict and return the values of these keys, None where one is missing.

    Values are lists, numbers, texts, and arrays of these, which are read-only; an array of objects is a list, and one
    of another type None. Python 2 wrote texts as bytes, which only keys are turned from. Raises `LayerMixError` if the
    file is damaged, or names any other object.
    """
    file = io.BytesIO(read_file(path, EXTRACT))
    try:
        content = _ArrayUnpickler(file, encoding="bytes").load()
        if isinstance(content, dict):
            values = [content.get(key) for key in keys]
            return [value.build() if isinstance(value, _Array) else value for value in values]
    except LayerMixError as fault:
        raise LayerMixError(f"refused to unpickle {as_text(path)}: {fault}; get the file from its authors") from fault
    except _FAULTS as fault:
        raise LayerMixError(f"{as_text(path)} is truncated or corrupt; {EXTRACT}") from fault
    raise LayerMixError(f"expected a dict in {as_text(path)}, found {type(content).__name__}; {EXTRACT}")


def _latin1(text: object) -> str:
    """The text of a short str or bytes, "" for anything else."""
    return text.decode("latin1") if isinstance(text, bytes) else text if isinstance(text, str) else ""


def _key(key: object) -> str | int:
    """A key of a dict, as text if it is bytes. Raises TypeError for a tuple, whose hash could take for ever."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    if isinstance(key, str | int):
        return key
    raise TypeError("a key that is neither text nor a number")
