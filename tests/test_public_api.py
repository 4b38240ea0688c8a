"""The public names: listed in `public_api.txt`, lazy, documented, and the objects that they are said to be."""

import ast
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import layermix_gen
from layermix_gen import evaluate, sources
from layermix_gen.inspection.shards import Shards
from layermix_gen.mixing_sets import fractals

LISTING = Path(__file__).with_name("public_api.txt")
FACES = (layermix_gen, evaluate)
NAMES = [(face, name) for face in FACES for name in face.__all__]


def called(function: object) -> str:
    """The parameters of a callable: names, `=` for a default, `*` before those that are given by name."""
    texts, by_name = [], False
    for parameter in inspect.signature(function).parameters.values():  # type: ignore[arg-type]
        if parameter.kind is parameter.KEYWORD_ONLY and not by_name:
            texts.append("*")
        by_name = parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        stars = "*" * (parameter.kind is parameter.VAR_POSITIONAL) + "**" * (parameter.kind is parameter.VAR_KEYWORD)
        texts.append(f"{stars}{parameter.name}{'' if parameter.default is parameter.empty else '='}")
    return f"({', '.join(texts)})"


def described(name: str, found: object) -> Iterator[str]:
    """A line for a public object, and one for each public member of a class, without those of other libraries."""
    if not inspect.isclass(found):
        yield name + (called(found) if callable(found) else "")
    elif issubclass(found, Exception):
        yield name
    else:
        yield name + called(found)
        own = [vars(base) for base in found.__mro__ if base.__module__.startswith("layermix_gen")]
        for member in sorted({member for members in own for member in members if not member.startswith("_")}):
            value = getattr(found, member)
            yield f"{name}.{member}" + (called(value) if callable(value) else "")


def listing() -> list[str]:
    """All public names of the package and of its parts."""
    modules = (layermix_gen, evaluate, fractals, sources)
    found = [(f"{module.__name__}.{name}", getattr(module, name)) for module in modules for name in module.__all__]
    return sorted(line for name, one in [*found, ("open_shards()", Shards)] for line in described(name, one))


def test_the_public_api_is_the_one_that_is_listed() -> None:
    """A change of it is a change of `public_api.txt`, and is told in the CHANGELOG."""
    assert listing() == LISTING.read_text("utf-8").splitlines()


@pytest.mark.parametrize(("face", "name"), NAMES, ids=[f"{face.__name__}.{name}" for face, name in NAMES])
def test_names_resolve_to_documented_objects(face: ModuleType, name: str) -> None:
    found = getattr(face, name)
    assert found.__name__ == name
    assert getattr(importlib.import_module(found.__module__), name) is found
    assert len(found.__doc__) > 20


@pytest.mark.parametrize("face", FACES)
def test_stubs_export_what_they_import(face: ModuleType) -> None:
    """A stub's `from .home import name as name` is what exports a name to type checkers."""
    tree = ast.parse(Path(str(face.__file__)).with_suffix(".pyi").read_text("utf-8"))
    aliases = [alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(alias.name for alias in aliases) == face.__all__
    assert all(alias.asname == alias.name for alias in aliases)


@pytest.mark.parametrize("face", FACES)
def test_no_module_hides_a_name(face: ModuleType) -> None:
    """A submodule that is imported becomes an attribute of its package, and would take the place of the name."""
    folder = Path(str(face.__file__)).parent
    modules = {path.stem for path in folder.glob("*.py")} | {path.name for path in folder.iterdir() if path.is_dir()}
    assert not modules & set(face.__all__)


@pytest.mark.parametrize("face", FACES)
def test_other_names_are_missing(face: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"{face.__name__} attribute train"):
        _ = face.train
    assert not hasattr(face, "__path_of_nothing__")


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, layermix_gen; print(sorted(name for name in sys.modules if name.startswith('layermix_gen')))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['layermix_gen', 'layermix_gen._version']"


SETTINGS = [
    name for face, name in NAMES if face is layermix_gen and (name == "BuildSettings" or name.endswith("Options"))
]


@pytest.mark.parametrize("name", SETTINGS)
def test_help_explains_each_setting_of_a_build(name: str) -> None:
    found = getattr(layermix_gen, name)
    names = [field.name for field in dataclasses.fields(found)]
    explained = re.findall(r"`(\w+)`", str(inspect.getdoc(found)))
    assert names
    assert set(names) <= set(explained)
