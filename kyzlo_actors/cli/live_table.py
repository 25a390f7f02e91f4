"""The table of a running session, for any width; and one line of it where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from kyzlo_actors.cli.session_view import SessionPicture, SymbolLine
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure.mailbox.board import NO_SIGNAL

_STATE_STYLES: Final = {
    TradingState.ACTIVE: "bold green",
    TradingState.REDUCING: "bold yellow",
    TradingState.HALTED: "bold red",
}
_NONE: Final[Text] = Text("–", style="dim")
_SIGNALS: Final = {-1: ("short", "red"), 0: ("flat", "cyan"), 1: ("long", "green"), NO_SIGNAL: ("–", "dim")}

# Title, least width of the whole table at which the column is shown, and what stands in it.
_COLUMNS: Final[tuple[tuple[str, int, Callable[[SymbolLine], Text]], ...]] = (
    ("symbol", 0, lambda line: Text(line.symbol, style="bold")),
    ("price", 0, lambda line: _number(line.price, 2) if line.price else _NONE),
    ("bar o/h/l/c", 110, lambda line: _bar(line)),
    ("signal", 50, lambda line: Text(*_SIGNALS.get(line.signal, ("?", "dim")))),
    (
        "position",
        0,
        lambda line: _number(line.position, 0, signed=True) if line.position else Text("0", "dim"),
    ),
    ("P&L $", 0, lambda line: _money(line.pnl)),
    ("fills", 72, lambda line: Text(str(line.fills))),
    ("denied", 80, lambda line: Text(str(line.denials), style="yellow" if line.denials else "dim")),
    (
        "pid",
        58,
        lambda line: Text(str(line.pid), style="" if line.ready else "yellow") if line.pid else _NONE,
    ),
    ("restarts", 66, lambda line: Text(str(line.restarts), style="bold red" if line.restarts else "dim")),
)


def live_table(picture: SessionPicture, *, seconds: float, width: int, note: str = "") -> Table:
    """The session as a table of at most `width` columns: the narrower, the less it tells."""
    title = Text.assemble(
        (str(picture.state).upper(), _STATE_STYLES[picture.state]),
        f"  {seconds:.0f} s  {picture.ticks} ticks  {picture.fills} fills",
    )
    table = Table(
        title=title,
        title_justify="left",
        caption=Text(note, style="italic") if note else None,
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        width=min(width, 116),
    )
    shown = [column for column in _COLUMNS if column[1] <= width]
    for name, _, _ in shown:
        table.add_column(name, justify="left" if name == "symbol" else "right", no_wrap=True)
    for line in picture.lines:
        table.add_row(*(cell(line) for _, _, cell in shown))
    return table


def status_line(picture: SessionPicture, *, seconds: float) -> str:
    """The session in one line."""
    held = " ".join(f"{line.symbol}{line.position:+g}" for line in picture.lines if line.position) or "none"
    return (
        f"{seconds:5.1f} s  {str(picture.state).upper()}  {picture.ticks} ticks  {picture.fills} fills  "
        f"{picture.denials} denied  P&L {picture.pnl:+.2f}  restarts {picture.restarts}  positions: {held}"
    )


def _number(value: float, digits: int, *, signed: bool = False) -> Text:
    return Text(f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}")


def _money(value: float) -> Text:
    style = "green" if value > 0.005 else "red" if value < -0.005 else "dim"
    return Text(f"{value:+,.2f}", style=style)


def _bar(line: SymbolLine) -> Text:
    bar = line.bar
    if bar is None:
        return _NONE
    style = "green" if bar.close >= bar.open else "red"
    return Text(f"{bar.open:.2f} {bar.high:.2f} {bar.low:.2f} {bar.close:.2f}", style=style)
