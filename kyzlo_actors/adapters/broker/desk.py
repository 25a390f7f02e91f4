"""Plain blocking calls to Alpaca over a connection of their own: start-up checks, emergency cancel, clean reads."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from kyzlo_actors.adapters.broker.parse import ParseCounters, parse_asset, parse_calendar, parse_clock
from kyzlo_actors.adapters.broker.reads import AlpacaReads
from kyzlo_actors.adapters.broker.rest import AlpacaRest, OnRateLimit
from kyzlo_actors.domain.broker import (
    BrokerAccount,
    BrokerAsset,
    BrokerClock,
    BrokerOrder,
    BrokerPosition,
    BrokerState,
)
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.ports.clock import Clock


class AlpacaDesk:
    """`BrokerDesk` over one connection, for one thread. Every call raises Recoverable or Fatal.

    With `tls` it opens without reading a file: the guardian proves halts with it, whatever became of the disk.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        secret: str,
        clock: Clock,
        *,
        on_rate_limit: OnRateLimit | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.counters = ParseCounters()
        self._rest = AlpacaRest(base_url, key, secret, clock, on_rate_limit=on_rate_limit, tls=tls)
        self._reads = AlpacaReads(self._rest, clock, self.counters)

    def account(self) -> BrokerAccount:
        """The account of these keys."""
        return self._reads.account()

    def clock(self) -> BrokerClock:
        """The broker's time."""
        clock = parse_clock(self._rest.get("/v2/clock"), self.counters)
        if clock is None:
            raise Recoverable("GET /v2/clock: fields are missing")
        return clock

    def calendar(self, start_date: str, end_date: str) -> SessionCalendar:
        """Trading days from `start_date` to `end_date` (`YYYY-MM-DD`, inclusive)."""
        body = self._rest.get("/v2/calendar", {"start": start_date, "end": end_date})
        calendar = parse_calendar(body, self.counters)
        if calendar is None:
            raise Recoverable("GET /v2/calendar: not a list")
        return calendar

    def asset(self, symbol: str) -> BrokerAsset | None:
        """The asset, or None when the broker has none of that name."""
        body = self._rest.get(f"/v2/assets/{quote(symbol, safe='')}")
        if body is None:
            return None
        asset = parse_asset(body, self.counters)
        if asset is None:
            raise Recoverable(f"GET /v2/assets/{symbol}: fields are missing")
        return asset

    def assets(self) -> Mapping[str, BrokerAsset]:
        """Every active US equity by its symbol; rows that cannot be read are left out."""
        body = self._rest.get("/v2/assets", {"status": "active", "asset_class": "us_equity"})
        if not isinstance(body, list):
            raise Recoverable("GET /v2/assets: not a list")
        found = (parse_asset(row, self.counters) for row in body)
        return {asset.symbol: asset for asset in found if asset is not None}

    def date_ns(self) -> int | None:
        """The second (ns UTC) that the server writes on its replies, whatever it says in them; None without one."""
        text = self._rest.call("GET", "/v2/clock").headers.get("date", "")
        try:
            return int(parsedate_to_datetime(text).timestamp()) * NS_PER_SECOND
        except (ValueError, OverflowError):
            return None

    def open_orders(self) -> tuple[BrokerOrder, ...]:
        """Every order that may still trade, held legs included."""
        return tuple(self._reads.open_orders())

    def positions(self) -> tuple[BrokerPosition, ...]:
        """Every position that is not flat."""
        return self._reads.positions()

    def cancel_all(self) -> tuple[str, ...]:
        """Ask to cancel everything; the venue order ids asked for. It proves nothing: read again."""
        body = self._rest.delete("/v2/orders")
        if not isinstance(body, list):
            raise Recoverable("DELETE /v2/orders: not a list")
        return tuple(name for name in map(_order_id, body) if name is not None)

    def state(self, window_start_ns: int) -> BrokerState:
        """One complete read."""
        return self._reads.state(window_start_ns)

    def close(self) -> None:
        """Close the connection."""
        self._rest.close()


def _order_id(row: Any) -> str | None:
    name = row.get("id") if isinstance(row, dict) else None
    return name if isinstance(name, str) else None
