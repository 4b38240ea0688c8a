"""The compiled kernels are found and chosen: only those of these sources, only what this processor can run."""

import re
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.kernels import compiling, native
from layermix_gen.online import Mixer
from tests.helpers import invoke


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test choose again, and what runs after it."""
    cached = (native.chosen, native.library, native.say_if_not_compiled)
    monkeypatch.delenv(native.VARIABLE, raising=False)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def test_the_kernels_are_compiled_and_the_best_are_used() -> None:
    """Otherwise everything would pass, slowly, by NumPy."""
    baseline = native.load("baseline")
    assert baseline is not None, "run python -m layermix_gen.kernels.compiling"
    levels = compiling.levels_of()[: baseline.lm_level() + 1]
    assert native.chosen() == levels[-1]
    assert [native.load(level).lm_level() for level in levels] == [baseline.lm_level()] * len(levels)


def test_the_variable_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, "baseline")
    assert native.chosen() == "baseline"
    assert native.library() is not None
    native.chosen.cache_clear()
    native.library.cache_clear()
    monkeypatch.setenv(native.VARIABLE, "numpy")
    assert native.chosen() == "numpy"
    assert native.library() is None


@pytest.mark.parametrize("value", ["avx2", "x86-64-v3", "NumPy"])
def test_what_is_not_there_or_cannot_run_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(native, "load", lambda level: SimpleNamespace(lm_level=lambda: 0))
    monkeypatch.setenv(native.VARIABLE, value)
    with pytest.raises(LayerMixError, match=f"^LAYERMIX_GEN_KERNELS must be one of numpy, baseline, got '{value}'; "):
        native.chosen()


def test_a_build_with_a_wrong_choice_is_one_line(
    monkeypatch: pytest.MonkeyPatch, photographs: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv(native.VARIABLE, "sse9")
    result = invoke("build", photographs, tmp_path / "out", "--method", "none")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: LAYERMIX_GEN_KERNELS must be one of numpy, baseline")


def test_libraries_of_other_sources_are_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sources = copytree(compiling.FOLDER, tmp_path / "kernels")
    monkeypatch.setattr(compiling, "FOLDER", sources)
    assert native.load("baseline", sources) is not None
    with (sources / "level.c").open("a") as file:
        file.write("\n")
    assert native.load("baseline", sources) is None


def test_a_damaged_library_is_one_line(tmp_path: Path) -> None:
    compiling.library_path("baseline", tmp_path).write_bytes(b"\x7fELF")
    with pytest.raises(LayerMixError, match=r"^cannot load the compiled kernels: .*; delete it .*KERNELS=numpy$"):
        native.load("baseline", tmp_path)


def test_numpy_in_place_of_kernels_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(native, "load", lambda level: None)
    Mixer("mixup")
    Mixer("mixup")
    (line,) = caplog.messages
    assert line.startswith("the kernels are not compiled, so NumPy ")


@pytest.mark.parametrize("value", [None, "numpy"])
def test_nothing_is_said_of_what_is_compiled_or_asked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str | None
) -> None:
    if value:
        monkeypatch.setenv(native.VARIABLE, value)
    native.say_if_not_compiled()
    assert caplog.messages == []


def test_the_sources_call_nothing_that_each_system_rounds_in_its_own_way() -> None:
    inexact = r"\b(?:__builtin_)?(?:pow|exp2?|expm1|log(?:2|10|1p)?|a?(?:sin|cos|tan)h?|atan2|hypot|cbrt|fma)[fl]?\("
    for path in compiling.FOLDER.glob("*.c"):
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text("utf-8"), flags=re.DOTALL)
        # What is drawn is rounded to four decimals, and Python's own draws ask the system for the same powers.
        assert re.findall(inexact, code) == (["pow("] * 2 if path.name == "draw.c" else []), path.name
