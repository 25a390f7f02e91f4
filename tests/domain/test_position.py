"""Positions: average cost through zero, and the money that must add up over any fills."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.values import Side

D = Decimal
BUY, SELL = Side.BUY, Side.SELL

FILLS = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.decimals("0.001", "10000", places=3),
        st.decimals("0.01", "5000", places=2),
        st.decimals("0", "5", places=2),
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("fills", "qty", "cost", "realized"),
    [
        ([(BUY, 10, 100)], 10, 100, 0),
        ([(BUY, 10, 100), (BUY, 10, 110)], 20, 105, 0),
        ([(BUY, 10, 100), (SELL, 4, 110)], 6, 100, 40),
        ([(BUY, 10, 100), (SELL, 10, 90)], 0, 0, -100),
        ([(BUY, 10, 100), (SELL, 15, 110)], -5, 110, 100),
        ([(SELL, 10, 100), (BUY, 4, 90)], -6, 100, 40),
        ([(SELL, 10, 100), (BUY, 25, 90)], 15, 90, 100),
        ([(SELL, 10, 100), (SELL, 30, 120)], -40, 115, 0),
    ],
)
def test_average_cost_through_zero(
    fills: list[tuple[Side, int, int]], qty: int, cost: int, realized: int
) -> None:
    position = Position()
    for side, shares, price in fills:
        position = position.filled(side, D(shares), D(price))
    assert (position.qty, position.avg_cost, position.realized_pnl) == (qty, cost, realized)


@given(FILLS, st.decimals("0.01", "5000", places=2))
def test_quantity_and_money_add_up(
    fills: list[tuple[Side, Decimal, Decimal, Decimal]], last: Decimal
) -> None:
    position, cash, fees = Position(), D(0), D(0)
    for side, qty, price, fee in fills:
        position = position.filled(side, qty, price, fee)
        cash -= qty * price * side.sign
        fees += fee
    assert position.qty == sum((qty * side.sign for side, qty, _, _ in fills), D(0))
    assert position.fees == fees
    total = position.realized_pnl + position.unrealized_pnl(last)
    assert abs(total - (cash + position.qty * last)) < D("0.0001")
    if position.qty == 0:
        assert position.avg_cost == 0
