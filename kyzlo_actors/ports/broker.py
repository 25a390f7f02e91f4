"""Port to a broker. Calls on the order path never block; everything that was asked comes back as an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from kyzlo_actors.domain.broker import (
    BrokerAccount,
    BrokerAsset,
    BrokerClock,
    BrokerOrder,
    BrokerPosition,
    BrokerState,
)
from kyzlo_actors.domain.broker_events import BookReport, OrderReport
from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.values import Severity

BrokerReport = OrderReport | BookReport
Deliver = Callable[[BrokerReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerHooks:
    """What an adapter asks and tells besides its reports; every call may come from any thread, and returns at once.

    `gate` is asked right before the first byte of an order: a code refuses it. `on_rate_limit(remaining, reset_ns)`
    passes on the broker's own count; `on_notice` what a person should know.
    """

    gate: Callable[[], str | None]
    on_rate_limit: Callable[[int, int], None]
    on_notice: Callable[[Severity, str, str], None]


class Broker(Protocol):
    """The order path of BrokerActor. `deliver` may be called from any thread and must return at once.

    Each accepted call brings exactly one report. A call refused because the bounded queue is full brings
    SubmitRefused (nothing left), CancelFailed, LookUpFailed or StateReadFailed at once.
    """

    def start(self, deliver: Deliver) -> None:
        """Start the worker threads and the order stream (which reconnects by itself until `stop`)."""

    def submit(self, ticket: OrderTicket) -> None:
        """POST the order without waiting."""

    def cancel(self, client_order_id: str, venue_order_id: str | None) -> None:
        """DELETE the order; goes before everything but submissions."""

    def look_up(self, client_order_id: str) -> None:
        """GET the order by its client order id."""

    def read_state(self, reason: str, *, window_start_ns: int, client_order_ids: tuple[str, ...]) -> None:
        """Read account, positions, all orders since the window's start, all open ones, and the named ones."""

    def stop(self, timeout_seconds: float) -> None:
        """Close connections and end the threads."""


class BrokerDesk(Protocol):
    """Plain blocking calls over its own connection: start-up checks, the guardian's emergency cancel and clean reads.

    Raises from every call: Recoverable (no clear answer, try again) or Fatal (refused: keys, permissions).
    """

    def account(self) -> BrokerAccount:
        """The account of these keys."""

    def clock(self) -> BrokerClock:
        """The broker's time."""

    def calendar(self, start_date: str, end_date: str) -> SessionCalendar:
        """Trading days from `start_date` to `end_date` (`YYYY-MM-DD`, inclusive)."""

    def asset(self, symbol: str) -> BrokerAsset | None:
        """The asset, or None when the broker has none of that name."""

    def assets(self) -> Mapping[str, BrokerAsset]:
        """Every active US equity by its symbol; megabytes: for many symbols, in place of a request for each."""

    def open_orders(self) -> tuple[BrokerOrder, ...]:
        """Every order that may still trade, held legs included."""

    def positions(self) -> tuple[BrokerPosition, ...]:
        """Every position that is not flat."""

    def cancel_all(self) -> tuple[str, ...]:
        """Ask to cancel everything; returns the venue order ids asked for. It proves nothing: read again."""

    def state(self, window_start_ns: int) -> BrokerState:
        """One complete read."""

    def close(self) -> None:
        """Close the connection."""
