"""The command line as such: quick help without heavy imports, and an option for every setting."""

import dataclasses
import inspect
import json
import pickle
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import layermix_gen
from layermix_gen.cli import COMMANDS, main
from layermix_gen.commands.build import command as build_command
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.sources import SourceOptions
from tests.helpers import COMMAND, digest, invoke, without_start

HEAVY = {"torch", "numpy", "cv2", "duckdb", "PIL", "simplejpeg"}
OPTIONS = {option.name: option for option in build_command.params}
GIVEN_NOTHING = build_command.make_context(
    "build", ["a", "b"], parent=click.Context(main, **main.context_settings)
).params


def python(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_help_is_quick() -> None:
    def seconds() -> float:
        """Seconds of CPU time: the time by the clock depends on what else is running."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
        assert "Usage: " in run.stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.4


@pytest.mark.parametrize(
    "run", ["main(['--help'], standalone_mode=False)", "main(['--version'], standalone_mode=False)"]
)
def test_help_imports_nothing_heavy(run: str) -> None:
    loaded = python(f"import sys\nfrom layermix_gen.cli import main\n{run}\nprint(chr(10), *sys.modules)")
    assert not HEAVY & set(loaded.splitlines()[-1].split())


def test_the_package_imports_nothing_heavy() -> None:
    assert not HEAVY & set(python("import sys, layermix_gen\nprint(*sys.modules)").split())


WALK = """
import json, pkgutil, sys
from importlib import import_module
import layermix_gen
found = {}
for module in pkgutil.walk_packages(layermix_gen.__path__, "layermix_gen."):
    if module.name.startswith(tuple(sys.argv[1:])):
        continue
    import_module(module.name)
    found[module.name] = "torch" in sys.modules
print(json.dumps(found))
"""


def test_only_the_reader_and_the_evaluation_may_import_torch() -> None:
    names = ("reading", "evaluate", "commands.evaluate")
    found = json.loads(python(WALK, *(f"layermix_gen.{name}" for name in names)))
    assert len(found) > 30
    assert [name for name, has_torch in found.items() if has_torch] == []


SETTINGS = [field for field in dataclasses.fields(BuildSettings) if field.name != "options"]  # which are the method's


@pytest.mark.parametrize("field", SETTINGS, ids=lambda field: field.name)
def test_every_setting_is_an_option(field: dataclasses.Field[object]) -> None:
    assert f"--{field.name.replace('_', '-')}" in OPTIONS[field.name].opts
    assert GIVEN_NOTHING[field.name] == field.default


@pytest.mark.parametrize(
    ("words", "found"), [("layermix-gen ver", "verify"), ("layermix-gen build --mix", "--mixing-set")]
)
def test_shells_complete_commands_and_options(words: str, found: str) -> None:
    """By the line that the page of the command line names, which prints a script that asks like this."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_LAYERMIX_GEN_COMPLETE": "bash_complete"}
    result = CliRunner().invoke(main, [], prog_name="layermix-gen", env=asked)
    assert f"plain,{found}\n" in result.stdout
    asked["_LAYERMIX_GEN_COMPLETE"] = "zsh_source"
    assert (
        "_LAYERMIX_GEN_COMPLETE=zsh_complete"
        in CliRunner().invoke(main, [], prog_name="layermix-gen", env=asked).stdout
    )


@pytest.mark.parametrize("name", ["build", "estimate"])
def test_the_twins_take_what_the_command_takes(name: str) -> None:
    grouped = {field.name for group in (BuildSettings, SourceOptions) for field in dataclasses.fields(group)}
    options = OPTIONS.keys() - grouped | {"settings", "source_options"}
    parameters = inspect.signature(getattr(layermix_gen, name)).parameters
    assert options - {"dry_run", "like", "as_json", "quiet"} == parameters.keys() - {"progress"}
    for parameter in parameters.values():
        if parameter.name in OPTIONS and parameter.default is not inspect.Parameter.empty:
            assert GIVEN_NOTHING[parameter.name] == parameter.default


