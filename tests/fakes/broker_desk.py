"""A broker desk with orders in memory: it can be mute, slow to cancel, and it counts what it was asked."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal

from kyzlo_actors.domain.broker import (
    BrokerAccount,
    BrokerAsset,
    BrokerClock,
    BrokerOrder,
    BrokerPosition,
    BrokerState,
)
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.order import OrderStatus
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce


def broker_order(
    number: int, *, client_order_id: str | None = None, status: OrderStatus = OrderStatus.NEW
) -> BrokerOrder:
    """An open limit order of 10 shares."""
    return BrokerOrder(
        venue_order_id=f"venue-{number}",
        client_order_id=client_order_id or f"kyzlo.golden_cross.{number}",
        symbol="AAPL",
        side=Side.BUY,
        qty=Decimal(10),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        limit_price=Decimal("99.5"),
        status=status,
        raw_status=str(status),
        filled_qty=Decimal(0),
        filled_avg_price=None,
        submitted_ns=1_700_000_000_000_000_000 + number,
        updated_ns=1_700_000_000_000_000_000 + number,
    )


class FakeDesk:
    """`BrokerDesk` in memory, for several threads. `mute`: every call raises Recoverable.

    `stubborn`: so many cancels change nothing. `stuck`: while set, calls do not return.
    """

    def __init__(
        self, orders: tuple[BrokerOrder, ...] = (), positions: tuple[BrokerPosition, ...] = ()
    ) -> None:
        self.orders = {order.venue_order_id: order for order in orders}
        self.held = positions
        self.mute = False
        self.stubborn = 0
        self.cancels = 0
        self.reads = 0
        self.free = threading.Event()
        self.free.set()

    def _answer(self) -> None:
        self.free.wait(30)
        if self.mute:
            raise Recoverable("the broker does not answer")

    def open_orders(self) -> tuple[BrokerOrder, ...]:
        self._answer()
        self.reads += 1
        return tuple(order for order in self.orders.values() if order.status and not order.status.is_terminal)

    def positions(self) -> tuple[BrokerPosition, ...]:
        self._answer()
        return self.held

    def cancel_all(self) -> tuple[str, ...]:
        self._answer()
        self.cancels += 1
        asked = [order for order in self.orders.values() if order.status and not order.status.is_terminal]
        if self.cancels > self.stubborn:
            for order in asked:
                self.orders[order.venue_order_id] = replace(order, status=OrderStatus.CANCELED)
        return tuple(order.venue_order_id for order in asked)

    def state(self, window_start_ns: int) -> BrokerState:
        self._answer()
        orders = tuple(self.orders.values())
        return BrokerState(read_started_ns=0, account=self.account(), orders=orders, positions=self.held)

    def account(self) -> BrokerAccount:
        money = Decimal(100_000)
        return BrokerAccount(
            account_number="TEST",
            status="ACTIVE",
            currency="USD",
            cash=money,
            equity=money,
            last_equity=money,
            buying_power=money,
            trading_blocked=False,
            account_blocked=False,
            trade_suspended_by_user=False,
            shorting_enabled=True,
        )

    def clock(self) -> BrokerClock:
        return BrokerClock(timestamp_ns=0, is_open=True, next_open_ns=0, next_close_ns=0)

    def calendar(self, start_date: str, end_date: str) -> SessionCalendar:
        return SessionCalendar(days=())

    def asset(self, symbol: str) -> BrokerAsset | None:
        return BrokerAsset(symbol=symbol, tradable=True, shortable=True, fractionable=True)

    def assets(self) -> dict[str, BrokerAsset]:
        return {}

    def close(self) -> None:
        self.free.set()
