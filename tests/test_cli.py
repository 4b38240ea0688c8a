"""The command line as such: quick help without heavy imports, and an option for every setting."""

import dataclasses
import inspect
import json
import resource
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from helpers import COMMAND, invoke

import layermix_gen
from layermix_gen.cli import COMMANDS, main
from layermix_gen.commands.build import command as build_command
from layermix_gen.settings import BuildSettings

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
        """Of the CPU: how long it takes by the clock depends on what else is running."""
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
    names = ("dataset", "reading", "evaluate", "commands.evaluate")
    found = json.loads(python(WALK, *(f"layermix_gen.{name}" for name in names)))
    assert len(found) > 30
    assert [name for name, has_torch in found.items() if has_torch] == []


def test_every_public_name_is_there() -> None:
    for name in layermix_gen.__all__:
        assert getattr(layermix_gen, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = layermix_gen.nothing


@pytest.mark.parametrize("field", dataclasses.fields(BuildSettings), ids=lambda field: field.name)
def test_every_setting_is_an_option(field: dataclasses.Field[object]) -> None:
    assert f"--{field.name.replace('_', '-')}" in OPTIONS[field.name].opts
    assert GIVEN_NOTHING[field.name] == field.default


@pytest.mark.parametrize("name", ["build", "estimate"])
def test_the_twins_take_what_the_command_takes(name: str) -> None:
    settings = {field.name for field in dataclasses.fields(BuildSettings)}
    options = OPTIONS.keys() - settings | {"settings"}
    parameters = inspect.signature(getattr(layermix_gen, name)).parameters
    only_build = {"partition", "max_errors"} if name == "estimate" else set()
    assert options - {"dry_run"} - only_build == parameters.keys() - {"progress"}
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
