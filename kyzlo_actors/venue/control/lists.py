"""Long lists of the back door, in pages: orders, fills and POSTs of a run too large for one reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from kyzlo_actors.replay.matching_messages import Fill
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.broker.http import BadQuery, whole_number
from kyzlo_actors.venue.broker.json_shapes import execution_json
from kyzlo_actors.venue.timestamps import rfc3339

_MAX_PAGE: Final = 1_000
_DIGITS: Final = 9


def orders_page(desk: Desk, query: Mapping[str, str]) -> dict[str, Any]:
    """Orders as they stand, in order of submission."""
    start, end = _slice(query)
    orders = list(islice(desk.engine.orders.values(), start, end))
    return _page("orders", [desk.order_json(order) for order in orders], start, len(desk.engine.orders))


def fills_page(fills: Sequence[Fill], query: Mapping[str, str]) -> dict[str, Any]:
    """Executions in the order in which they happened."""
    start, end = _slice(query)
    return _page("fills", [_fill(fill) for fill in fills[start:end]], start, len(fills))


def posts_page(posts: Mapping[str, int], query: Mapping[str, str]) -> dict[str, Any]:
    """How often each client_order_id was posted."""
    start, end = _slice(query)
    rows = [{"client_order_id": name, "posts": count} for name, count in islice(posts.items(), start, end)]
    return _page("posts", rows, start, len(posts))


def _slice(query: Mapping[str, str]) -> tuple[int, int]:
    text = query.get("after") or "0"
    if not text.isdecimal() or len(text) > 9:
        raise BadQuery(f"invalid after: {text}")
    start = int(text)
    return start, start + whole_number(query, "limit", _MAX_PAGE, _MAX_PAGE)


def _page(name: str, rows: list[dict[str, Any]], start: int, total: int) -> dict[str, Any]:
    end = start + len(rows)
    return {name: rows, "total": total, "next": end if rows and end < total else None}


def _fill(fill: Fill) -> dict[str, Any]:
    time = rfc3339(fill.ts, _DIGITS)
    return {"execution_id": fill.execution_id, **execution_json(fill), "time": time}