def test_every_option_has_help_and_every_command_is_listed() -> None:
    with click.Context(main) as context:
        for name in COMMANDS:
            command = main.get_command(context, name)
            assert command.help
            for option in command.params:
                assert isinstance(option, click.Argument) or option.help
    listed = invoke("--help").stdout
    for name, text in COMMANDS.items():
        assert name in listed
        assert text.split()[0] in listed
    assert invoke("-h").stdout == listed
    assert invoke("--version").stdout == f"layermix-gen, version {layermix_gen.__version__}\n"


def test_the_checkout_has_the_same_command() -> None:
    for arguments in ((), ("build",)):
        run = subprocess.run([*COMMAND, *arguments, "--help"], capture_output=True, text=True, check=True)
        expected = CliRunner().invoke(main, [*arguments, "--help"], prog_name="cli.py")
        assert run.stdout.split() == expected.stdout.split()  # lines break where the terminal's width says


# --- standard streams and Ctrl-C -------------------------------------------------------------------------------------


def in_shell(photographs: Path, out: Path, streams: str) -> "subprocess.CompletedProcess[str]":
    """Build the photographs in a shell that redirects the standard streams."""
    command = shlex.join([*COMMAND, "build", str(photographs), str(out), "--size", "8", "--method", "none"])
    return subprocess.run(["bash", "-c", f"{command} {streams}"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("streams", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_nothing(streams: str, photographs: Path, tmp_path: Path) -> None:
    run = in_shell(photographs, tmp_path / "out", f"--workers 2 --shard-size 12 {streams}")
    assert (run.returncode, without_start(run.stderr)) == (0, "")
    assert ("24 = 24 written" in run.stdout) == (">&-" not in streams.split())
    assert digest(tmp_path / "out")


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """Otherwise a C library's text for standard error would go into a tar."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nsys.argv = ['layermix-gen', '--version']\n"
        "from layermix_gen.__main__ import run\ntry:\n    run()\nfinally:\n"
        "    with open(__file__) as file:\n        Path(__file__ + '.number').write_text(str(file.fileno()))\n"
    )
    command = shlex.join([sys.executable, str(script)])
    subprocess.run(["bash", "-c", f"{command} <&- >&- 2>&-"], check=False)
    assert int((tmp_path / "script.py.number").read_text()) > 2


def test_nobody_reads_the_report(photographs: Path, tmp_path: Path) -> None:
    run = in_shell(photographs, tmp_path / "out", "--workers 1 | true")
    assert without_start(run.stderr) == ""
    assert digest(tmp_path / "out")


def test_a_report_that_cannot_be_written_is_one_line(photographs: Path, tmp_path: Path) -> None:
    run = in_shell(photographs, tmp_path / "out", "--workers 1 > /dev/full")
    assert run.returncode != 0
    assert without_start(run.stderr).splitlines()[0] == (
        "Error: cannot write the report: no space left on device; lead standard output elsewhere"
    )
    assert "Traceback" not in run.stderr
    assert digest(tmp_path / "out")


SLOW_IMPORT = """
import os, signal, sys
from layermix_gen.{module} import {name}

class Finder:  # whoever looks for {wanted} has pressed Ctrl-C
    def find_spec(self, name, path=None, target=None):
        if name == {wanted!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.argv = ["layermix-gen", "build", "a", "b"]
{name}()
"""


@pytest.mark.parametrize("wanted", ["click", "layermix_gen.commands.build", "numpy"])
def test_ctrl_c_while_modules_are_imported_is_quiet(wanted: str) -> None:
    code = SLOW_IMPORT.format(module="__main__", name="run", wanted=wanted)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "")


def test_a_message_is_one_line() -> None:
    error = layermix_gen.LayerMixError("expected a file, found none at a\nb\r; check the path")
    assert str(error) == "expected a file, found none at a\\nb\\r; check the path"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


def test_a_missing_choice_is_one_line(tmp_path: Path) -> None:
    result = invoke("evaluate", "corrupt", tmp_path, tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "Error: Missing option '--suite': c, cbar, p"
