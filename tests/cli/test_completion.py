"""Completion: the scripts for each shell, and what is offered for commands and values."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kyzlo_actors.cli.complete import scenario_names, strategy_names, symbol_names
from tests.bootstrap.settings_files import ENVIRON

ROOT = Path(__file__).resolve().parents[2]
KYZLO = [
    sys.executable,
    "-c",
    "import sys; sys.argv[0] = 'kyzlo'; from kyzlo_actors.cli.main import main; main()",
]


def completed(line: str, shell: str, directory: Path) -> list[str]:
    """What the shell's script would be told for `line`."""
    words = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    done = run(directory, {"_KYZLO_COMPLETE": f"complete_{shell}", **words})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def run(directory: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kyzlo ARGUMENTS` in `directory`."""
    return subprocess.run(
        [*KYZLO, *arguments],
        cwd=directory,
        env={**ENVIRON, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(tmp_path: Path, shell: str) -> None:
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = run(tmp_path, named, "--show-completion", shell)
    assert script.returncode == 0
    assert "_KYZLO_COMPLETE=complete_" + shell in script.stdout
    # The same without knowing the present shell: what an installation puts in place.
    assert run(tmp_path, {"_KYZLO_COMPLETE": f"source_{shell}"}).stdout.strip() == script.stdout.strip()
    checker = shutil.which(shell)
    if checker:
        subprocess.run([checker, "-n"], input=script.stdout, text=True, timeout=20, check=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_can_be_installed(tmp_path: Path, shell: str) -> None:
    environ = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = run(tmp_path, environ, "--install-completion", shell)
    assert done.returncode == 0, done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_KYZLO_COMPLETE" in path.read_text() for path in written)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_and_values_are_offered(tmp_path: Path, shell: str) -> None:
    assert "init" in " ".join(completed("kyzlo in", shell, tmp_path))
    offered = " ".join(completed("kyzlo init --strategy gol", shell, tmp_path))
    assert "golden_cross" in offered and "breakout" not in offered
    assert "demo" in " ".join(completed("kyzlo paper --scenario d", shell, tmp_path))


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "golden_cross" in strategy_names("") and strategy_names("zzz") == []
    assert "demo" in scenario_names("de")
    monkeypatch.chdir(tmp_path)
    assert symbol_names("") == []
    (tmp_path / "config").mkdir()
    settings = tmp_path / "config" / "settings.toml"
    settings.write_text("[symbols.AAPL]\n[symbols.AMZN]\n[symbols.MSFT]\n")
    assert symbol_names("a") == ["AAPL", "AMZN"]
    assert symbol_names("AAPL,M") == ["AAPL,MSFT"]
    for spoilt in ("symbols = 3", "not toml", ""):
        settings.write_text(spoilt)
        assert symbol_names("") == []
