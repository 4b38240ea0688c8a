"""Places that users give to commands: a URL is refused wherever only a path will do, and `~` is the home folder."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from layermix_gen import LayerMixDataset, open_shards
from layermix_gen.evaluate import load_model, load_predictions, make_report, write_report
from tests.helpers import invoke
from tests.inspection.built import Built, refuses

URL = "s3://bucket/x"
COMMANDS = (
    "demo URL",
    "fractals render URL.npy",
    "fractals pack URL new.npy",
    "fractals pack SOURCE URL.npy",
    "fractals preview POOL URL.png",
    "inspect DATA --sheet URL.png",
    "inspect DATA --gallery URL.html",
    "inspect DATA --plot URL.png",
    "inspect DATA --extract URL",
    "inspect DATA --key 000000003-v00 --out URL.png",
    "evaluate corrupt URL new --suite c",
    "evaluate corrupt SOURCE URL --suite c",
    "evaluate check-data URL",
    "evaluate run --model m.py:f --data clean=SOURCE --out URL",
    "evaluate run --model m.py:f --data clean=URL --out new",
    "evaluate run --model m.py:f --data cifar10=URL --out new",
    "evaluate temperature URL --model m.py:f --mean 0 --std 1",
    "evaluate gradcam URL.png --model m.py:f --mean 0 --std 1 --out new.png",
    "evaluate report URL",
    "evaluate report name=URL",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of a model in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    Path("m.py").write_text("import torch\n\nf = lambda: torch.nn.Linear(3, 2)\n")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_url_is_refused_in_one_line(command: str, here: Path, small: Built, pool: Path) -> None:
    places = {"SOURCE": str(small.source), "DATA": str(small.root), "POOL": str(pool)}
    words = [word.replace("URL", URL) for word in command.split()]
    result = invoke(*[places.get(word, word.replace("SOURCE", places["SOURCE"])) for word in words])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("Error: expected a path of this machine as the ")
    assert f", got the URL {URL}" in line
    assert [path.name for path in here.iterdir()] == ["m.py"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: load_model("m.py:f", URL),
        lambda: load_model(f"{URL}.pt2"),
        lambda: load_model(f"{URL}.py:f"),
        lambda: load_predictions(f"{URL}.npz"),
        lambda: write_report(make_report([URL]), "new"),
        lambda: open_shards(Path(URL)),
        lambda: LayerMixDataset(Path(URL), 2),
        lambda: LayerMixDataset("memory://x", 2, cache_dir=URL),
    ],
)
def test_a_url_is_refused_in_python(call: Callable[[], object], here: Path) -> None:
    assert refuses(call).startswith("expected a path of this machine as the ")
    assert [path.name for path in here.iterdir()] == ["m.py"]


def test_a_url_is_shown_as_it_was_given(small: Built) -> None:
    url = small.root.as_uri()
    assert invoke("inspect", url).output.splitlines()[0].split(maxsplit=1) == ["dataset", url]
    assert invoke("verify", url, "--workers", 1).output.startswith(f"{url}: 3 shards")


def test_a_tilde_is_the_home_folder(here: Path, small: Built, pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = here / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name, place in {"in": small.source, "data": small.root, "pool.npy": pool}.items():
        (home / name).symlink_to(place)
    for command in (
        "build ~/in ~/out --variants 1 --size 8 --mixing-set ~/pool.npy --workers 1",
        "inspect ~/out",
        "verify ~/out --workers 1",
        "inspect ~/data --extract ~/extracted --limit 2",
    ):
        result = invoke(*command.split())
        assert result.exit_code == 0, result.output
    assert len(LayerMixDataset("~/out", 4)) == 6
    assert {path.name for path in home.iterdir()} == {"in", "data", "pool.npy", "out", "extracted"}
    assert not (here / "~").exists()
