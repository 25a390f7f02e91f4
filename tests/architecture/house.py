"""What the architecture tests share: the house, a throw-away copy of it, and the linters' verdicts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "kyzlo_actors"
LINTER_TIMEOUT_SECONDS = 50


def sources(package: Path = PACKAGE) -> Iterator[Path]:
    """Every Python file of the package, in a stable order."""
    return iter(sorted(package.rglob("*.py")))


def copy_house(target: Path) -> Path:
    """Copy the package and the tools' settings into `target`; returns the copied package."""
    shutil.copytree(PACKAGE, target / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, target / name)
    return target / PACKAGE.name


def write_module(package: Path, module: str, text: str) -> Path:
    """Write `module` (dotted, below the package) with `text`, and the packages on the way to it."""
    path = package.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in path.relative_to(package).parents:
        door = package / folder / "__init__.py"
        if not door.exists():
            door.write_text('"""Made by a test."""\n')
    path.write_text(text)
    return path


def lint_imports(home: Path) -> tuple[int, str]:
    """Exit code and output of import-linter on the house in `home`."""
    return _run(home, [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"])


def ruff_check(home: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of ruff on the house in `home`, under the project's own settings."""
    return _run(
        home, [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", *arguments]
    )


def _run(home: Path, command: list[str]) -> tuple[int, str]:
    # The working directory must be what gets linted, not the checkout these tests were started from.
    environment = {**os.environ, "PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    done = subprocess.run(
        command,
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LINTER_TIMEOUT_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
