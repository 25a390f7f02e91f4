"""`kyzlo positions`: what is held by the book of record, service up or down; with it up, at our own newest price."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kyzlo_actors.cli.admin_client import (
    RuntimeOption,
    StateOption,
    ask_status,
    find_directories,
    symbol_rows,
)
from kyzlo_actors.cli.book import load_book
from kyzlo_actors.cli.config import JsonOption, SettingsOption
from kyzlo_actors.cli.text_table import text_table
from kyzlo_actors.domain.errors import Recoverable

if TYPE_CHECKING:
    from kyzlo_actors.domain.position import Position

_COLUMNS: Final = ("symbol", "qty", "average cost", "price", "of", "unrealized", "realized", "fees")
_CENT: Final = Decimal("0.01")


def positions(
    state_dir: StateOption = None,
    runtime_dir: RuntimeOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every symbol that was ever traded here: shares, average cost, profit and loss. It reads, and never writes.

    Example: kyzlo positions --json
    """
    state, runtime = find_directories(state_dir, runtime_dir, settings=settings)
    book = load_book(state)
    own = _own_prices(runtime, state)
    rows = []
    for symbol, position in sorted(book.positions.items()) if book else ():
        price, origin = own.get(symbol), "feed"
        if price is None:
            # The broker's, at its newest read; it has one of what is held.
            price, origin = (book.prices.get(symbol) if book else None), "broker"
        rows.append(_fields(symbol, position, price, origin))
    if as_json:
        print(json.dumps({"positions": rows}))
        return
    if not rows:
        print("no positions")
        return
    for line in text_table([_COLUMNS, *(_cells(row) for row in rows)], left=(0, 4)):
        print(line)


def _own_prices(runtime: Path, state: Path) -> dict[str, Decimal]:
    """Our feed's newest prices, if the service runs on this state directory; none otherwise."""
    try:
        status = ask_status(runtime)
    except Recoverable:
        return {}
    if status.get("state_directory") != str(state):
        return {}
    rows = symbol_rows(status).items()
    return {symbol: Decimal(repr(row["last_price"])) for symbol, row in rows if row["last_price"]}


def _fields(symbol: str, position: Position, price: Decimal | None, origin: str) -> dict[str, Any]:
    """Plain data: money and quantities as decimal strings."""
    unrealized = None if price is None else position.unrealized_pnl(price)
    return {
        "symbol": symbol,
        "qty": f"{position.qty:f}",
        "average_cost": f"{position.avg_cost:f}",
        "price": None if price is None else f"{price:f}",
        "price_of": None if price is None else origin,
        "unrealized_pnl": None if unrealized is None else f"{unrealized:f}",
        "realized_pnl": f"{position.realized_pnl:f}",
        "fees": f"{position.fees:f}",
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    is_held = Decimal(row["qty"]) != 0
    return (
        row["symbol"],
        row["qty"],
        f"{Decimal(row['average_cost']):.4f}" if is_held else "-",
        row["price"] or "-",
        row["price_of"] or "",
        _cents(row["unrealized_pnl"]) if is_held else "-",
        _cents(row["realized_pnl"]),
        _cents(row["fees"]),
    )


def _cents(text: str | None) -> str:
    return "-" if text is None else f"{Decimal(text).quantize(_CENT):+,}"
