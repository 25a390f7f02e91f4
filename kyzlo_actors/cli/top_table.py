"""The table of `kyzlo top`, for any width: symbols first, then the actors that no symbol is, then the newest events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kyzlo_actors.actors.layout import SYMBOL
from kyzlo_actors.cli.status import readiness, state_lines
from kyzlo_actors.cli.text_table import age

_MOST_WIDTH: Final = 120
# Lines beside the symbols' rows: heads, other actors, newest events.
_OTHER_LINES: Final = 22
_LEAST_ROWS: Final = 5
_GATES: Final = {"active": "bold green", "reducing": "bold yellow", "halted": "bold red"}
_SIGNALS: Final = {-1: ("short", "red"), 0: ("flat", "cyan"), 1: ("long", "green"), None: ("–", "dim")}
_STATES: Final = {"yes": "green", "no": "yellow", "paused": "bold yellow", "quarantined": "bold red"}

Row = Mapping[str, Any]
Cell = Callable[[Row], Text]
_ACTOR: Final[tuple[tuple[str, int, Cell], ...]] = (
    ("ready", 0, lambda row: Text(readiness(row), style=_STATES[readiness(row)])),
    ("beat", 60, lambda row: Text(age(row["beat_age_seconds"]))),
    ("restarts", 70, lambda row: Text(str(row["restarts"]), "bold red" if row["restarts"] else "dim")),
    ("pid", 90, lambda row: Text(str(row["pid"] or "–"), "dim")),
)
# Title, least width of the whole table at which the column is shown, and what stands in it.
_SYMBOL: Final[tuple[tuple[str, int, Cell], ...]] = (
    ("symbol", 0, lambda row: Text(row["actor"].removeprefix(SYMBOL), "bold")),
    ("price", 0, lambda row: Text(f"{row['price']:,.2f}") if row.get("price") else Text("–", "dim")),
    ("signal", 50, lambda row: Text(*_SIGNALS.get(row["signal"], ("?", "dim")))),
    ("position", 0, lambda row: Text(f"{row['position']:+g}" if row["position"] else "0")),
    ("realized", 80, lambda row: _money(row["realized_pnl"])),
    ("P&L $", 0, lambda row: _money(row["realized_pnl"] + row["unrealized_pnl"])),
    ("fills", 100, lambda row: Text(str(row.get("fills", "–")))),
    ("denied", 100, lambda row: Text(str(row.get("denials", "–")))),
    *_ACTOR,
)
_OTHERS: Final[tuple[tuple[str, int, Cell], ...]] = (
    ("actor", 0, lambda row: Text(row["actor"], "bold")),
    *_ACTOR,
)


def top_table(status: Mapping[str, Any], *, width: int, height: int) -> RenderableType:
    """Everything at one moment, in at most `width` columns; symbols that do not fit into `height` are counted."""
    symbols = [row for row in status["actors"] if row["actor"].startswith(SYMBOL)]
    others = [row for row in status["actors"] if not row["actor"].startswith(SYMBOL)]
    room = max(_LEAST_ROWS, height - _OTHER_LINES)
    pnl = sum(row["realized_pnl"] + row["unrealized_pnl"] for row in symbols)
    head = Text.assemble(
        (str(status["gate"]).upper(), _GATES.get(status["gate"], "bold")),
        f"  {status['state']}, up {age(status['up_seconds'])}, entries ",
        ("allowed", "green") if status["entries_allowed"] else ("blocked", "yellow"),
        "  P&L ",
        _money(pnl),
    )
    parts: list[RenderableType] = [head]
    parts += [Text(line, "red" if status.get("latch") else "") for line in state_lines(status)[1:]]
    parts.append(_table(_SYMBOL, symbols[:room], width))
    if len(symbols) > room:
        parts.append(Text(f"{len(symbols) - room} more symbols: a higher window, or kyzlo status", "dim"))
    parts.append(_table(_OTHERS, others, width))
    parts += [Text(line, "dim") for line in status.get("newest", ())]
    return Group(*parts)


def silent_text(why: str) -> Text:
    """Instead of the table, while nobody answers."""
    return Text(why, "bold red")


def _table(columns: tuple[tuple[str, int, Cell], ...], rows: list[Row], width: int) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), width=min(width, _MOST_WIDTH))
    shown = [column for column in columns if column[1] <= width]
    for place, (title, _, _) in enumerate(shown):
        table.add_column(title, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(cell(row) for _, _, cell in shown))
    return table


def _money(value: float) -> Text:
    style = "green" if value > 0.005 else "red" if value < -0.005 else "dim"
    return Text(f"{value:+,.2f}", style)
