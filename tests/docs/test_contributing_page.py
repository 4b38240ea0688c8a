"""CONTRIBUTING.md is followed to the letter: each of its additions is made to a copy of the package, and tried."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

import layermix_gen
from layermix_gen.evaluate.results.results_folder import load_part
from layermix_gen.kernels.tones import LEVELS
from tests.evaluate.made_results import make_results

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PACKAGE = Path(layermix_gen.__file__).parent


class Edit(NamedTuple):
    """Code of the page, the file that it goes into, and where there."""

    file: str
    where: str
    code: str


def edits(title: str) -> list[Edit]:
    """What the section of this title says to write."""
    section = PAGE.split(f"### {title}\n")[1].split("\n### ")[0]
    blocks = re.findall(r"^`([^`\n]+)`, ([^\n]+?)(?:, for [^\n]+)?:\n\n```python\n(.*?)```", section, re.M | re.S)
    assert len(blocks) == section.count("```python"), "a block without the file that it goes into"
    return [Edit(*block) for block in blocks]


def edited(text: str, where: str, code: str) -> str:
    """The text of a module with code put in where the page says."""
    tree, lines = ast.parse(text), text.splitlines(keepends=True)
    name = where.rpartition(" ")[2].strip("`")
    if where == "among the imports":
        last = max(node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
        return "".join([*lines[:last], code, *lines[last:]])
    (node,) = [node for node in tree.body if name in names(node)]
    begin, end = node.lineno - 1, node.end_lineno or 0
    if where.startswith("after "):
        return "".join([*lines[:end], "\n\n", code, *lines[end:]])
    if where.startswith("in place of "):
        return "".join([*lines[:begin], code, *lines[end:]])
    assert where.startswith("a row of "), where
    table = "".join(lines[begin:end]).rpartition(")" if ")" in lines[end - 1] else "}")
    rows = table[0].rstrip()
    comma = "" if rows.endswith(",") else ","
    return "".join([*lines[:begin], rows, comma, "\n", code, *table[1:], *lines[end:]])


def names(node: ast.stmt) -> Iterator[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef):
        yield node.name
    for target in getattr(node, "targets", [getattr(node, "target", None)]):
        if isinstance(target, ast.Name):
            yield target.id


class Copy:
    """A copy of the package with an addition, formatted, in a folder of its own, and runs of code that uses it."""

    def __init__(self, folder: Path, title: str) -> None:
        self.folder = folder
        drafts = shutil.ignore_patterns("*.pyc.*")  # of compiled files, which spare the copy's own compilation
        shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=drafts)
        for edit in edits(title):
            path = folder / edit.file
            is_new = edit.where == "a new file"
            assert path.exists() != is_new, edit.file
            path.write_text(edit.code if is_new else edited(path.read_text("utf-8"), edit.where, edit.code), "utf-8")
        self.files = {edit.file for edit in edits(title)}
        shutil.copy(ROOT / "pyproject.toml", folder)
        for command in ("check --fix", "format", "check", "format --check"):  # `make format`, then `make lint`
            self.run("-m", "ruff", *command.split(), "--no-cache", *self.files)

    def run(self, *arguments: object) -> str:
        """Run Python with this copy, in its folder, and return what it prints."""
        command = [sys.executable, *map(str, arguments)]
        surroundings = os.environ | {"PYTHONPATH": str(self.folder)}
        run = subprocess.run(command, cwd=self.folder, env=surroundings, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def command(self, *arguments: object) -> str:
        """Run the command line."""
        return self.run("-m", "layermix_gen", *arguments)


@pytest.fixture
def added(request: pytest.FixtureRequest, tmp_path: Path) -> Copy:
    return Copy(tmp_path, request.param)


def addition(title: str) -> pytest.MarkDecorator:
    """The test is of a copy with the addition of the section of this title."""
    return pytest.mark.parametrize("added", [title], indirect=True, ids=[title.replace(" ", "-")])


@addition("An operation")
def test_an_operation(added: Copy, photographs: Path, pool: Path) -> None:
    assert len(added.files) == 2
    code = "import numpy as np, layermix_gen as m; x = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2)"
    shown = added.run("-c", f"{code}; print(m.render('gamma(image, 2)', x)[0, :, 1].tolist())")
    assert shown.strip() == str(np.floor(LEVELS**2 / 255 + 0.5).astype(int).tolist())
    added.command("build", photographs, "out", "--ops", "gamma", "--size", 32, "--mixing-set", pool, "--workers", 1)
    shown = added.command("inspect", "out", "--where", "op = 'gamma'", "--columns", "op", "--format", "csv")
    assert shown.split() == ["op"] + ["gamma"] * 192
    added.command("verify", "out", "--replay", 1)
    added.command("inspect", "out", "--key", "000000000-v00", "--out", "tree.png")


@addition("A blend")
def test_a_blend(added: Copy) -> None:
    assert len(added.files) == 2
    code = (
        "import numpy as np, layermix_gen as m; x, y = np.full((2, 4, 4, 3), [[[[200]]], [[[100]]]], np.uint8); "
        "print(*(int(m.render(f'lighten(image, picture, {numbers})', x, y)[0, 0, 2]) "
        "for numbers in ('1, 1', '0.2, 0.5', '2, 1', '-1, -2')));"
        "m.recipe_tree('lighten(image, picture, 1, 1)', x, y).save('tree.png')"
    )
    assert added.run("-c", code).split() == ["200", "50", "255", "0"]
    draws = "from layermix_gen import LayerMixOptions; print(*LayerMixOptions().blends)"
    assert added.run("-c", draws).split() == ["add", "multiply", "pixel", "element"]  # drawn as before


@addition("A method")
def test_a_method(added: Copy, photographs: Path) -> None:
    assert len(added.files) == 2
    added.command(
        "build", photographs, "out", "--method", "mirrormix", "--size", 32, "--workers", 1, "--blending-ratio", 2
    )
    rows = added.command("inspect", "out", "--where", "method = 'mirrormix'", "--format", "csv", "--columns", "recipe")
    recipes = rows.splitlines()[1:]
    assert len(recipes) == 192
    assert all(re.fullmatch(r'"add\(image, mirror\(image\), [-.\d]+, [-.\d]+\)"', recipe) for recipe in recipes)
    assert "chi-square" in added.command("inspect", "out")
    added.command("verify", "out", "--replay", 1)


@addition("A source")
def test_a_source(added: Copy) -> None:
    assert len(added.files) == 2
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    first, *others = map(Image.fromarray, images)
    first.save(added.folder / "set.tif", save_all=True, append_images=others)
    options = ("--kind", "tiff", "--variants", 0, "--view", "center", "--size", 8, "--format", "png", "--workers", 2)
    added.command("build", "set.tif", "out", *options)
    code = (
        "import layermix_gen as m, numpy as np; s = m.open_shards('out'); rows = s.query(order_by='source'); "
        "np.save('out.npy', [s.pixels(row) for row in rows]); print(s.manifest.source.kind)"
    )
    assert added.run("-c", code).strip() == "tiff"
    assert np.array_equal(np.load(added.folder / "out.npy"), images)
    (added.folder / "bad.tif").write_text("no image")
    code = "from layermix_gen.sources import open_source; open_source('bad.tif', 'tiff').items()"
    shown = added.run("-c", f"import layermix_gen as m\ntry: {code}\nexcept m.LayerMixError as e: print(e)")
    assert shown.startswith("cannot read ")
    assert shown.endswith("; give a TIFF file\n")


@addition("A kind of fractal")
def test_a_kind_of_fractal(added: Copy) -> None:
    assert len(added.files) == 3
    added.command("fractals", "render", "set.npy", "--count", 3, "--size", 48, "--kinds", "rings", "--workers", 1)
    pictures = np.load(added.folder / "set.npy")
    assert pictures.shape == (3, 48, 48)
    assert [len(np.unique(picture)) > 100 for picture in pictures] == [True] * 3
    code = (
        "from layermix_gen.mixing_sets.fractals import make_fractal, render_record, VERSION; "
        "print(VERSION, all(kind in (make_fractal(0, i, 16).record['kind'] for i in range(60)) "
        "for kind in ('rings', 'escape')));"
        "print(sum(make_fractal(0, i, 256, ('rings',)).record['attempt'] for i in range(20)) < 2);"
        "made = make_fractal(1, 2, 40, ('rings',)); print((render_record(made.record, 40) == made.pixels).all())"
    )
    assert added.run("-c", code).split() == ["2", "True", "True", "True"]


@addition("A corruption")
def test_a_corruption(added: Copy, digits: Path) -> None:
    assert len(added.files) == 2
    arguments = ("--suite", "c", "--corruptions", "vignette", "--severities", "1,5", "--workers", 1)
    added.command("evaluate", "corrupt", digits, "corrupted", *arguments)
    made = np.load(added.folder / "corrupted" / "vignette.npy").astype(int)
    assert made.shape == (80, 28, 28, 3)
    weak, strong = made[:40], made[40:]
    assert (strong <= weak).all()
    assert strong[:, 0, 0].mean() < 0.2 * strong[:, 14, 14].mean()
    assert "1 parts of" not in added.command("evaluate", "check-data", "corrupted")


@addition("A metric")
def test_a_metric(added: Copy) -> None:
    assert len(added.files) == 3
    code = (
        "import numpy as np, layermix_gen.evaluate.metrics.calibration as c; "
        "print(c.overconfidence([0.5, 0.7, 0.9], [True, False, False]))"
    )
    assert float(added.run("-c", code)) == pytest.approx(70 - 100 / 3)
    make_results(added.folder / "run", seed=1)
    shown = added.command("evaluate", "report", "run", "--format", "csv")
    values = [line.split(",") for line in shown.splitlines() if ",clean_overconfidence," in line]
    predictions = load_part(added.folder / "run", "clean", "clean")
    expected = 100 * (predictions.confidences.mean() - predictions.correct.mean())
    assert [float(row[5]) for row in values] == [pytest.approx(expected)]
    assert "overconfidence" in added.command("evaluate", "report", "run")
