"""What is encoded comes back equal; what changed between versions is tolerated; what is wrong says so."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyzlo_actors.domain import broker_events, effects, messages
from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.order import Order, OrderTicket
from kyzlo_actors.domain.values import Side
from kyzlo_actors.infrastructure.codec import Codec, Undecodable, UnknownType


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    radius: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    side: float
    colour: Colour = Colour.RED


Shape = Circle | Square


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    at_ns: int
    title: str
    first: Shape
    second: Shape | None
    shapes: tuple[Shape, ...]
    frame: Square | None
    pair: tuple[int, Decimal]
    marks: dict[str, float | str]
    limits: dict[str, Decimal] = field(default_factory=dict)
    note: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    type: str


CODEC = Codec(
    [Drawing, Circle, Square, *messages.MESSAGE_TYPES, *broker_events.BROKER_EVENT_TYPES, Order, Tick, Bar]
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
INT64 = st.integers(-(2**63), 2**63 - 1)
# Lone surrogates are no text: JSON cannot say them.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
st.register_type_strategy(float, NUMBERS)
st.register_type_strategy(Decimal, DECIMALS)
st.register_type_strategy(int, INT64)
st.register_type_strategy(str, TEXT)


@given(st.from_type(Drawing))
def test_every_kind_of_field_comes_back(drawing: Drawing) -> None:
    assert CODEC.decode(CODEC.encode(drawing)) == drawing
    assert CODEC.from_dict(CODEC.to_dict(drawing)) == drawing


@pytest.mark.parametrize(
    "kind",
    [*messages.MESSAGE_TYPES, *broker_events.BROKER_EVENT_TYPES, Order, Tick, Bar],
    ids=lambda t: t.__name__,
)
def test_every_message_of_the_domain_comes_back(kind: type) -> None:
    @given(st.from_type(kind))
    @settings(max_examples=10, deadline=None, database=None)
    def comes_back(message: object) -> None:
        data = CODEC.encode(message)
        assert orjson.loads(data)["type"] == kind.__name__
        assert CODEC.decode(data) == message

    comes_back()


def test_every_effect_has_a_codec_and_sends_carry_their_message() -> None:
    codec = Codec(effects.EFFECT_TYPES)
    ticket = OrderTicket(client_order_id="kyzlo.x.1", symbol="AAPL", side=Side.BUY, qty=Decimal("1.50"))
    stamp = messages.Stamp(event_id="a", causation_id="b", correlation_id="c", ts_event=1, ts_init=2)
    approved = messages.ApprovedOrder(stamp=stamp, ticket=ticket, deadline_ns=9)
    send = effects.Send(to="broker", message=approved, deadline_ns=9)
    assert codec.decode(codec.encode(send)) == send
    assert codec.to_dict(send)["message"]["type"] == "ApprovedOrder"


def test_the_wire_is_plain_to_read() -> None:
    assert (
        CODEC.encode(Square(side=2.0, colour=Colour.BLUE)) == b'{"type":"Square","side":2.0,"colour":"blue"}'
    )
    assert type(CODEC.to_dict(Square(side=2.0))["colour"]) is str
    drawing = Drawing(
        at_ns=1_700_000_000_123_456_789,
        title="t",
        first=Circle(radius=Decimal("1.10")),
        second=None,
        shapes=(),
        frame=None,
        pair=(1, Decimal("0.1")),
        marks={"x": 1.5, "y": "z"},
    )
    plain = orjson.loads(CODEC.encode(drawing))
    # Trailing zeros are part of a Decimal, nanoseconds do not fit a double.
    assert plain["first"] == {"type": "Circle", "radius": "1.10"}
    assert plain["at_ns"] == 1_700_000_000_123_456_789
    assert plain["marks"] == {"x": 1.5, "y": "z"}


def test_unknown_fields_are_ignored_and_missing_ones_take_defaults() -> None:
    assert CODEC.decode(b'{"type":"Square","side":1,"invented":[1,{}]}') == Square(
        side=1.0, colour=Colour.RED
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_does_not_make_a_record_unreadable(value: float) -> None:
    square = CODEC.decode(CODEC.encode(Square(side=value)))
    assert isinstance(square, Square)
    assert math.isnan(square.side)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"{}",
        b'{"type":"Square"}',
        b'{"type":"Square","side":"wide"}',
        b'{"type":"Square","side":1,"colour":"plaid"}',
        b'{"type":"Order","ticket":5}',
        b'{"type":"Circle","radius":"round"}',
        b'{"type":"Circle","radius":null}',
        b'{"type":"Circle","radius":[1]}',
    ],
)
def test_nonsense_is_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable):
        CODEC.decode(data)


def test_unknown_types_say_their_name() -> None:
    with pytest.raises(UnknownType, match="Tagged"):
        CODEC.encode(Tagged(type="x"))
    with pytest.raises(UnknownType, match="Dodecahedron"):
        CODEC.decode(b'{"type":"Dodecahedron"}')
    with pytest.raises(UnknownType, match="None"):
        CODEC.decode(b'{"type":null}')
    plain = CODEC.to_dict(
        Drawing(
            at_ns=1,
            title="",
            first=Square(side=1),
            second=None,
            shapes=(),
            frame=None,
            pair=(1, Decimal(1)),
            marks={},
        )
    )
    plain["first"]["type"] = "Hexagon"
    with pytest.raises(UnknownType, match="'Hexagon' is none of Circle, Square"):
        CODEC.from_dict(plain)


def test_types_that_cannot_be_told_apart_are_refused() -> None:
    other: type = dataclass(type("Square", (), {}))
    with pytest.raises(Fatal, match="two types are named Square"):
        Codec([Square, other])
    with pytest.raises(Fatal, match='field named "type"'):
        Codec([Tagged])
    with pytest.raises(Fatal, match="must be a dataclass"):
        Codec([int])
    Codec([Square, Square])


def test_prepared_or_not_it_says_the_same() -> None:
    circle = Circle(radius=Decimal("1.50"))
    lazy, ready = Codec((Circle, Square)), Codec((Circle, Square)).prepare()
    assert lazy.encode(circle) == ready.encode(circle)
    assert lazy.decode(ready.encode(circle)) == ready.decode(lazy.encode(circle)) == circle
