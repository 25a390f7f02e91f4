"""The order table, walked completely: legal moves move, illegal ones raise and change nothing."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise, product

import pytest

from kyzlo_actors.domain.errors import IllegalTransition
from kyzlo_actors.domain.order import TERMINAL, TRANSITIONS, Order, OrderStatus, is_legal
from kyzlo_actors.domain.values import Side
from tests.domain.builders import ticket

S = OrderStatus


@pytest.mark.parametrize(("current", "following"), list(product(S, S)), ids=lambda s: str(s))
def test_every_pair_of_statuses(current: OrderStatus, following: OrderStatus) -> None:
    order = Order(ticket=ticket(), status=current, reason="before", causation_id="cause")
    if following is current or following in TRANSITIONS[current]:
        moved = order.moved(following, causation_id="next")
        assert (moved.status, moved.reason, moved.causation_id) == (following, "before", "next")
        assert moved.ticket is order.ticket
    else:
        with pytest.raises(IllegalTransition, match=f"{current} -> {following}"):
            order.moved(following)
    assert (order.status, order.reason, order.causation_id) == (current, "before", "cause")


def test_the_table_is_complete() -> None:
    assert set(TRANSITIONS) == set(S)
    assert {s for s in S if s.is_terminal} == TERMINAL


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_nothing_terminal_comes_back_to_life(status: OrderStatus) -> None:
    assert TRANSITIONS[status] <= TERMINAL


@pytest.mark.parametrize("status", sorted(S))
def test_only_the_broker_ends_an_order_that_may_be_there(status: OrderStatus) -> None:
    """DENIED is our own word: it may only come before the broker can have seen the order."""
    assert is_legal(status, S.DENIED) == (status in (S.PENDING, S.SUBMITTED, S.DENIED))
    assert status.may_be_at_broker == (status is not S.PENDING and not status.is_terminal)


@pytest.mark.parametrize("status", sorted(S))
def test_leaves_are_zero_once_terminal_and_never_negative(status: OrderStatus) -> None:
    order = Order(ticket=ticket(qty="10", side=Side.SELL), status=status, filled_qty=Decimal(4))
    assert order.leaves_qty == (0 if status.is_terminal else 6)
    assert order.signed_leaves_qty == -order.leaves_qty
    overfilled = Order(ticket=ticket(qty="10"), status=status, filled_qty=Decimal(11))
    assert overfilled.leaves_qty == 0


def test_the_owners_machine_is_a_sub_graph() -> None:
    path = (S.PENDING, S.SUBMITTED, S.PENDING_CANCEL, S.CANCELED)
    assert all(is_legal(a, b) for a, b in pairwise(path))
    assert is_legal(S.SUBMITTED, S.FILLED)
    assert is_legal(S.SUBMITTED, S.REJECTED)
