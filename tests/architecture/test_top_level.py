"""The top level of the checkout is fixed by the owner, and so is the look of every door."""

from __future__ import annotations

import ast
import subprocess

import pytest

from tests.architecture.house import PACKAGE, ROOT, sources

TOP_LEVEL = {
    "setup.cfg",
    "pyproject.toml",
    "kyzlo_actors",
    "config",
    "tests",
    "ops",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
}
LONGEST_FUNCTION_LINES = 70


def committed() -> list[str]:
    """Every file that git tracks or would add, relative to the checkout."""
    command = [
        "git",
        "-c",
        f"safe.directory={ROOT}",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files belong")
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout.splitlines()


def test_top_level_is_the_owners() -> None:
    entries = {name.split("/")[0] for name in committed()}
    assert {entry for entry in entries if not entry.startswith(".")} - TOP_LEVEL == set()


def test_every_file_says_what_lives_there() -> None:
    silent = [str(path) for path in sources() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_every_folder_has_a_door() -> None:
    folders = {path.parent for path in sources()}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_function_is_too_long_to_read() -> None:
    long = [
        f"{path.relative_to(PACKAGE)}:{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION_LINES
    ]
    assert long == []


def test_the_lock_names_no_host() -> None:
    lock = (ROOT / "ops" / "requirements.lock").read_text()
    lines = [line.strip() for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert [
        line
        for line in lines
        if "://" in line or line.startswith(("-i", "-f", "--index", "--extra", "--find"))
    ] == []
    assert sum("==" in line for line in lines) > 20
    assert all(line.startswith("--hash=sha256:") or "==" in line for line in lines)
