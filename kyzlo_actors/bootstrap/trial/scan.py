"""Reading a strategy's source for what has no place in it: clocks, I/O, dice, state outside of the object."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kyzlo_actors.bootstrap.trial import rules

_COLLECTIONS: Final = frozenset(
    {"list", "dict", "set", "collections.deque", "collections.defaultdict", "collections.Counter"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One place. `is_error`: it must not trade; else a person should look at it."""

    is_error: bool
    text: str
    place: str


def scan(path: Path) -> list[Remark]:
    """Every remark on one file, by line. It is advice: what is well hidden is found only by playing."""
    source = path.read_text("utf-8", errors="replace")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [Remark(is_error=True, text=f"it is not Python: {error.msg}", place=f"{path}:{error.lineno}")]
    found = _Scan(tree).remarks()
    return [
        Remark(is_error=is_error, text=text, place=f"{path}:{line}")
        for line, is_error, text in sorted(set(found))
    ]


Found = tuple[int, bool, str]


class _Scan:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._names = dict(_imported_names(tree))
        self._globals = {name for node in tree.body for name in _assigned(node)}

    def remarks(self) -> Iterator[Found]:
        for node in ast.walk(self._tree):
            match node:
                case ast.Import():
                    for alias in node.names:
                        yield from _module(node.lineno, alias.name)
                case ast.ImportFrom():
                    yield from _module(node.lineno, node.module or "")
                case ast.Call():
                    yield from self._call(node)
                case ast.Global():
                    names = ", ".join(node.names)
                    yield (
                        node.lineno,
                        True,
                        f"global {names}: state outside of the object is lost in a restart",
                    )
                case ast.ClassDef():
                    yield from self._class(node)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    yield from self._changes(node)

    def _call(self, node: ast.Call) -> Iterator[Found]:
        name = self._full_name(node.func)
        is_seeded = bool(node.args or node.keywords)
        if name == "print":
            yield node.lineno, False, "print: put figures into Signal.indicators, they are journaled"
        elif name in rules.NOW and any(_is_now(argument) for argument in node.args):
            yield node.lineno, True, f'{name}("now") {rules.NOW[name]}'
        elif name in rules.CALLS:
            yield node.lineno, True, f"{name}() {rules.CALLS[name]}"
        elif name in rules.SEEDED and is_seeded:
            return
        elif (prefix := next((p for p in rules.PREFIXES if name.startswith(p)), None)) is not None:
            yield node.lineno, True, f"{name}() {rules.PREFIXES[prefix]}"
        elif isinstance(node.func, ast.Attribute) and node.func.attr in rules.METHODS:
            yield node.lineno, True, f".{node.func.attr}() {rules.METHODS[node.func.attr]}"

    def _class(self, node: ast.ClassDef) -> Iterator[Found]:
        for part in node.body:
            value = part.value if isinstance(part, ast.Assign | ast.AnnAssign) else None
            if value is None or not self._is_collection(value):
                continue
            for name in _assigned(part):
                if not name.isupper() and not _is_declared_shared(part):
                    text = f"{node.name}.{name} is shared by the objects of all symbols: make it in __init__"
                    yield part.lineno, False, text

    def _changes(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Found]:
        """Changes of names of the module from inside a function."""
        local = {name for node in ast.walk(function) for name in _assigned(node)}
        outside = (
            self._globals
            - local
            - {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
        )
        for node in ast.walk(function):
            changed = _changed_name(node)
            if changed in outside:
                text = f"changes {changed} of the module: state outside of the object is lost in a restart"
                yield getattr(node, "lineno", function.lineno), True, text

    def _full_name(self, node: ast.expr) -> str:
        """`pandas.Timestamp.now` for `pd.Timestamp.now`; "" for what is no plain name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        # A local object of the name of a module (`self.time`, an argument `random`) is not that module.
        if parts and node.id not in self._names:
            return ""
        return ".".join([self._names.get(node.id, node.id), *reversed(parts)])

    def _is_collection(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            return self._full_name(node.func) in _COLLECTIONS
        return isinstance(node, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield alias.asname or top, alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _module(line: int, name: str) -> Iterator[Found]:
    top = name.partition(".")[0]
    if top in rules.IMPORTS:
        yield line, True, f"import {name} {rules.IMPORTS[top]}"
    elif top in rules.DOUBTFUL:
        yield line, False, f"import {name} {rules.DOUBTFUL[top]}"


def _assigned(node: ast.AST) -> list[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.For | ast.NamedExpr):
        targets = [node.target]
    names = [part for target in targets for part in ast.walk(target)]
    return [name.id for name in names if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]


def _changed_name(node: ast.AST) -> str:
    """The name whose object is changed: `x[…] = `, `x.y = `, `del x[…]`, `x.append(…)`; else ""."""
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
        return node.value.id if isinstance(node.value, ast.Name) else ""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        if node.func.attr in rules.CHANGING and isinstance(owner, ast.Name):
            return owner.id
    return ""


def _is_now(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("now", "today")


def _is_declared_shared(node: ast.stmt) -> bool:
    """Annotated as ClassVar or Final: somebody has thought about it."""
    if not isinstance(node, ast.AnnAssign):
        return False
    names = {part.id for part in ast.walk(node.annotation) if isinstance(part, ast.Name)}
    names |= {part.attr for part in ast.walk(node.annotation) if isinstance(part, ast.Attribute)}
    return bool(names & {"ClassVar", "Final"})
