"""A broad `except` belongs in a shell, with its reason: anywhere else it would hide a half-changed state."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.house import PACKAGE, sources

# Where everything may be caught, and why. A new line here is a decision, not a convenience.
SHELLS = {
    "actors/base.py": "an exception that escapes receiveMessage makes Thespian run the message again",
    "actors/system.py": "Thespian raises whatever its transport meets while it starts: the next port is tried",
    "actors/tree.py": "Thespian raises whatever its transport meets: no answer to a ping is an answer",
    "guardian/main.py": "whatever goes wrong, the tree must be ended and the exit code said",
}
SHELL_FOLDERS = {
    "bootstrap/": "a plugin is somebody else's code: its failure becomes one clear line",
}
BROAD = {"Exception", "BaseException"}


def broad_handlers(text: str) -> list[int]:
    """Lines of `except:`, `except Exception` and `except BaseException`, also inside a tuple.

    One that ends in a bare `raise` only tidies up and hides nothing: it is not counted.
    """
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or _is_broad(node.type))
        and not _raises_again(node)
    ]


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    returns = any(isinstance(node, ast.Return) for part in handler.body for node in ast.walk(part))
    return isinstance(last, ast.Raise) and last.exc is None and not returns


def _is_broad(kind: ast.expr) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(_is_broad(part) for part in kind.elts)
    name = kind.attr if isinstance(kind, ast.Attribute) else getattr(kind, "id", "")
    return name in BROAD


def offenders(package: Path) -> list[str]:
    """`file:line` of every broad handler outside the shells."""
    found = []
    for path in sources(package):
        name = path.relative_to(package).as_posix()
        if name in SHELLS or name.startswith(tuple(SHELL_FOLDERS)):
            continue
        found += [f"{name}:{line}" for line in broad_handlers(path.read_text())]
    return found


def test_only_shells_catch_everything() -> None:
    assert offenders(PACKAGE) == []


def test_deliberate_violations_are_found(tmp_path: Path) -> None:
    for number, kind in enumerate(
        ["", " Exception", " BaseException as e", " (ValueError, Exception)", " builtins.Exception"]
    ):
        (tmp_path / f"hider_{number}.py").write_text(f"try:\n    pass\nexcept{kind}:\n    pass\n")
    (tmp_path / "hider_5.py").write_text("try:\n    pass\nexcept Exception:\n    if 1:\n        raise\n")
    (tmp_path / "tidy.py").write_text("try:\n    pass\nexcept Exception:\n    print()\n    raise\n")
    (tmp_path / "honest.py").write_text("try:\n    pass\nexcept (ValueError, OSError):\n    pass\n")
    assert offenders(tmp_path) == [f"hider_{number}.py:3" for number in range(6)]


def test_shells_may(tmp_path: Path) -> None:
    for name in [*SHELLS, "bootstrap/plugins.py"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("try:\n    pass\nexcept Exception:\n    pass\n")
    assert offenders(tmp_path) == []
