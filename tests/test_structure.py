"""The package's structure: its floors, what may import what, one home for each name, and habits no linter checks."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import layermix_gen

PACKAGE = Path(layermix_gen.__file__).parent
FLOORS = (  # what lies in the package's root, lowest first: imports lead down, or to the same floor
    ("_version", "errors"),
    ("support", "kernels", "images"),
    ("sources", "mixing", "figures"),
    ("mixing_sets",),
    ("dataset", "online"),
    ("building", "reading"),
    ("inspection", "evaluate"),
    ("demo",),
    ("commands", "cli", "__main__"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
NEIGHBOURS = {  # that import on their own floor
    ("kernels", "support"),
    ("images", "support"),
    ("images", "kernels"),
    ("cli", "commands"),
    ("__main__", "cli"),
}
LONGEST = 300  # lines of a file
MOST = 14  # modules flat in one folder, its `__init__` among them
TORCH = ("reading", "evaluate")
SHARED_NAMES = ("base",)  # of modules in several folders; and those of commands
WORDS = 25  # of a first line at most
ARRAYS = {"Floats", "Ints"}  # aliases for arrays of numbers, which mean the same wherever they stand

Graph = Mapping[str, set[str]]


def modules(root: Path) -> dict[str, list[Path]]:
    """The files of each module and stub of a package, by dotted name; a package's are its `__init__`."""
    found = defaultdict(list)
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.pyi")]):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")].append(path)
    return dict(found)


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The full name of what is imported from, in a module of `package`."""
    above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def imports(root: Path) -> Graph:
    """What each module of a package imports of it: anywhere in the file, for type checkers too, and by its stub."""
    files = modules(root)
    graph: dict[str, set[str]] = {name: set() for name in files}
    for name, paths in files.items():
        for path in paths:
            package = name if path.stem == "__init__" else name.rpartition(".")[0]
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    graph[name] |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    source = absolute(node, package)
                    parts = {f"{source}.{alias.name}" for alias in node.names}
                    graph[name] |= {part if part in files else source for part in parts}
        graph[name] &= files.keys() - {name}
    return graph


def between(graph: Graph, folder: str) -> Graph:
    """What the modules and folders that lie directly in a folder import of each other."""
    depth = folder.count(".") + 1
    within: dict[str, set[str]] = defaultdict(set)
    for name, others in graph.items():
        if name.startswith(f"{folder}."):
            child = name.split(".")[depth]
            within[child] |= {other.split(".")[depth] for other in others if other.startswith(f"{folder}.")} - {child}
    return within


def upwards(graph: Graph, package: str = "layermix_gen") -> list[str]:
    """The imports that lead to a higher floor, to a neighbour that is none, or to the package's face."""
    wrong = [f"{name} imports the face of the package" for name, others in graph.items() if package in others]
    arrows = [(name, other) for name, others in between(graph, package).items() for other in others]
    wrong += [
        f"{name} imports {other}"
        for name, other in arrows
        if FLOOR[other] > FLOOR[name] or (FLOOR[other] == FLOOR[name] and (name, other) not in NEIGHBOURS)
    ]
    return sorted(wrong)


def circle(graph: Graph) -> list[str]:
    """Modules that import each other round, the first again at the end; none where imports make no circle."""
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


MODULES = {name: paths[0] for name, paths in modules(PACKAGE).items()}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}
NODES = {name: list(ast.walk(tree)) for name, tree in TREES.items()}
GRAPH = imports(PACKAGE)
FOLDERS = sorted({path.parent for path in MODULES.values()})


