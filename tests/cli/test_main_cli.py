"""The door: exit codes, lines instead of tracebacks, and a quick `--help`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from kyzlo_actors.bootstrap.problems import SettingsProblems
from kyzlo_actors.cli import main as door
from kyzlo_actors.domain.errors import BadInput, Fatal, Recoverable

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config" / "settings.example.toml"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `kyzlo ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["kyzlo", *arguments])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards
    with pytest.raises(SystemExit) as caught:
        door.main()
    return int(caught.value.code or 0)


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (BadInput("port", 7, "give 8"), 2, ["kyzlo: port: 7 cannot be used; give 8"]),
        (
            SettingsProblems([BadInput("a", 1, "x"), BadInput("b", 2, "y")]),
            2,
            ["kyzlo: a: 1 cannot be used; x", "kyzlo: b: 2 cannot be used; y"],
        ),
        (Recoverable("the broker does not answer"), 1, ["kyzlo: the broker does not answer"]),
        (Fatal("broken"), 1, ["kyzlo: broken"]),
    ],
)
def test_errors_become_lines_and_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    lines: list[str],
) -> None:
    monkeypatch.setattr(door, "app", _raising(error))
    assert run(monkeypatch, "break") == code
    assert capsys.readouterr().err.splitlines() == lines


def test_a_defect_names_its_place_but_not_its_words() -> None:
    code = """
import typer
from kyzlo_actors.cli import main as door
door.app = typer.Typer()
@door.app.command()
def fail() -> None:
    raise ValueError("hidden-secret")
door.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("kyzlo: internal error: ValueError at ")
    assert "hidden" not in line


def test_unknown_commands_and_options_are_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "nonsense") == 2
    assert run(monkeypatch, "config", "check", "--nonsense") == 2


def test_version_and_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    assert "config" in capsys.readouterr().out


def test_the_door_imports_nothing_heavy() -> None:
    heavy = "{'pydantic', 'thespian', 'httpx', 'aiohttp', 'orjson', 'websocket', 'pandas', 'cattrs'}"
    code = f"import sys, kyzlo_actors.cli.main; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout.strip() == "[]"


def _raising(error: Exception) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.callback(invoke_without_command=True)
    def root() -> None:
        pass

    @app.command("break")
    def fail() -> None:
        raise error

    return app


def test_a_terminal_that_lacks_characters_is_no_reason_to_fail(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONIOENCODING": "ascii",
        "ALPACA_API_KEY": "PKHIDE",
        "ALPACA_API_SECRET": "s",
        "POLYGON_API_KEY": "p",
    }
    (tmp_path / "settings.toml").write_text(EXAMPLE.read_text())
    done = subprocess.run(
        [sys.executable, "-m", "kyzlo_actors.cli", "config", "show", "--settings", "settings.toml"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert b"????(6 characters)" in done.stdout and b"internal error" not in done.stderr


def test_a_full_disk_and_a_removed_directory_are_told_in_a_line(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    script = f"""
cd {here} && rmdir {here}
{sys.executable} -m kyzlo_actors.cli init
echo $?
{sys.executable} -m kyzlo_actors.cli --version > /dev/full
echo $?
"""
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout.split() == ["1", "1"]
    gone, full = done.stderr.splitlines()
    assert "was removed" in gone and "No space left" in full
