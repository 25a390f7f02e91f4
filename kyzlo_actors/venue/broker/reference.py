"""Alpaca's account, clock, calendar and assets."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from aiohttp import web

from kyzlo_actors.domain.session import SessionDay
from kyzlo_actors.venue.broker.account import account_json
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.broker.flags import Configurations
from kyzlo_actors.venue.broker.http import BadQuery, Gate, choice, error, json_body, json_reply, routes
from kyzlo_actors.venue.broker.json_shapes import Json, asset_json, symbol_of
from kyzlo_actors.venue.broker.refusal import BAD_FIELD, NOT_FOUND
from kyzlo_actors.venue.market.calendar import CalendarMode
from kyzlo_actors.venue.timestamps import new_york_date, rfc3339_new_york

_MAX_CALENDAR_DAYS: Final = 3 * 366
_EXCHANGE_OPEN: Final = "09:30"


class AlpacaRest:
    """Everything that is neither an order, a position nor the ledger."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._configurations = Configurations(desk.flags, desk.engine.account.multiplier)

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
                ("GET", "/v2/account/configurations"): self.configurations,
                ("PATCH", "/v2/account/configurations"): self.configure,
            },
        )

    async def account(self, request: web.Request) -> web.Response:
        """The account as it stands."""
        return json_reply(account_json(self._desk))

    async def configurations(self, request: web.Request) -> web.Response:
        """What the account's owner has set."""
        return json_reply(self._configurations.as_json())

    async def configure(self, request: web.Request) -> web.Response:
        """Change what the owner may set."""
        body = json_body(await request.read())
        if body is None:
            return error(400, 40010000, "request body format is invalid")
        wrong = self._configurations.change(body)
        if wrong:
            return error(422, BAD_FIELD, f"invalid {wrong}")
        return json_reply(self._configurations.as_json())

    async def clock(self, request: web.Request) -> web.Response:
        """The venue's time and the next opening and closing, or what the scenario wants shown instead."""
        now, calendar, shown = self._desk.now_ns(), self._desk.calendar, self._desk.scenario.clock
        is_open = calendar.is_open(now) if shown.shown_is_open is None else shown.shown_is_open
        return json_reply(
            {
                "timestamp": shown.shown_timestamp or rfc3339_new_york(now, 9),
                "is_open": is_open,
                "next_open": shown.shown_next_open or rfc3339_new_york(calendar.next_open_ns(now)),
                "next_close": shown.shown_next_close or rfc3339_new_york(calendar.current(now).close_ns),
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
        """All assets, or those of one `status`, `asset_class`, `exchange` or set of `attributes`."""
        query = request.query
        status = choice(query, "status", "all", ("active", "inactive", "all", ""))
        wanted = {name.strip() for name in query.get("attributes", "").split(",") if name.strip()}
        rows = [asset_json(part) for part in self._desk.scenario.symbols]
        return json_reply(
            [
                row
                for row in rows
                if status in ("all", "", row["status"])
                and query.get("asset_class", "") in ("", row["class"])
                and query.get("exchange", "") in ("", row["exchange"])
                and wanted <= set(row["attributes"])
            ]
        )

    async def asset(self, request: web.Request) -> web.Response:
        """One asset by symbol or id."""
        wanted = request.match_info["symbol"]
        part = symbol_of(self._desk.scenario, wanted)
        return (
            json_reply(asset_json(part)) if part else error(404, NOT_FOUND, f"asset not found for {wanted}")
        )

    def _day(self, session: SessionDay) -> Json:
        opening, closing = self._hours(session)
        day = date.fromisoformat(session.date)
        return {
            "date": session.date,
            "open": opening,
            "close": closing,
            "session_open": min("04:00", opening).replace(":", ""),
            "session_close": max("20:00" if closing >= "16:00" else "17:00", closing).replace(":", ""),
            "settlement_date": self._desk.calendar.settlement_date(day).isoformat(),
        }

    def _hours(self, session: SessionDay) -> tuple[str, str]:
        """Opening and closing time; a venue that is always open shows its early closes, though it stays open."""
        rules = self._desk.calendar.rules
        early = dict(rules.early_closes).get(session.date)
        if early and rules.mode is CalendarMode.ALWAYS:
            return _EXCHANGE_OPEN, early
        opening, closing = (rfc3339_new_york(ts)[11:16] for ts in (session.open_ns, session.close_ns))
        return opening, closing


def _date(request: web.Request, name: str, default: date) -> date:
    text = request.query.get(name)
    if not text:
        return default
    try:
        return date.fromisoformat(text[:10])
    except ValueError as fault:
        raise BadQuery(f"invalid {name}: {text[:64]}") from fault
