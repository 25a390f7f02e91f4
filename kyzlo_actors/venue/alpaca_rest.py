"""Alpaca's account, clock, calendar, assets and activities."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from aiohttp import web

from kyzlo_actors.domain.session import SessionDay
from kyzlo_actors.replay.matching_messages import Fill
from kyzlo_actors.venue.alpaca_json import (
    Json,
    account_json,
    activity_id,
    activity_json,
    asset_id,
    asset_json,
)
from kyzlo_actors.venue.desk import Desk
from kyzlo_actors.venue.http import (
    NOT_FOUND,
    BadQuery,
    Gate,
    choice,
    error,
    json_reply,
    routes,
    whole_number,
)
from kyzlo_actors.venue.timestamps import new_york_date, parse_rfc3339, rfc3339_new_york

_MAX_PAGE: Final = 100
_MAX_CALENDAR_DAYS: Final = 3 * 366
_OTHER_ACTIVITIES: Final = frozenset(
    {"TRANS", "MISC", "ACATC", "ACATS", "CSD", "CSR", "CSW", "DIV", "FEE", "INT", "JNL", "JNLC", "JNLS"}
    | {"MA", "NC", "OPASN", "OPEXP", "OPXRC", "PTC", "PTR", "REORG", "SC", "SSO", "SSP"}
)


class AlpacaRest:
    """Everything that is neither an order nor a position."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self, gate: Gate) -> list[web.RouteDef]:
        """Its routes."""
        return routes(
            gate,
            {
                ("GET", "/v2/account"): self.account,
                ("GET", "/v2/clock"): self.clock,
                ("GET", "/v2/calendar"): self.calendar,
                ("GET", "/v2/assets"): self.assets,
                ("GET", "/v2/assets/{symbol}"): self.asset,
                ("GET", "/v2/account/activities"): self.activities,
                ("GET", "/v2/account/activities/{kind}"): self.activities,
            },
        )

    async def account(self, request: web.Request) -> web.Response:
        """The account as it stands."""
        engine = self._desk.engine
        return json_reply(
            account_json(
                account_number=self._desk.account_number,
                cash=engine.account.cash,
                buying_power=engine.buying_power,
                positions_value=self._desk.positions_value(),
                starting_cash=engine.account.starting_cash,
                multiplier=engine.account.multiplier,
                created_ns=self._desk.started_ns,
            )
        )

    async def clock(self, request: web.Request) -> web.Response:
        """The venue's time and the next opening and closing."""
        now, calendar = self._desk.now_ns(), self._desk.calendar
        return json_reply(
            {
                "timestamp": rfc3339_new_york(now, 9),
                "is_open": calendar.is_open(now),
                "next_open": rfc3339_new_york(calendar.next_open_ns(now)),
                "next_close": rfc3339_new_york(calendar.current(now).close_ns),
            }
        )

    async def calendar(self, request: web.Request) -> web.Response:
        """Sessions from `start` to `end`; a year each way when not given."""
        today = new_york_date(self._desk.now_ns())
        start = _date(request, "start", today - timedelta(days=365))
        end = _date(request, "end", today + timedelta(days=365))
        if (end - start).days > _MAX_CALENDAR_DAYS:
            raise BadQuery(f"the calendar gives at most {_MAX_CALENDAR_DAYS} days at once")
        return json_reply([self._day(session) for session in self._desk.calendar.days(start, end)])

    async def assets(self, request: web.Request) -> web.Response:
        """All assets, or those of one `status`."""
        rows = [asset_json(part) for part in self._desk.scenario.symbols]
        status = request.query.get("status")
        asset_class = request.query.get("asset_class", "us_equity")
        return json_reply(
            [row for row in rows if status in (None, "", row["status"]) and asset_class == row["class"]]
        )

    async def asset(self, request: web.Request) -> web.Response:
        """One asset by symbol or id."""
        wanted = request.match_info["symbol"]
        for part in self._desk.scenario.symbols:
            if wanted in (part.symbol, asset_id(part.symbol)):
                return json_reply(asset_json(part))
        return error(404, NOT_FOUND, f"asset not found for {wanted}")

    async def activities(self, request: web.Request) -> web.Response:
        """The fill ledger in pages; other kinds of activity never happen here."""
        query = request.query
        kinds = _kinds(request.match_info.get("kind") or query.get("activity_types", "FILL"))
        descending = choice(query, "direction", "desc", ("asc", "desc")) == "desc"
        page_size = whole_number(query, "page_size", _MAX_PAGE, _MAX_PAGE)
        fills = [fill for fill in self._desk.engine.fills if "FILL" in kinds and _within(fill, query)]
        if descending:
            fills.reverse()
        token = query.get("page_token")
        if token:
            place = next((index for index, fill in enumerate(fills) if activity_id(fill) == token), None)
            if place is None:
                raise BadQuery(f"invalid page_token: {token}")
            fills = fills[place + 1 :]
        return json_reply([activity_json(fill, self._desk.account_number) for fill in fills[:page_size]])

    def _day(self, session: SessionDay) -> Json:
        opening, closing = (rfc3339_new_york(ts)[11:16] for ts in (session.open_ns, session.close_ns))
        day = date.fromisoformat(session.date)
        return {
            "date": session.date,
            "open": opening,
            "close": closing,
            "session_open": min("04:00", opening).replace(":", ""),
            "session_close": max("20:00" if closing >= "16:00" else "17:00", closing).replace(":", ""),
            "settlement_date": self._desk.calendar.settlement_date(day).isoformat(),
        }


def _date(request: web.Request, name: str, default: date) -> date:
    text = request.query.get(name)
    if not text:
        return default
    try:
        return date.fromisoformat(text[:10])
    except ValueError as fault:
        raise BadQuery(f"invalid {name}: {text}") from fault


def _kinds(text: str) -> set[str]:
    kinds = {kind.strip().upper() for kind in text.split(",") if kind.strip()}
    for kind in sorted(kinds - {"FILL"} - _OTHER_ACTIVITIES):
        raise BadQuery(f"invalid activity type: {kind}")
    return kinds


def _within(fill: Fill, query: Mapping[str, str]) -> bool:
    """Whether the fill lies in `date`, or strictly between `after` and `until`."""
    day = query.get("date")
    if day and new_york_date(fill.ts).isoformat() != day[:10]:
        return False
    try:
        after, until = query.get("after"), query.get("until")
        return (not after or fill.ts > parse_rfc3339(after)) and (not until or fill.ts < parse_rfc3339(until))
    except ValueError as fault:
        raise BadQuery(str(fault)) from fault
