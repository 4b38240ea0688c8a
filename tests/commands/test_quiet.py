"""What commands write to standard error: lines of progress where that is no terminal, and nothing with `--quiet`."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from layermix_gen.cli import main
from layermix_gen.support import progress
from tests.helpers import invoke

SHORT = {  # commands that end soon, or that have nothing to tell before they end
    "layermix-gen card",
    "layermix-gen evaluate gradcam",
    "layermix-gen evaluate report",
    "layermix-gen finish",
    "layermix-gen fractals preview",
}


def commands(command: click.Command = main, name: str = "layermix-gen") -> Iterator[tuple[str, click.Command]]:
    """All commands that are no groups, by their full names."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for child in command.list_commands(context):
        found = command.get_command(context, child)
        assert found is not None
        yield from commands(found, f"{name} {child}")


def test_all_long_commands_have_quiet() -> None:
    quiet = {name for name, one in commands() if any("--quiet" in param.opts for param in one.params)}
    assert {name for name, _ in commands()} - quiet == SHORT


def test_a_build_logs_its_progress_or_is_quiet(
    photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 1e-6)
    command = ("build", photographs, tmp_path / "out", "--mixing-set", pool, "--size", 32, "--workers", 1)
    told = invoke(*command, "--variants", 1).stderr.splitlines()
    assert told[0].startswith("listing: 24 images, ")
    assert told[1].startswith("building 24 images in 2 planes: 32 px")
    assert told[2].startswith("building: 2 of 48 images (4%), ")
    assert "building: 48 of 48 images (100%), " in told[-1]
    more = invoke(*command, "--quiet")
    assert (more.exit_code, more.stderr) == (0, "")
    assert "images, " in more.stdout
    assert invoke("verify", tmp_path / "out", "--workers", 1).stderr.startswith("verifying: 1 of 1 shard (100%), ")
    assert invoke("verify", tmp_path / "out", "--workers", 1, "-q").stderr == ""


def test_quiet_hides_no_warning(pool: Path, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(pool.read_bytes())
    (tmp_path / "source" / "one").mkdir(parents=True)
    (tmp_path / "source" / "one" / "bad.png").write_bytes(b"no picture")
    quiet = invoke("fractals", "render", tmp_path / "set.npy", "--count", 1, "--size", 36, "--workers", 1, "-q")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    told = invoke(
        "build", tmp_path / "source", tmp_path / "out", "--mixing-set", tmp_path / "a.npy", "--size", 32, "-q"
    )
    assert told.exit_code == 1
    (line,) = told.stderr.splitlines()
    assert line.startswith("Error: 1 of 1 inputs cannot be read")