def of_modules(node_type: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """All nodes of a type, each with the name of its module."""
    for name, nodes in NODES.items():
        yield from ((name, node) for node in nodes if isinstance(node, node_type))


# --- imports -------------------------------------------------------------------------------------------------------


def test_every_file_and_folder_of_the_root_has_a_floor() -> None:
    assert {name.split(".")[1] for name in MODULES if "." in name} == set(FLOOR)


def test_imports_lead_down() -> None:
    assert upwards(GRAPH) == []


def test_imports_make_no_circle() -> None:
    """Neither those of modules nor, in any folder, those of the modules and folders in it."""
    assert circle(GRAPH) == []
    for folder in FOLDERS:
        name = ".".join(folder.relative_to(PACKAGE.parent).parts)
        assert circle(between(GRAPH, name)) == [], name


def test_imports_are_absolute_but_in_stubs() -> None:
    for name, node in of_modules(ast.ImportFrom):
        assert isinstance(node, ast.ImportFrom)
        assert not node.level, f"{name}, line {node.lineno}"


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("mixing/recipe.py", "from layermix_gen.reading import reader", "mixing imports reading"),
        ("sources/base.py", "import layermix_gen.mixing.recipe", "sources imports mixing"),
        (
            "evaluate/losses.py",
            "def f():\n    from layermix_gen.inspection import shards",
            "evaluate imports inspection",
        ),
        (
            "mixing/recipe.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from layermix_gen.demo import demo",
            "mixing imports demo",
        ),
        (
            "support/text.py",
            "from layermix_gen import render",
            "layermix_gen.support.text imports the face of the package",
        ),
        ("mixing/__init__.pyi", "from ..reading.reader import read as read", "mixing imports reading"),
        ("evaluate/__init__.pyi", "from ..inspection import shards as shards", "evaluate imports inspection"),
        ("sources/__init__.pyi", "from .. import demo as demo", "sources imports demo"),
    ],
)
def test_upward_imports_are_seen(tmp_path: Path, file: str, text: str, fault: str) -> None:
    root = tmp_path / "layermix_gen"
    for one in ("demo", "mixing/recipe", "sources/base", "evaluate/losses", "inspection/shards", "reading/reader"):
        (root / one).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{one}.py").touch()
        (root / one).parent.joinpath("__init__.py").touch()
    (root / file).parent.mkdir(exist_ok=True)
    (root / "__init__.py").touch()
    (root / file).write_text(text)
    assert upwards(imports(root)) == [fault]


def test_circles_through_faces_and_type_checking_are_seen(tmp_path: Path) -> None:
    root = tmp_path / "package"
    (root / "room").mkdir(parents=True)
    (root / "room" / "__init__.py").touch()
    (root / "room" / "__init__.pyi").write_text("from .one import f as f")
    (root / "room" / "one.py").write_text("from package.room.two import g")
    (root / "room" / "two.py").write_text("if TYPE_CHECKING:\n    from package.room import f")
    assert sorted(set(circle(imports(root)))) == ["package.room", "package.room.one", "package.room.two"]
    (root / "room" / "two.py").write_text("")
    assert circle(imports(root)) == []


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    heavy = ("torch", "cv2", "numpy", "duckdb", "PIL", "webdataset", "skimage")
    code = f"import sys, layermix_gen.cli; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def users(library: str) -> set[str]:
    """The modules that import a library."""
    found = set()
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
                found |= {name for one in names if one.split(".")[0] == library}
    return found


def test_torch_is_left_to_reading_and_evaluation() -> None:
    assert {name.split(".")[1] for name in users("torch")} <= set(TORCH)


def test_the_version_is_the_distributions() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", layermix_gen.__version__)


# --- one home ------------------------------------------------------------------------------------------------------


def test_files_are_short_and_folders_small() -> None:
    files = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyi", ".js", ".css", ".html")]
    assert [path.name for path in files if len(path.read_text("utf-8").splitlines()) > LONGEST] == []
    for folder in FOLDERS:
        assert len({path.stem for path in folder.glob("*.py*")}) <= MOST, folder.name


def test_the_root_holds_faces_and_ways_in_alone() -> None:
    ways_in = {"__init__", "__main__", "_version", "cli", "demo", "errors", "online"}
    assert {path.stem for path in PACKAGE.glob("*.py*")} == ways_in


def test_tests_mirror_the_package() -> None:
    """Each folder of tests is one of the package, or `docs` or `faults`; each first folder of the package has tests."""
    tests = Path(__file__).parent
    folders = {path.parent.relative_to(tests).as_posix() for path in tests.rglob("*.py")} - {".", "docs", "faults"}
    package = {folder.relative_to(PACKAGE).as_posix() for folder in FOLDERS} - {"."}
    assert folders <= package
    assert {name for name in package if "/" not in name} <= folders


