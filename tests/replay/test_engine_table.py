"""Every status an order can be in, and what every input makes of it: one literal table."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from kyzlo_actors.domain.values import OrderClass, TimeInForce
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    ConfirmCancel,
    ConfirmReplace,
    EndOrder,
    EnterSession,
    ForceFill,
    HaltSymbol,
    MatchInput,
    Quote,
    RefuseCancel,
    RequestCancel,
    RequestReplace,
    SessionPhase,
)
from kyzlo_actors.replay.venue_order import VenueStatus
from tests.replay.engine_hand import Hand

D = Decimal
_BRACKET = {
    "order_class": OrderClass.BRACKET,
    "take_profit_limit_price": "120",
    "stop_loss_stop_price": "80",
    "time_in_force": TimeInForce.GTC,
}


def _plain(hand: Hand) -> int:
    hand.submit(limit_price="90", time_in_force=TimeInForce.GTC)
    return 1


def _pending_new(hand: Hand) -> int:
    hand.send(limit_price="90", time_in_force=TimeInForce.GTC)
    return 1


def _accepted(hand: Hand) -> int:
    hand.enter(SessionPhase.PRE)
    return _plain(hand)


def _leg(hand: Hand) -> int:
    hand.submit(**_BRACKET, limit_price="90")
    return 3


def _armed(hand: Hand) -> int:
    hand.submit(**_BRACKET)
    return 3


def _partial(hand: Hand) -> int:
    _plain(hand)
    hand.do(ForceFill(venue_order_id=hand.id(1), qty=D(4), ts=hand.now()))
    return 1


def _replacing(hand: Hand) -> int:
    _plain(hand)
    hand.request_replace(1, qty="12")
    return 1


def _successor(hand: Hand) -> int:
    return _replacing(hand) + 1


def _replaced(hand: Hand) -> int:
    _replacing(hand)
    hand.confirm_replace(2)
    return 1


def _canceling(hand: Hand) -> int:
    _plain(hand)
    hand.request_cancel(1)
    return 1


def _filled(hand: Hand) -> int:
    hand.submit()
    return 1


def _ended(status: VenueStatus) -> Callable[[Hand], int]:
    def make(hand: Hand) -> int:
        _plain(hand)
        hand.do(EndOrder(venue_order_id=hand.id(1), status=status, ts=hand.now()))
        return 1

    return make


_SCENES: dict[str, Callable[[Hand], int]] = {
    "pending_new": _pending_new,
    "accepted": _accepted,
    "held leg": _leg,
    "held, armed": _armed,
    "new": _plain,
    "partially_filled": _partial,
    "done_for_day": _ended(VenueStatus.DONE_FOR_DAY),
    "pending_cancel": _canceling,
    "pending_replace": _replacing,
    "replacing": _successor,
    "filled": _filled,
    "canceled": _ended(VenueStatus.CANCELED),
    "expired": _ended(VenueStatus.EXPIRED),
    "rejected": _ended(VenueStatus.REJECTED),
    "replaced": _replaced,
}

_INPUTS: dict[str, Callable[[str, int], MatchInput]] = {
    "activate": lambda name, ts: ActivateOrder(venue_order_id=name, ts=ts),
    "cancel": lambda name, ts: RequestCancel(venue_order_id=name, ts=ts),
    "cancel ok": lambda name, ts: ConfirmCancel(venue_order_id=name, ts=ts),
    "replace": lambda name, ts: RequestReplace(
        venue_order_id=name, client_order_id="other", time_in_force=TimeInForce.DAY, ts=ts
    ),
    "replace ok": lambda name, ts: ConfirmReplace(venue_order_id=name, ts=ts),
    "refuse": lambda name, ts: RefuseCancel(venue_order_id=name, ts=ts),
    "force": lambda name, ts: ForceFill(venue_order_id=name, ts=ts),
    "reject": lambda name, ts: EndOrder(venue_order_id=name, status=VenueStatus.REJECTED, ts=ts),
    "rest": lambda name, ts: EndOrder(venue_order_id=name, status=VenueStatus.DONE_FOR_DAY, ts=ts),
    "open": lambda name, ts: EnterSession(phase=SessionPhase.REGULAR, ts=ts),
    "close": lambda name, ts: EnterSession(phase=SessionPhase.CLOSED, ts=ts),
    "halt": lambda name, ts: HaltSymbol(symbol="AAA", halted=True, ts=ts),
    "price": lambda name, ts: Quote("AAA", 85.0, 85.0, 85.0, ts),
}
# What each input makes of an order in each status; "." is: it stays as it is.
_TABLE = """
                 | activate | cancel         | cancel ok | replace         | replace ok | refuse   | force  | reject   | rest         | open | close | halt | price
