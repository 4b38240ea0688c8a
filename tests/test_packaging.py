"""What an index of packages gets: metadata, README and the content of the source distribution."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from trove_classifiers import classifiers

from layermix_gen import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def metadata() -> Any:
    return ProjectMetadata(str(ROOT), PluginManager())


def test_name_version_and_authors_are_everywhere_the_same(metadata):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    authors = [author["name"] for author in citation["authors"]]
    assert (metadata.core.name, metadata.version) == (citation["title"], __version__)
    assert citation["version"] == __version__
    assert metadata.core.authors_data["name"] == authors
    assert f"Copyright (c) 2026 {authors[0]}" in (ROOT / "LICENSE").read_text("utf-8")
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_classifiers_are_known_and_name_the_pythons_that_are_tested(metadata):
    assert set(metadata.core.classifiers) <= classifiers
    named = re.findall(r"Python :: (3\.\d+)", " ".join(metadata.core.classifiers))
    assert f">={named[0]}" == metadata.core.requires_python
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == named


def test_the_readme_of_the_index_shows_nothing_that_is_not_there(metadata):
    readme = metadata.core.readme
    assert readme.startswith("# layermix-gen\n")
    assert "[LayerMix](https://arxiv.org/abs/2501.04861)" in readme
    assert "](docs/" in (ROOT / "README.md").read_text("utf-8")
    assert set(re.findall(r"\]\((https?:|)", readme)) == {"https:"}
    assert not re.search(r"\n{3}", readme)


def test_the_source_distribution_has_the_project_and_nothing_else():
    names = [file.relative_path for file in SdistBuilder(str(ROOT)).recurse_included_files()]
    tops = {name.partition("/")[0] for name in names}
    assert {"README.md", "CHANGELOG.md", "Makefile", "layermix_gen", "tests", "docs"} <= tops
    assert tops <= {path.name for path in ROOT.iterdir()} - {".venv", ".git", "build", "dist", "demo-out", "site"}
    assert {"layermix_gen/py.typed", "layermix_gen/__init__.pyi", "layermix_gen/kernels/kernels.h"} <= set(names)
    assert [name for name in names if re.search(r"__pycache__|_cache/|\.dso$|\.so$|\.tmp$|egg-info", name)] == []