def test_no_two_modules_or_folders_have_one_name() -> None:
    """But commands, which are named like what they call, and the `base` of a folder's table."""
    homes = defaultdict(list)
    for name in MODULES:
        last = name.rpartition(".")[2]
        if not name.startswith("layermix_gen.commands.") and last not in SHARED_NAMES:
            homes[last].append(name)
    assert [names for names in homes.values() if len(names) > 1] == []


def types(tree: ast.AST) -> Iterator[str]:
    """The public names of types in a module: of classes, and of aliases, which have capitals and small letters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.col_offset == 0:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (one.id for one in targets if isinstance(one, ast.Name) and re.match(r"[A-Z]\w*[a-z]", one.id))


def test_a_public_type_name_stands_for_one_thing() -> None:
    homes = defaultdict(list)
    for name, tree in TREES.items():
        for one in types(tree):
            if not one.startswith("_") and one not in ARRAYS:
                homes[one].append(name)
    assert "Recipe" in homes
    assert "Expression" in homes
    assert [names for names in homes.values() if len(names) > 1] == []


def naming(*wanted: str) -> set[str]:
    """The modules in which a name stands: imported, used, or as an attribute of something."""
    found = set()
    for name, nodes in NODES.items():
        for node in nodes:
            if {getattr(node, "name", None), getattr(node, "id", None), getattr(node, "attr", None)} & set(wanted):
                found.add(name)
    return found


def writing(part: str) -> set[str]:
    """The modules in which a text stands in a string that is no docstring."""
    found = set()
    for name, nodes in NODES.items():
        prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and id(node) not in prose and part in str(node.value):
                found.add(name)
    return found


def test_each_idea_has_one_home() -> None:
    """One door to DuckDB, to worker processes, to progress bars and to terminals, one place for names of files."""
    assert users("duckdb") == {"layermix_gen.support.database"}
    assert users("tqdm") == {"layermix_gen.support.progress"}
    assert naming("ProcessPoolExecutor", "Pool", "Process") == {"layermix_gen.support.worker_pool"}
    assert naming("import_module", "__import__") == {"layermix_gen.commands.lazy"}  # or imports would go unseen
    assert naming("echo", "secho") == {"layermix_gen.commands.showing", "layermix_gen.cli"}
    assert naming("print") == set()
    for file in ("dataset.json", "plan.json", "sources.parquet", "errors.jsonl"):
        assert writing(file) == {"layermix_gen.dataset.names"}, file
    assert writing(".parquet") == {"layermix_gen.dataset.names", "layermix_gen.sources.columnar.parquet_images"}
    others = {"layermix_gen.dataset.hub.dataset_card", "layermix_gen.sources.tars.tar_paths"}
    assert writing(".tar") == {"layermix_gen.dataset.names"} | others


# --- habits --------------------------------------------------------------------------------------------------------


def test_no_global_random_generator():
    """Randomness is an argument: from numpy.random only what makes or names a generator."""
    for name in MODULES:
        made = {"Generator", "Philox", "SeedSequence", "default_rng", "PCG64"}
        for node in NODES[name]:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {str(getattr(node, "module", ""))}
                assert not {"random", "numpy.random"} & names, f"{name}, line {node.lineno}"
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                assert node.attr in made, f"{name}, line {node.lineno}: np.random.{node.attr}"
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng"):
                assert node.args, f"{name}, line {node.lineno}: a generator without a seed"


def test_no_assert_for_a_users_mistake():
    for name in MODULES:
        assert not [node.lineno for node in NODES[name] if isinstance(node, ast.Assert)], name


def undocumented(body, prefix=""):
    """Public classes, and public functions of more than three lines, without a docstring; overrides inherit theirs."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        trivial = isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno < 3
        trivial = trivial or "overload" in map(ast.unparse, node.decorator_list)
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
        nodes = [node for node in NODES[name] if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)]
        for text in filter(None, map(ast.get_docstring, nodes)):
            first = text.split("\n\n")[0]
            assert first.rstrip()[-1] in ".:?)", f"{name}: {first!r}"
            (line, *_) = re.split(r"(?<=[.:]) |\n", first)
            assert len(line.split()) <= WORDS, f"{name}: {line!r}"
