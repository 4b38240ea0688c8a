"""The options of `inspect` that show samples: each writes what the package's function writes; misuse is one line."""

from pathlib import Path

import pytest
from PIL import Image

from layermix_gen.inspection.drawings import recipe_plots
from layermix_gen.inspection.shards import Shards
from tests.helpers import invoke, members


def test_a_sample_as_facts_and_as_a_tree(squares: Shards, tmp_path: Path) -> None:
    row = squares.query("layer = 3", limit=1)[0]
    result = invoke("inspect", squares.location, "--key", row["key"])
    assert result.exit_code == 0
    assert f"recipe        {row['recipe']}\n" in result.stdout
    assert f"op_args       {row['op_args']}\n" in result.stdout
    result = invoke("inspect", squares.location, "--key", row["key"], "--out", tmp_path / "tree.png")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/tree.png\n")
    assert (tmp_path / "tree.png").read_bytes() == squares.explain(row["key"], tmp_path / "twin.png").read_bytes()
    assert Image.open(tmp_path / "tree.png").width > 500


@pytest.mark.parametrize(("option", "name"), [("sheet", "sheet.png"), ("gallery", "page.html")])
def test_samples_that_meet_a_condition(option: str, name: str, squares: Shards, tmp_path: Path) -> None:
    question = {"where": "layer > 1", "order_by": "size DESC", "sample": 3, "seed": 1}
    arguments = ("--where", "layer > 1", "--order-by", "size DESC", "--sample", 3, "--seed", 1)
    result = invoke("inspect", squares.location, f"--{option}", tmp_path / name, *arguments)
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / name}\n"), result.output
    twin = getattr(squares, option)(tmp_path / f"twin-{name}", **question)
    assert (tmp_path / name).read_bytes() == twin.read_bytes()
    result = invoke("inspect", squares.location, f"--{option}", tmp_path / "none", "--where", "layer = 7")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_a_plot(squares: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_plots, "POINTS", 4096)
    result = invoke("inspect", squares.location, "--plot", tmp_path / "plot.png")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/plot.png\n")
    assert (tmp_path / "plot.png").read_bytes() == squares.plot(tmp_path / "twin.png").read_bytes()


def test_an_extraction(squares: Shards, tmp_path: Path) -> None:
    result = invoke("inspect", squares.location, "--extract", tmp_path / "out", "--where", "layer = 1", "--limit", 1)
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/out: 1 image with their JSON\n")
    (image,) = (tmp_path / "out").glob("*.png")
    row = squares.row(image.stem)
    stored = members(Path(squares.location) / row["plane"] / f"{row['shard']:06d}.tar")
    assert image.read_bytes() == stored[image.name]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--out", "a.png"), "--out is for --key"),
        (("--key", "x", "--where", "layer = 1"), "--where has no effect with --key"),
        (("--plot", "a.png", "--order-by", "size"), "--order-by has no effect with --plot"),
        (("--sheet", "a.png", "--gallery", "b.html"), "--gallery has no effect with --sheet"),
        (("--extract", "a", "--format", "csv"), "--format has no effect with --extract"),
        (("--sample", "3"), "--sample is for --sheet and --gallery"),
        (("--sheet", "a.png", "--seed", "3"), "--seed is for --sample"),
        (("--extract", "a", "--sample", "3"), "--sample has no effect with --extract"),
        (("--limit", "x"), "Invalid value for '--limit': 'x' is not a valid integer."),
    ],
)
def test_options_that_do_not_go_together(arguments: tuple[str, ...], line: str, squares: Shards) -> None:
    result = invoke("inspect", squares.location, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == f"Error: {line}"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--key", "x"), "expected the key of a sample, such as 000000000-clean, got 'x'; find keys with --where"),
        (("--sheet", "no/such/folder.png"), "no/such"),
        (("--sheet", "sheet.xyz"), "sheet.xyz"),
        (("--gallery", "no/such/page.html"), "no/such"),
        (("--sheet", "a.png", "--where", "lay = 1"), 'Referenced column "lay" not found'),
        (("--sheet", "a.png", "--limit", "0"), "expected samples to draw, but none meets"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], line: str, squares: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("inspect", squares.location, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    (said,) = result.stderr.splitlines()
    assert line in said
    assert list(tmp_path.iterdir()) == []
