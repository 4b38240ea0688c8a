"""The help of the commands: examples that parse, groups of options, sentences, and no library that it can spare."""

import subprocess
import sys

import click
import pytest

from layermix_gen.commands.explained import RUNNING, ExplainedCommand, GroupedOption
from tests.commands.test_quiet import commands

COMMANDS = {name: command for name, command in commands() if isinstance(command, ExplainedCommand)}
MANY = 12  # options, from which on they are in groups


def test_all_commands_have_examples() -> None:
    assert COMMANDS.keys() == {name for name, _ in commands()}


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_parse(name: str) -> None:
    """As the command itself parses them; an option that is renamed shows here."""
    command = COMMANDS[name]
    assert len(command.examples) >= 2
    for line, sentence in command.examples.items():
        assert line.startswith(f"{name} ") or line == name
        assert sentence[0].isupper()
        assert sentence[-1] == "."
        context = command.make_context(name, command.arguments_of(line))
        assert context.args == []
    text = command.get_help(click.Context(command, info_name=name, terminal_width=100))
    assert f"\nExamples:\n  # {next(iter(command.examples.values()))}\n" in text


def test_an_example_that_does_not_parse_is_seen() -> None:
    command = COMMANDS["layermix-gen build"]
    with pytest.raises(click.NoSuchOption):
        command.make_context("build", command.arguments_of("layermix-gen build photos shards --variant 3"))


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_explained_by_sentences_that_stand_alone(name: str) -> None:
    for option in COMMANDS[name].params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            first = option.help.split()[0]
            assert first[0].isupper() or first[0] == ".", option.name
            assert first not in ("Of", "As", "Out", "That", "Such", "Default:", "Whose"), option.help
            assert option.help.endswith((".", "]")), option.help


@pytest.mark.parametrize("name", COMMANDS)
def test_many_options_are_in_groups(name: str) -> None:
    options = [one for one in COMMANDS[name].params if isinstance(one, click.Option)]
    if len(options) >= MANY and "gradcam" not in name:
        assert all(isinstance(one, GroupedOption) for one in options)
        groups = list(dict.fromkeys(one.group for one in options if isinstance(one, GroupedOption)))
        assert len(groups) >= 3
        text = COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=name))
        assert all(f"\n{group}:\n" in text for group in groups)
        assert RUNNING in groups


def test_help_imports_neither_torch_nor_matplotlib() -> None:
    """Of all commands in one process: the first that imports too much is named, and all after it."""
    paths = [[word.replace("-", "_") for word in name.split()[1:]] for name in COMMANDS]
    modules = [".".join(path if path[0] == "evaluate" else path[:1]) for path in paths]
    heavy = {"torch", "matplotlib", "timm", "webdataset", "ray"}
    code = (
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(f'layermix_gen.commands.{module}')\n"
        f"    print(module, *{heavy} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == modules