pending_new      | new      | pending_cancel | .         | .               | .          | .        | filled | rejected | .            | .    | .     | .    | .
accepted         | .        | pending_cancel | .         | .               | .          | .        | filled | rejected | done_for_day | new  | .     | .    | .
held leg         | .        | pending_cancel | .         | .               | .          | .        | .      | rejected | .            | .    | .     | .    | .
held, armed      | .        | pending_cancel | .         | pending_replace | .          | .        | filled | rejected | .            | .    | .     | .    | .
new              | .        | pending_cancel | .         | pending_replace | .          | .        | filled | rejected | done_for_day | .    | .     | .    | filled
partially_filled | .        | pending_cancel | .         | pending_replace | .          | .        | filled | rejected | done_for_day | .    | .     | .    | filled
done_for_day     | .        | pending_cancel | .         | .               | .          | .        | filled | rejected | .            | .    | .     | .    | .
pending_cancel   | .        | .              | canceled  | .               | .          | new      | filled | rejected | .            | .    | .     | .    | filled
pending_replace  | .        | .              | .         | .               | .          | new      | filled | rejected | .            | .    | .     | .    | filled
replacing        | .        | .              | .         | .               | new        | rejected | .      | rejected | .            | .    | .     | .    | rejected
filled           | .        | .              | .         | .               | .          | .        | .      | .        | .            | .    | .     | .    | .
canceled         | .        | .              | .         | .               | .          | .        | .      | .        | .            | .    | .     | .    | .
expired          | .        | .              | .         | .               | .          | .        | .      | .        | .            | .    | .     | .    | .
rejected         | .        | .              | .         | .               | .          | .        | .      | .        | .            | .    | .     | .    | .
replaced         | .        | .              | .         | .               | .          | .        | .      | .        | .            | .    | .     | .    | .
"""  # noqa: E501 - a table is read across


def _cells() -> list[tuple[str, str, str]]:
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in _TABLE.strip("\n").split("\n")]
    return [(row[0], name, cell) for row in rows for name, cell in zip(head[1:], row[1:], strict=True)]


@pytest.mark.parametrize(("scene", "name", "wanted"), _cells())
def test_what_an_input_makes_of_an_order(scene: str, name: str, wanted: str) -> None:
    hand = Hand()
    number = _SCENES[scene](hand)
    (before,) = hand.status(number)
    assert before in (scene.split()[0].rstrip(","), "pending_new")
    hand.do(_INPUTS[name](hand.id(number), hand.now()))
    assert hand.status(number) == [before if wanted == "." else wanted]


def test_the_table_names_every_scene_and_every_input() -> None:
    named = _cells()
    assert {scene for scene, _, _ in named} == set(_SCENES)
    assert {name for _, name, _ in named} == set(_INPUTS)
    # `stopped` and `suspended` are words of the stream: this engine puts no order there.
    seen = {scene.split()[0].rstrip(",") for scene in _SCENES} - {"replacing"}
    assert seen == {str(status) for status in VenueStatus} - {"stopped", "suspended"}
