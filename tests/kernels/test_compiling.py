"""The kernels are compiled: by which compiler, into which libraries, and by the build hook into wheels."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copy
from typing import Any
from zipfile import ZipFile

import pytest
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.plugin.utils import load_plugin_from_script

import layermix_gen
from layermix_gen.kernels import compiling
from tests.kernels.glibc import check

ROOT = Path(layermix_gen.__file__).parents[1]


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A project with the build hook and a single small C file, which the module compiles instead of the package's."""
    folder = tmp_path / "project" / "layermix_gen" / "kernels"
    folder.mkdir(parents=True)
    for name in ("level.c", "kernels.h", "compiling.py"):
        copy(compiling.FOLDER / name, folder)
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        copy(ROOT / name, tmp_path / "project")
    copy(ROOT / "layermix_gen" / "_version.py", folder.parent)
    monkeypatch.setattr(compiling, "FOLDER", folder)
    return folder


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only folder in which commands are looked for, empty."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)
    return folder


def command(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("_kernels-*"))


# --- which compiler ------------------------------------------------------------------------------------------------


def test_the_compiler_that_works_is_taken(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiling.system_compiler() is None
    command(commands / "cc", "exit 1")  # without headers, say
    assert compiling.system_compiler() is None
    command(commands / "gcc", "exit 0")
    assert compiling.system_compiler() == ["gcc"]
    monkeypatch.setenv("CC", f"{command(commands / 'own', 'exit 0')} -pipe")
    assert compiling.system_compiler() == [str(commands / "own"), "-pipe"]


def test_no_compiler_is_one_line(sources: Path, commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(compiling.CompileError, match=r"^no C compiler was found: "):
        compiling.compile_kernels(sources)


# --- compiling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "levels"), [("x86_64", ["baseline", "x86-64-v3", "x86-64-v4"]), ("arm64", ["baseline"])]
)
def test_each_processor_has_its_levels(machine: str, levels: list[str]) -> None:
    assert compiling.levels_of(machine) == levels


def test_new_libraries_take_the_place_of_old_ones(sources: Path) -> None:
    first = compiling.compile_kernels(sources)
    assert names(sources) == sorted(path.name for path in first)
    (sources / "level.c").open("a").write("\n")
    second = compiling.compile_kernels(sources)
    assert not {*first} & {*second}
    assert names(sources) == sorted(path.name for path in second)


def test_old_libraries_stay_where_the_compiler_fails(sources: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = compiling.compile_kernels(sources)
    (sources / "level.c").open("a").write("int broken(void) { return nothing; }\n")
    with pytest.raises(compiling.CompileError, match=r"^the C compiler .* failed$"):
        compiling.compile_kernels(sources)
    assert names(sources) == sorted(path.name for path in before)
    assert "broken" in capfd.readouterr().err


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_zig_compiles_for_other_machines_and_an_old_glibc(machine: str) -> None:
    assert compiling.zig_for(f"manylinux_2_17_{machine}") == (
        (*compiling.ZIG, "-target", f"{machine}-linux-gnu.2.17"),
        machine,
    )


def test_an_unknown_platform_is_refused() -> None:
    with pytest.raises(compiling.CompileError, match=r"such as manylinux_2_17_x86_64, got 'win_amd64'$"):
        compiling.zig_for("win_amd64")


# --- the build hook ------------------------------------------------------------------------------------------------


def hook_of(sources: Path) -> Any:
    """The project's hook."""
    root = sources.parents[1]
    hook: Any = load_plugin_from_script(str(root / "hatch_build.py"), "hatch_build", BuildHookInterface, "build_hook")
    return hook(str(root), {}, None, None, "", "wheel")


def built(sources: Path, **environment: str) -> tuple[Path, str]:
    """The wheel that hatchling builds of the project, and all that it says."""
    run = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"],
        cwd=sources.parents[1],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (wheel,) = (sources.parents[1] / "dist").iterdir()
    return wheel, run.stdout + run.stderr


def libraries(wheel: Path) -> list[str]:
    with ZipFile(wheel) as archive:
        return sorted(Path(name).name for name in archive.namelist() if name.endswith(".dso"))


def test_a_wheel_holds_the_libraries_of_its_sources(sources: Path) -> None:
    (sources / "_kernels-baseline-0123456789abcdef.dso").touch()
    wheel, _ = built(sources)
    assert wheel.name.split("-")[2:4] == ["py3", "none"]
    assert not wheel.name.endswith("-any.whl")
    levels = compiling.levels_of()
    assert libraries(wheel) == sorted(compiling.library_path(level).name for level in levels)
    assert names(sources) == ["_kernels-baseline-0123456789abcdef.dso"]


def test_an_editable_install_has_them_beside_the_sources(sources: Path) -> None:
    hook = hook_of(sources)
    hook.initialize("editable", {})
    levels = compiling.levels_of()
    assert names(sources) == sorted(compiling.library_path(level).name for level in levels)


def test_zig_is_needed_only_where_no_compiler_works(sources: Path, commands: Path) -> None:
    hook = hook_of(sources)
    command(commands / "cc", "exit 0")
    assert hook.dependencies() == []
    (commands / "cc").unlink()
    assert hook.dependencies() == ["ziglang"]


def test_a_wheel_without_compiled_kernels_says_so(sources: Path, commands: Path) -> None:
    """Neither the system has a compiler, nor does zig work."""
    (commands / "ziglang.py").write_text("raise SystemExit(1)")
    wheel, said = built(sources, PYTHONPATH=str(commands))
    assert wheel.name.endswith("-py3-none-any.whl")
    assert libraries(wheel) == []
    assert "failed; NumPy makes the same pixels" in said


# --- wheels for other machines -------------------------------------------------------------------------------------


def wheel_of(folder: Path, tag: str, library: bytes) -> Path:
    path = folder / f"layermix_gen-1.0.0-py3-none-{tag}.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr("layermix_gen/kernels/_kernels-baseline-0.dso", library)
    return path


def test_a_wheel_that_needs_no_newer_glibc_than_its_name_says_passes(tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path, "manylinux_2_17_x86_64", b"\0GLIBC_2.2.5\0malloc\0GLIBC_2.14\0")
    assert check(wheel).endswith(" need glibc 2.14")


@pytest.mark.parametrize(
    ("tag", "library"),
    [("manylinux_2_17_x86_64", b"\0GLIBC_2.2.5\0fmod\0GLIBC_2.38\0"), ("linux_x86_64", b"\0GLIBC_2.14\0")],
)
def test_another_wheel_is_refused(tmp_path: Path, tag: str, library: bytes) -> None:
    with pytest.raises(SystemExit, match=r"^error: expected compiled kernels that run on the glibc of "):
        check(wheel_of(tmp_path, tag, library))
