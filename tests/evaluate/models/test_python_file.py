"""The file of a model may import what is beside it; afterwards imports are as they were."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from layermix_gen.errors import LayerMixError
from tests.evaluate.models.networks import IMAGES, load_model


def test_a_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "nets_beside_it.py").write_text("from torch import nn\nnet = nn.Identity\n")
    (tmp_path / "here.py").write_text("def make():\n    from nets_beside_it import net\n    return net()\n")
    before = list(sys.path)
    assert isinstance(load_model(f"{tmp_path / 'here.py'}:make").model, nn.Identity)
    assert sys.path == before
    assert "nets_beside_it" not in sys.modules


def write_repository(folder, number):
    """A repository whose modules have common names: a network that multiplies by `number`, and by that again."""
    (folder / "lib" / "deep").mkdir(parents=True)
    (folder / "lib" / "__init__.py").write_text("")
    (folder / "lib" / "deep" / "late.py").write_text(f"FACTOR = {number}\n")
    (folder / "spaces").mkdir()  # a package without __init__
    (folder / "spaces" / "more.py").write_text("from blocks import FACTOR\n")
    (folder / "blocks.py").write_text(f"FACTOR = {number}\n")
    (folder / "net.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom torch import nn\n"
        "from blocks import FACTOR\n\n"
        "@dataclass\nclass Options:\n    factor: int = FACTOR\n\n"
        "class Net(nn.Module):\n    def forward(self, images):\n"
        "        import lib.deep.late\n        from spaces.more import FACTOR as again\n"
        "        assert again == FACTOR\n"
        "        return images.mean((2, 3)) * Options().factor * lib.deep.late.FACTOR\n"
    )
    return f"{folder}/net.py:Net"


def test_models_of_two_folders_import_what_is_beside_each(tmp_path):
    """Both while they are loaded and while they run alternately."""
    before, modules = list(sys.path), set(sys.modules)
    models = [load_model(write_repository(tmp_path / str(number), number)) for number in (2, 3)]
    mean = IMAGES.mean((2, 3))
    for _ in range(2):
        for model, number in zip(models, (2, 3), strict=True):
            torch.testing.assert_close(model(IMAGES), number**2 * mean)
    assert sys.path == before
    left = set(sys.modules) - modules
    assert not left & {"blocks", "lib", "lib.deep", "lib.deep.late", "spaces", "spaces.more"}
    assert len([name for name in left if name.startswith("layermix_gen_model_net_")]) == 2  # each by its own name


def test_a_module_that_is_there_already_is_left_there(tmp_path, monkeypatch):
    """A name that the program uses itself means the program's own module again after the model ran."""
    model = load_model(write_repository(tmp_path / "2", 2))
    other = ModuleType("blocks")
    monkeypatch.setitem(sys.modules, "blocks", other)
    torch.testing.assert_close(model(IMAGES), 4 * IMAGES.mean((2, 3)))
    assert sys.modules["blocks"] is other


def test_what_is_installed_in_the_folder_stays_imported(tmp_path, monkeypatch):
    """Libraries in its .venv, for example, may not be imported twice."""
    packages = tmp_path / ".venv" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "library_of_the_folder.py").write_text("")
    (tmp_path / "net.py").write_text("import library_of_the_folder\nfrom torch.nn import Identity\n")
    monkeypatch.syspath_prepend(packages)
    load_model(f"{tmp_path}/net.py:Identity")
    assert sys.modules.pop("library_of_the_folder")


def test_a_failure_leaves_imports_as_they_were(tmp_path):
    (tmp_path / "half.py").write_text("")
    (tmp_path / "net.py").write_text("import half\nhalf.missing\n")
    before = list(sys.path)
    with pytest.raises(LayerMixError, match="AttributeError: module 'half' has no attribute 'missing'; try it"):
        load_model(f"{tmp_path}/net.py:net")
    assert sys.path == before
    assert "half" not in sys.modules
