"""`kyzlo orders`: the orders of the book of record, service up or down."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kyzlo_actors.cli.admin_client import StateOption, find_directories
from kyzlo_actors.cli.book import load_book
from kyzlo_actors.cli.complete import symbol_names
from kyzlo_actors.cli.config import JsonOption, SettingsOption
from kyzlo_actors.cli.text_table import age, text_table
from kyzlo_actors.domain.operator import one_line

if TYPE_CHECKING:
    from kyzlo_actors.domain.order import Order

_COLUMNS = (
    "symbol",
    "side",
    "qty",
    "filled",
    "average",
    "type",
    "limit",
    "status",
    "age",
    "client order id",
    "reason",
)
_LEFT = (0, 1, 5, 7, 9, 10)
_UNKNOWN = "unknown"


def orders(
    open_only: Annotated[
        bool, typer.Option("--open/--all", help="Those that may still trade, or all that are in the book.")
    ] = True,
    symbol: Annotated[
        str | None,
        typer.Option("--symbol", metavar="S", help="Of one symbol.", autocompletion=symbol_names),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="At most so many.")] = 50,
    state_dir: StateOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """The newest orders; those whose fate is unknown come first. It reads files only, and never writes.

    Example: kyzlo orders --all --symbol AAPL
    """
    from kyzlo_actors.infrastructure.clock import SystemClock

    state, _ = find_directories(state_dir, None, settings=settings)
    book = load_book(state)
    every = [] if book is None else [order for order in book.orders.values() if _is_wanted(order, symbol)]
    wanted = [order for order in every if not (open_only and order.status.is_terminal)]
    wanted.sort(
        key=lambda order: (order.status != _UNKNOWN, -order.submitted_ns, order.ticket.client_order_id)
    )
    rows = [_fields(order, SystemClock().now_ns()) for order in wanted[:limit]]
    left_out = len(wanted) - len(rows)
    if as_json:
        print(json.dumps({"orders": rows, "left_out": left_out}))
        return
    if rows:
        _print_rows(rows)
    else:
        print(f"no {'open ' if open_only else ''}orders" + (f" of {symbol}" if symbol else ""))
    _print_notes(rows, left_out, ended=len(every) - len(wanted))


def _is_wanted(order: Order, symbol: str | None) -> bool:
    return symbol is None or order.ticket.symbol == symbol.upper()


def _fields(order: Order, now_ns: int) -> dict[str, Any]:
    """Plain data: money and quantities as decimal strings, ages in seconds."""
    ticket = order.ticket
    age_ns = now_ns - order.submitted_ns if order.submitted_ns else None
    return {
        "client_order_id": ticket.client_order_id,
        "venue_order_id": order.venue_order_id,
        "symbol": ticket.symbol,
        "side": str(ticket.side),
        "qty": f"{ticket.qty:f}",
        "filled_qty": f"{order.filled_qty:f}",
        "filled_avg_price": f"{order.filled_avg_price:f}" if order.filled_qty else None,
        "order_type": str(ticket.order_type),
        "time_in_force": str(ticket.time_in_force),
        "limit_price": None if ticket.limit_price is None else f"{ticket.limit_price:f}",
        "status": str(order.status),
        "is_open": not order.status.is_terminal,
        "submitted_ns": order.submitted_ns or None,
        "age_seconds": None if age_ns is None else age_ns / 1e9,
        "reason": order.reason,
    }


def _print_rows(rows: list[dict[str, Any]]) -> None:
    cells = [_COLUMNS, *(_cells(row) for row in rows)]
    head, *lines = text_table(cells, left=_LEFT)
    print(head)
    for row, line in zip(rows, lines, strict=True):
        # Colour only where somebody looks: `echo` drops it in a pipe, the word in capitals stays.
        typer.echo(typer.style(line, fg="red", bold=True) if row["status"] == _UNKNOWN else line)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    status = row["status"]
    return (
        row["symbol"],
        row["side"],
        row["qty"],
        row["filled_qty"],
        row["filled_avg_price"] or "-",
        row["order_type"],
        row["limit_price"] or "-",
        status.upper() if status == _UNKNOWN else status,
        age(row["age_seconds"]),
        one_line(row["client_order_id"]),
        one_line(row["reason"]),
    )


def _print_notes(rows: list[dict[str, Any]], left_out: int, *, ended: int) -> None:
    unknown = sum(row["status"] == _UNKNOWN for row in rows)
    if unknown:
        fate = "what became of it is asked of the broker; until then its symbol opens nothing"
        print(f"kyzlo: {unknown} UNKNOWN: {fate}", file=sys.stderr)
    if left_out:
        print(f"kyzlo: {left_out} more, older ones: --limit {left_out + len(rows)}", file=sys.stderr)
    if ended:
        print(f"kyzlo: {ended} that are over: --all", file=sys.stderr)
