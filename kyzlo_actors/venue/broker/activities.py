"""The account's ledger: every fill and every booking of cash, in pages."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from aiohttp import web

from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from kyzlo_actors.replay.matching_messages import CashBooked, Fill
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.broker.http import BadQuery, Gate, choice, json_reply, routes, whole_number
from kyzlo_actors.venue.broker.json_shapes import Json, account_id, money, number
from kyzlo_actors.venue.timestamps import (
    NEW_YORK,
    new_york_date,
    new_york_ns,
    parse_rfc3339,
    rfc3339,
)

_MAX_PAGE: Final = 100
FILL: Final = "FILL"
_KINDS: Final = frozenset(
    {FILL, "TRANS", "MISC", "ACATC", "ACATS", "CFEE", "CSD", "CSR", "CSW", "CGD", "DIV", "DIVCGL", "DIVCGS"}
    | {"DIVFEE", "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX", "FEE", "FOPT", "INT", "INTNRA", "INTTW"}
    | {"JNL", "JNLC", "JNLS", "MA", "MEM", "NC", "OPASN", "OPCA", "OPCSH", "OPEXC", "OPEXP", "OPTRD", "OCT"}
    | {"OPXRC", "PTC", "PTR", "REORG", "SC", "SPIN", "SPLIT", "SSO", "SSP"}
)
_FAR_NS: Final = 2**63


@dataclass(frozen=True, slots=True)
class _Row:
    """One entry. The broker sorts by millisecond and id: executions of one millisecond may stand in any order."""

    ts_ms: int
    id: str
    entry: Fill | CashBooked


class AlpacaActivities:
    """`/v2/account/activities`; reads on where it stopped, so that a page costs no more with a long ledger."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rows: list[_Row] = []
        self._ms_by_id: dict[str, int] = {}
        self._fills = 0
        self._bookings = 0

    def routes(self, gate: Gate) -> list[web.RouteDef]:
        """Its routes."""
        return routes(
            gate,
            {
                ("GET", "/v2/account/activities"): self.activities,
                ("GET", "/v2/account/activities/{kind}"): self.activities,
            },
        )

    async def activities(self, request: web.Request) -> web.Response:
        """One page of the ledger."""
        query = request.query
        kinds = _kinds(request.match_info.get("kind") or query.get("activity_types", ""), query)
        descending = choice(query, "direction", "desc", ("asc", "desc")) == "desc"
        page_size = whole_number(query, "page_size", _MAX_PAGE, _MAX_PAGE)
        self._read_on()
        first_ns, last_ns = _times(query)
        page: list[Json] = []
        for place in self._places(query, first_ns, last_ns, descending):
            row = self._rows[place]
            if _kind(row.entry) in kinds and first_ns <= row.entry.ts <= last_ns:
                page.append(self._row_json(row))
                if len(page) == page_size:
                    break
        return json_reply(page)

    def activity_id(self, execution_id: str, ts: int) -> str:
        """New York's local time down to the millisecond, and the execution (or an id of the ledger's own)."""
        seconds, ns = divmod(ts, NS_PER_SECOND)
        local = datetime.fromtimestamp(seconds, NEW_YORK).strftime("%Y%m%d%H%M%S")
        own = self._desk.switches.now.activity_id == "own"
        shown = str(uuid5(NAMESPACE_OID, f"activity:{execution_id}")) if own else execution_id
        return f"{local}{ns // NS_PER_MILLISECOND:03d}::{shown}"

    def _read_on(self) -> None:
        engine = self._desk.engine
        for fill in engine.fills[self._fills :]:
            self._add(fill, fill.execution_id)
        for booking in engine.cash_entries[self._bookings :]:
            seed = f"{engine.terms.id_salt}:cash:{booking.sequence}"
            self._add(booking, str(uuid5(NAMESPACE_OID, seed)))
        self._fills, self._bookings = len(engine.fills), len(engine.cash_entries)

    def _add(self, entry: Fill | CashBooked, execution_id: str) -> None:
        row = _Row(entry.ts // NS_PER_MILLISECOND, self.activity_id(execution_id, entry.ts), entry)
        insort(self._rows, row, key=_place)
        self._ms_by_id[row.id] = row.ts_ms

    def _places(self, query: Mapping[str, str], first_ns: int, last_ns: int, descending: bool) -> range:
        """Where in the ledger the page may be, in its direction; `page_token` is the last row of the page before."""
        start = bisect_left(self._rows, (first_ns // NS_PER_MILLISECOND, ""), key=_place)
        end = bisect_left(self._rows, (last_ns // NS_PER_MILLISECOND + 1, ""), key=_place)
        token = query.get("page_token")
        if token:
            if token not in self._ms_by_id:
                raise BadQuery(f"invalid page_token: {token[:64]}")
            place = bisect_left(self._rows, (self._ms_by_id[token], token), key=_place)
            start, end = (start, min(end, place)) if descending else (max(start, place + 1), end)
        return range(end - 1, start - 1, -1) if descending else range(start, end)

    def _row_json(self, row: _Row) -> Json:
        account = account_id(self._desk.account_number)
        if isinstance(row.entry, Fill):
            return {"id": row.id, "account_id": account, **_fill_json(row.entry)}
        return {"id": row.id, "account_id": account, **_booking_json(row.entry)}


def _fill_json(fill: Fill) -> Json:
    done = not fill.leaves_qty
    return {
        "activity_type": FILL,
        "transaction_time": rfc3339(fill.ts),
        "type": "fill" if done else "partial_fill",
        "price": number(fill.price),
        "qty": number(fill.qty),
        "side": str(fill.side),
        "symbol": fill.symbol,
        "leaves_qty": number(fill.leaves_qty),
        "order_id": fill.venue_order_id,
        "cum_qty": number(fill.cum_qty),
        "order_status": "filled" if done else "partially_filled",
    }


def _booking_json(booking: CashBooked) -> Json:
    row: Json = {
        "activity_type": booking.kind,
        "date": new_york_date(booking.ts).isoformat(),
        "net_amount": money(booking.amount),
        "description": "",
        "status": "executed",
    }
    return row if booking.symbol is None else {**row, "symbol": booking.symbol}


def _place(row: _Row) -> tuple[int, str]:
    return row.ts_ms, row.id


def _kind(entry: Fill | CashBooked) -> str:
    return FILL if isinstance(entry, Fill) else entry.kind


def _kinds(text: str, query: Mapping[str, str]) -> frozenset[str]:
    kinds = frozenset(kind.strip().upper() for kind in text.split(",") if kind.strip())
    for kind in sorted(kinds - _KINDS):
        raise BadQuery(f"invalid activity type: {kind[:64]}")
    match choice(query, "category", "", ("", "trade_activity", "non_trade_activity")):
        case "trade_activity":
            return (kinds or _KINDS) & {FILL}
        case "non_trade_activity":
            return (kinds or _KINDS) - {FILL}
        case _:
            return kinds or _KINDS


def _times(query: Mapping[str, str]) -> tuple[int, int]:
    """First and last instant (ns, both included) of `date`, or of what lies strictly between `after` and `until`."""
    try:
        if query.get("date"):
            day = date.fromisoformat(query["date"][:10])
            return new_york_ns(day, "00:00"), new_york_ns(day + timedelta(days=1), "00:00") - 1
        first = parse_rfc3339(query["after"]) + 1 if query.get("after") else 0
        return first, parse_rfc3339(query["until"]) - 1 if query.get("until") else _FAR_NS
    except (ValueError, OverflowError) as fault:
        raise BadQuery("invalid date, after or until") from fault
