"""The documentation is held to the code: snippets run, help is current, links lead somewhere, no name is missing."""

import re
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import fsspec
import numpy as np
import pytest
import yaml

from layermix_gen import PixMixOptions, build
from layermix_gen.dataset.index import COLUMNS
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.inspection.drawings import recipe_plots
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.methods.layermix import PRESETS
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import SIGNATURES
from layermix_gen.mixing_sets import fractals
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.sources import KINDS
from layermix_gen.support.checks import flag
from tests.servers import object_store

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def snippets(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", ["docs/build.md", "docs/methods.md", "docs/recipes.md"])
def test_python_snippets_run(name, tmp_path, monkeypatch, photographs):
    monkeypatch.chdir(tmp_path)
    for module in ("building.planning", "online"):  # which render their own fractals
        monkeypatch.setattr(f"layermix_gen.{module}.resolve_mixing_set", partial(resolve_mixing_set, count=8))
    (tmp_path / "path" / "to").mkdir(parents=True)
    (tmp_path / "path" / "to" / "train").symlink_to(photographs)
    rng = np.random.default_rng(0)
    image, view, other, fractal = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)
    np.save("fractals.npy", rng.integers(0, 256, (4, 36, 36), np.uint8))
    made = {}
    for snippet in snippets(ROOT / name):
        names = {"__name__": "__main__", "image": image, "view": view, "other": other, "fractal": fractal}
        exec(snippet, names)  # noqa: S102
        made |= names
    if name == "docs/methods.md":
        assert made["settings"].options == PixMixOptions(k=3)
    else:
        assert made["mixed"].shape == (32, 32, 3)


def run_page(name):
    """Run the snippets of a page one after the other and return all names that they leave."""
    made = {}
    for snippet in snippets(ROOT / name):
        names = {}
        exec(snippet, names)  # noqa: S102
        made |= names
    return made


def test_python_snippets_of_the_fractals_page_run(tmp_path, monkeypatch, photographs):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photographs").symlink_to(photographs)
    made = run_page("docs/fractals.md")
    assert (len(made["mixing"]), made["mixing"].size) == (20, 36)
    assert (len(made["packed"].mixing_set), made["packed"].skipped) == (24, ())
    assert made["crops"].pictures.shape == (96, 64, 64)
    assert made["large"].shape == (1024, 1024)
    assert (tmp_path / "sheet.png").stat().st_size > 0


def test_python_snippets_of_the_sources_page_run(tmp_path, monkeypatch, photographs, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photographs").symlink_to(photographs)
    made = run_page("docs/sources.md")
    assert len(capsys.readouterr().out.splitlines()) == 24
    assert made["pixels"].shape == (56, 44, 3)


def test_python_snippets_of_the_inspect_page_run(tmp_path, monkeypatch, photographs, pool, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipe_plots, "POINTS", 4096)
    build(photographs, "shards", BuildSettings(variants=8, size=32), mixing_set=pool, workers=1, progress=False)
    view, fractal = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    names = {"view": view, "fractal": fractal}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with object_store() as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        s3 = fsspec.filesystem("s3", skip_instance_cache=True)
        s3.mkdir("bucket")
        s3.put("shards", "bucket/", recursive=True)
        for snippet in snippets(ROOT / "docs" / "inspect.md"):
            exec(snippet, names)  # noqa: S102
        assert names["shards"].count() == 9 * 24
    made = {"explained.png", "tree.png", "sheet.png", "gallery.html", "plot.png"}
    assert made <= {path.name for path in tmp_path.iterdir() if path.stat().st_size > 10_000}
    assert len(list((tmp_path / "odd-ones").glob("*.png"))) == 5
    assert names["report"].ok
    assert names["repaired"].mended == ()
    assert "as the settings draw them; chi-square" in capsys.readouterr().out


def test_command_line_page_is_current(tmp_path):
    subprocess.run([sys.executable, ROOT / "docs" / "generate.py", tmp_path], check=True)
    made = (tmp_path / "command-line.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8") == made, "run: make docs"


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page: a second one of the same text ends with -1."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    names = [re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
    return {f"{name}-{names[:place].count(name)}".removesuffix("-0") for place, name in enumerate(names)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"(?:\]\(|(?:src|href)=\")([^)\"\s]+)", prose(page)):
        if not link.startswith("http"):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.resolve()), link


def test_every_call_and_operation_is_documented():
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert [name for name in SIGNATURES if f"`{name}(" not in text] == []
    assert [name for name in OPERATIONS if f"`{name}`" not in text] == []
    assert [preset for preset in PRESETS if f"`{preset}`" not in text] == []


def test_every_method_is_documented():
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert [name for name in METHODS if f"| `{name}` |" not in text] == []


def test_every_kind_of_source_and_of_fractal_is_documented():
    for page, kinds in (("sources.md", KINDS), ("fractals.md", fractals.KINDS)):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert [name for name in kinds if f"`{name}`" not in text] == [], page


def test_every_setting_is_on_the_command_line_page():
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert [name for name in BuildSettings.__dataclass_fields__ if name != "options" and flag(name) not in text] == []


@pytest.mark.parametrize("method", [name for name, row in METHODS.items() if row.options.kinds()])
def test_every_method_has_its_options_on_the_command_line_page(method):
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    section = text.split(f"Options of --method {method}:\n", 1)[1].split("\n```\n", 1)[0]
    kinds = METHODS[method].options.kinds()
    assert [name for name in kinds if not re.search(rf"^  {flag(name)}\b", section, re.MULTILINE)] == []


def test_every_column_of_the_index_is_documented():
    text = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    assert [name for name in COLUMNS if f"`{name}`" not in text] == []


def pages_in(nav):
    """The pages that the navigation of the site names."""
    for entry in nav:
        for found in entry.values() if isinstance(entry, dict) else [entry]:
            yield from [found] if isinstance(found, str) else pages_in(found)


def test_the_site_leads_to_every_page():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    here = {page.name for page in (ROOT / "docs").glob("*.md")}
    made = {f"api/{page}.md" for page in ("layermix_gen", "evaluate", "sources", "fractals")}
    assert sorted(pages_in(site["nav"])) == sorted(here | made | {"index.md", "contributing.md", "changes.md"})
