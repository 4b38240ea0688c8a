"""Specifications of models as text: a Python function with its arguments, a model of timm, an exported file."""

import re
from ast import literal_eval
from pathlib import Path
from typing import Any, NamedTuple

from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import as_path

FORMS = "PATH.py:function, PATH.py:function(ARGUMENTS), timm:NAME or PATH.pt2"
TIMM, EXPORTED = "timm:", ".pt2"
_FUNCTION = re.compile(r"(?P<path>.+\.py):(?P<name>\w*)(?:\((?P<arguments>.*)\))?", re.DOTALL)
_ARGUMENT = re.compile(r"\s*(?:(?P<name>[A-Za-z_]\w*)\s*=\s*)?(?P<value>\S|\S.*\S)\s*", re.DOTALL)
_WORD = re.compile(r"[\w.+-]+")


class PythonFunction(NamedTuple):
    """A function in a Python file that makes a model, and what it is called with."""

    path: Path
    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


def python_function(spec: str) -> PythonFunction | None:
    """The function that a specification names, such as `net.py:wrn(40, 4, dropout=0.3)`; None for one of another form.

    Arguments are Python's literals, or words without quotes, as in `models.py:make_model(wrn-40-4, 100)`. Raises
    `LayerMixError` for any other.
    """
    match = _FUNCTION.fullmatch(spec)
    if match is None:
        return None
    arguments, keywords = [], {}
    for text in match["arguments"].split(",") if (match["arguments"] or "").strip() else []:
        argument = _ARGUMENT.fullmatch(text)
        if argument is None:
            raise _refused(text, spec)
        value = _value(argument["value"], spec)
        if argument["name"]:
            keywords[argument["name"]] = value
        elif keywords:
            raise _refused(text, spec)
        else:
            arguments.append(value)
    return PythonFunction(as_path(match["path"], "model"), match["name"], tuple(arguments), keywords)


def _value(text: str, spec: str) -> Any:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        if not _WORD.fullmatch(text):
            raise _refused(text, spec) from error
    return text


def _refused(text: str, spec: str) -> LayerMixError:
    return LayerMixError(
        f"expected numbers or words as arguments of a model, and after them any by name, got {text.strip()!r:.60} in "
        f"{spec!r:.120}; change --model"
    )


def code_file(spec: str) -> Path | None:
    """The file whose code a specification runs: a Python file, or an exported model; None for timm's."""
    if spec.endswith(EXPORTED):
        return as_path(spec, "model")
    function = python_function(spec)
    return function.path if function else None
