"""The evaluation's public names: lazy, documented, and the objects that they are said to be."""

import ast
import importlib
from pathlib import Path

import pytest

from layermix_gen import evaluate


def test_the_names_are_the_lazy_ones() -> None:
    assert evaluate.__all__ == sorted(evaluate._HOMES)
    tree = ast.parse(Path(evaluate.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    for_types = {alias.name: node.module for node in block.body for alias in node.names}
    assert for_types == {name: f"layermix_gen.evaluate.{home}" for name, home in evaluate._HOMES.items()}


@pytest.mark.parametrize("name", evaluate.__all__)
def test_names_resolve_to_documented_objects(name: str) -> None:
    home = importlib.import_module(f"layermix_gen.evaluate.{evaluate._HOMES[name]}")
    found = getattr(evaluate, name)
    assert found is getattr(home, name)
    assert (found.__module__, found.__name__) == (home.__name__, name)
    assert len(found.__doc__) > 20


def test_no_module_hides_a_name() -> None:
    """A submodule that is imported becomes an attribute of its package, and would take the place of the name."""
    modules = {path.stem for path in Path(evaluate.__file__).parent.glob("*.py")}
    assert not modules & set(evaluate.__all__)


def test_other_names_are_missing() -> None:
    with pytest.raises(AttributeError, match=r"module 'layermix_gen.evaluate' has no attribute 'train'"):
        _ = evaluate.train
