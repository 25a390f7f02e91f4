"""Approval is a type: only the risk core makes an `ApprovedOrder`, and nobody slips around it."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.house import PACKAGE, sources

APPROVAL = "ApprovedOrder"
MAKERS = frozenset({"domain/risk_core.py"})


def makers(text: str) -> list[int]:
    """Lines that construct an `ApprovedOrder`: by name, as an attribute, under an alias, by `__new__`.

    What reads one back from a journal or a mailbox (the codec) builds it from the registered type, not
    by name.
    """
    tree = ast.parse(text)
    names = {APPROVAL}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.name == APPROVAL and alias.asname}
        elif isinstance(node, ast.Assign) and _refers(node.value, names):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (_refers(node.func, names) or _subclass_trick(node, names))
    )


def _refers(node: ast.expr, names: set[str]) -> bool:
    return (isinstance(node, ast.Name) and node.id in names) or (
        isinstance(node, ast.Attribute) and node.attr == APPROVAL
    )


def _subclass_trick(call: ast.Call, names: set[str]) -> bool:
    """`object.__new__(ApprovedOrder)` and its kind."""
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "__new__"
        and any(_refers(argument, names) for argument in call.args)
    )


def offenders(package: Path) -> list[str]:
    """`file:line` of every construction outside the risk core."""
    return [
        f"{path.relative_to(package).as_posix()}:{line}"
        for path in sources(package)
        if path.relative_to(package).as_posix() not in MAKERS
        for line in makers(path.read_text())
    ]


def test_only_the_risk_core_makes_an_approved_order() -> None:
    assert offenders(PACKAGE) == []


def test_the_approval_still_has_its_name() -> None:
    tree = ast.parse((PACKAGE / "domain/messages.py").read_text())
    assert APPROVAL in {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def test_deliberate_violations_are_found(tmp_path: Path) -> None:
    for number, text in enumerate(
        [
            "from kyzlo_actors.domain.messages import ApprovedOrder\nApprovedOrder(order=1)\n",
            "from kyzlo_actors.domain.messages import ApprovedOrder as Yes\nYes(order=1)\n",
            "from kyzlo_actors.domain import messages as m\nm.ApprovedOrder(order=1)\n",
            "from kyzlo_actors.domain import messages as m\nYes = m.ApprovedOrder\nYes(order=1)\n",
            "from kyzlo_actors.domain.messages import ApprovedOrder\nobject.__new__(ApprovedOrder)\n",
        ]
    ):
        (tmp_path / f"sly_{number}.py").write_text(text)
    assert len(offenders(tmp_path)) == 5


def test_the_risk_core_itself_may(tmp_path: Path) -> None:
    core = tmp_path / "domain" / "risk_core.py"
    core.parent.mkdir()
    core.write_text("ApprovedOrder(order=1)\n")
    assert offenders(tmp_path) == []
