"""Which orders a `GET /v2/orders` shows: filters, cursors, pages, and legs rolled up under their parents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus
from kyzlo_actors.venue.broker.http import BadQuery, choice, truth, whole_number
from kyzlo_actors.venue.timestamps import parse_rfc3339

_MAX_LIST: Final = 500
_DEFAULT_LIST: Final = 50
# Times of orders are shown in microseconds here.
_NS_SHOWN: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """The parameters, read. Times (ns) and sequences are exclusive bounds; None = no bound."""

    status: str
    descending: bool
    limit: int
    nested: bool
    symbols: frozenset[str]
    side: str
    nothing: bool
    after_ns: int | None
    until_ns: int | None
    after_sequence: int | None
    before_sequence: int | None


def read_query(query: Mapping[str, str], engine: MatchingEngine) -> OrderQuery:
    """The query of a list.

    Raises: BadQuery: a parameter cannot be used.
    """
    after_ns, until_ns = _time(query, "after"), _time(query, "until")
    after, before = _cursor(query, "after_order_id", engine), _cursor(query, "before_order_id", engine)
    if (after, before) != (None, None) and (after_ns, until_ns) != (None, None):
        raise BadQuery("order id cursors cannot be combined with after or until")
    return OrderQuery(
        status=choice(query, "status", "open", ("open", "closed", "all")),
        descending=choice(query, "direction", "desc", ("asc", "desc")) == "desc",
        limit=whole_number(query, "limit", _DEFAULT_LIST, _MAX_LIST),
        nested=truth(query, "nested"),
        symbols=frozenset(name.strip() for name in query.get("symbols", "").split(",") if name.strip()),
        side=choice(query, "side", "", ("", "buy", "sell")),
        nothing=query.get("asset_class", "us_equity") not in ("us_equity", "all", ""),
        after_ns=after_ns,
        until_ns=until_ns,
        after_sequence=after,
        before_sequence=before,
    )


def select(engine: MatchingEngine, query: OrderQuery) -> list[VenueOrder]:
    """The orders of one page. Walks back from the newest and stops where nothing older can belong to it.

    Times say nothing about that: a clock may have been set back between two orders.
    """
    found: list[VenueOrder] = []
    for order in [] if query.nothing else _newest_first(engine, query):
        if query.after_sequence is not None and order.sequence <= query.after_sequence:
            break
        if _is_row(order, engine, query):
            found.append(order)
            if query.descending and len(found) == query.limit:
                break
    if not query.descending:
        found.reverse()
    return found[: query.limit]


def _newest_first(engine: MatchingEngine, query: OrderQuery) -> Iterable[VenueOrder]:
    if query.status == "open":
        return sorted(engine.open_orders(), key=lambda order: order.sequence, reverse=True)
    return reversed(engine.orders.values())


def _is_row(order: VenueOrder, engine: MatchingEngine, query: OrderQuery) -> bool:
    # Both bounds are exclusive on what the wire shows, or who gives back a time that he read gets its order again.
    submitted_ns = order.submitted_ns // _NS_SHOWN * _NS_SHOWN
    if query.after_ns is not None and submitted_ns <= query.after_ns:
        return False
    if query.until_ns is not None and submitted_ns >= query.until_ns:
        return False
    if query.before_sequence is not None and order.sequence >= query.before_sequence:
        return False
    if not _matches(order, query):
        return False
    # A leg is no row of its own where its parent's row shows it.
    return not (query.nested and order.parent_id and _matches(engine.orders[order.parent_id], query))


def _matches(order: VenueOrder, query: OrderQuery) -> bool:
    # Held legs are missing from the open ones: they are listed under `closed` and `all`.
    is_open = not order.status.is_terminal and order.status is not VenueStatus.HELD
    if query.status != "all" and is_open is not (query.status == "open"):
        return False
    if query.symbols and order.ticket.symbol not in query.symbols:
        return False
    return query.side in ("", order.ticket.side)


def _time(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError) as fault:
        raise BadQuery(f"invalid {name}: {text[:64]}") from fault


def _cursor(query: Mapping[str, str], name: str, engine: MatchingEngine) -> int | None:
    wanted = query.get(name)
    if not wanted:
        return None
    order = engine.orders.get(wanted)
    if order is None:
        raise BadQuery(f"invalid {name}: {wanted[:64]}")
    return order.sequence
