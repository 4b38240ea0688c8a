"""Load a model from a Python file that may import files next to it; two folders may each have a module `blocks`."""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models.model_specs import PythonFunction
from layermix_gen.support.text import first_line

_imported: dict[str, dict[str, ModuleType]] = {}  # by folder: the modules imported from there, by name


def model_from(made_by: PythonFunction) -> nn.Module:
    """Run the user's file and call the user's function, which returns the module.

    Raises `LayerMixError` where there is no such file or function, and where the file or the function fails.
    """
    path, name = made_by.path, made_by.name
    if not path.is_file():
        raise LayerMixError(f"expected the Python file of a model at {path}, found none; change --model")
    place = path.resolve()
    unique = f"layermix_gen_model_{path.stem}_{hashlib.sha256(os.fsencode(place)).hexdigest()[:12]}"
    made = importlib.util.spec_from_file_location(unique, place)
    if made is None or made.loader is None:
        raise LayerMixError(f"expected a Python file, got {path}; change --model")
    module = importlib.util.module_from_spec(made)
    sys.modules[unique] = module  # dataclasses look up the names in their annotations here
    try:
        with neighbours(str(place.parent)):
            made.loader.exec_module(module)
            function: Callable[..., Any] | None = getattr(module, name, None)
            model = function(*made_by.arguments, **made_by.keywords) if callable(function) else None
    except (Exception, SystemExit) as error:
        raise LayerMixError(f"{path}:{name} failed with {first_line(error)}; try it in Python") from error
    if not isinstance(model, nn.Module):
        found = f"got {type(model).__name__}" if callable(function) else "found no such function"
        raise LayerMixError(f"expected {name}() in {path} to return a torch.nn.Module, {found}; change --model")
    return model


@contextmanager
def neighbours(folder: str) -> Iterator[None]:
    """Let code in this context import from `folder`; then hide its modules, so that other folders can use the names."""
    own = _imported.setdefault(folder, {})
    hidden = {name: sys.modules[name] for name in own if name in sys.modules}
    sys.modules.update(own)
    before = frozenset(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):  # the code that ran may have changed it, too
            sys.path.remove(folder)
        for name in sorted(sys.modules.keys() - before):  # packages before the modules in them
            if name.partition(".")[0] in own or _lies_in(folder, sys.modules[name]):
                own[name] = sys.modules[name]
        for name in own:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


def _lies_in(folder: str, module: ModuleType) -> bool:
    """Whether a module or package is in the folder itself, not in a subfolder such as .venv."""
    spec = getattr(module, "__spec__", None)
    places = (spec.submodule_search_locations or [spec.origin]) if spec else []
    return any(str(Path(place or "").parent) == folder for place in places)
