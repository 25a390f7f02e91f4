"""Every command: help with an example that works as written, JSON where it prints results, one line for misuse."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from kyzlo_actors.cli import main as door
from tests.cli.kyzlo import Kyzlo

# Their output is JSON lines as it is: log lines, and the venue's ready line.
JSON_ALREADY = {"run", "venue"}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Path and command of everything that can be run."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
        return
    for name, each in inner.items():
        yield from leaves(each, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(door.app)))
every_command = pytest.mark.parametrize("path", COMMANDS)


def options(command: Any) -> set[str]:
    """Names of its options."""
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def examples(command: Any) -> list[str]:
    """The command lines of its help that begin with `Example:`."""
    text = f"{command.help or ''}\n{command.epilog or ''}"
    return [line.split("Example: ")[1] for line in text.splitlines() if line.strip().startswith("Example: ")]


@every_command
def test_it_has_help_and_an_example(path: str) -> None:
    command = COMMANDS[path]
    assert (command.help or "").split("\n\n")[0].strip(), "no help"
    assert examples(command), "no line `Example: kyzlo …` in its docstring"
    for example in examples(command):
        assert f"kyzlo {path}" in example


@every_command
def test_its_examples_can_be_parsed(path: str) -> None:
    for example in examples(COMMANDS[path]):
        words = shlex.split(example)
        given = {word.split("=")[0] for word in words if word.startswith("--")}
        assert given <= options(COMMANDS[path]) | {"--help"}, example


@every_command
def test_results_can_be_had_as_json(path: str) -> None:
    assert path in JSON_ALREADY or "--json" in options(COMMANDS[path])


@every_command
def test_every_option_says_what_it_is(path: str) -> None:
    given = [p for p in COMMANDS[path].params if p.opts[0].startswith("--")]
    assert [option.name for option in given if not getattr(option, "help", "")] == []


@every_command
def test_nothing_is_ever_asked(path: str) -> None:
    assert not [p.name for p in COMMANDS[path].params if getattr(p, "prompt", None)]


@every_command
def test_misuse_is_one_line_and_exit_2(kyzlo: Kyzlo, path: str) -> None:
    code, out, err = kyzlo(*path.split(), "--no-such-option")
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("kyzlo: No such option: --no-such-option")
    assert line.endswith(f"; see kyzlo {path} --help")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("halt", "kyzlo: Missing option '--reason'; see kyzlo halt --help"),
        ("statsu", "kyzlo: No such command 'statsu'. Did you mean 'status'?; see kyzlo --help"),
        ("config chek", "kyzlo: No such command 'chek'. Did you mean 'check'?; see kyzlo config --help"),
    ],
)
def test_what_is_missing_or_misspelt_is_one_line(kyzlo: Kyzlo, arguments: str, said: str) -> None:
    assert kyzlo(*arguments.split()) == (2, "", f"{said}\n")


@pytest.mark.parametrize("arguments", ["", "config"])
def test_without_a_command_the_help_is_shown(kyzlo: Kyzlo, arguments: str) -> None:
    code, out, err = kyzlo(*arguments.split())
    assert (code, err) == (2, "")
    assert "Usage: kyzlo" in out
