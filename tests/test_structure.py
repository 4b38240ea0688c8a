"""The package's structure: what may import what, what is public, and habits that no linter checks."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import layermix_gen

PACKAGE = Path(layermix_gen.__file__).parent
# Modules import from lower floors; on one floor the imports make no circle.
FLOORS = (
    ("_version", "errors"),
    ("support", "images"),
    ("sources", "mixing", "figures"),
    ("mixing_sets",),
    ("dataset",),
    ("building",),
    ("demo", "inspection", "online", "reading"),
    ("evaluate",),
    ("cli", "commands", "__main__"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
LONGEST = 300  # lines of a module

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}


def imported(name):
    """The modules of the package that `name` imports when it is imported."""
    found = set()
    for node in TREES[name].body:  # not inside functions or `if TYPE_CHECKING`
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: expected absolute imports"
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {part if part in MODULES else str(node.module) for part in parts}
    return found & set(MODULES) - {name}


def top(name):
    return name.split(".")[1]


# --- imports -------------------------------------------------------------------------------------------------------


def test_every_module_has_a_floor():
    assert {top(name) for name in MODULES if name != "layermix_gen"} <= set(FLOOR)


def test_imports_lead_down():
    for name in MODULES:
        if name == "layermix_gen":
            assert imported(name) == {"layermix_gen._version"}
            continue
        for other in imported(name):
            assert FLOOR[top(other)] <= FLOOR[top(name)], f"{name} imports {other} from a higher floor"


def test_imports_make_no_circle():
    list(TopologicalSorter({name: imported(name) for name in MODULES}).static_order())
    parts: dict[str, set[str]] = {name: set() for name in FLOOR}
    for name in MODULES:
        if name != "layermix_gen":
            parts[top(name)] |= {top(other) for other in imported(name)} - {top(name)}
    list(TopologicalSorter(parts).static_order())


def test_the_command_line_starts_without_the_heavy_libraries():
    heavy = ("torch", "cv2", "numpy", "duckdb", "PIL", "webdataset", "skimage")
    code = f"import sys, layermix_gen.cli; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_torch_is_left_to_reading_and_evaluation():
    for name in MODULES:
        if name.startswith(("layermix_gen.reading", "layermix_gen.reading.reader", "layermix_gen.evaluate")):
            continue
        roots = {
            (alias.name if isinstance(node, ast.Import) else str(node.module)).split(".")[0]
            for node in ast.walk(TREES[name])
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert "torch" not in roots


def test_the_version_is_the_distributions():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", layermix_gen.__version__)


# --- habits --------------------------------------------------------------------------------------------------------


def test_no_global_random_generator():
    """Randomness is an argument: from numpy.random only what makes or names a generator."""
    for name in MODULES:
        made = {"Generator", "Philox", "SeedSequence", "default_rng", "PCG64"}
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {str(getattr(node, "module", ""))}
                assert not {"random", "numpy.random"} & names, f"{name}, line {node.lineno}"
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                assert node.attr in made, f"{name}, line {node.lineno}: np.random.{node.attr}"
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng"):
                assert node.args, f"{name}, line {node.lineno}: a generator without a seed"


def test_no_assert_for_a_users_mistake():
    for name in MODULES:
        assert not [node.lineno for node in ast.walk(TREES[name]) if isinstance(node, ast.Assert)], name


def test_modules_are_short():
    for name in MODULES:
        assert len(MODULES[name].read_text("utf-8").splitlines()) <= LONGEST, name


def undocumented(body, prefix=""):
    """Public classes, and public functions of more than three lines, without a docstring; overrides inherit theirs."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        trivial = isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno < 3
        if not ast.get_docstring(node) and not trivial:
            yield prefix + node.name
        if isinstance(node, ast.ClassDef) and not node.bases:
            yield from undocumented(node.body, f"{prefix}{node.name}.")


def test_docstrings():
    for name in MODULES:
        assert ast.get_docstring(TREES[name]), name
        assert list(undocumented(TREES[name].body)) == [], name


def test_docstrings_are_sentences():
    for name in MODULES:
        nodes = [
            node for node in ast.walk(TREES[name]) if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
        ]
        for text in filter(None, map(ast.get_docstring, nodes)):
            first = text.split("\n\n")[0]
            assert first.rstrip()[-1] in ".:?)", f"{name}: {first!r}"
