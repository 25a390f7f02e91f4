"""Envelopes there and back, and frames that are none."""

from __future__ import annotations

import logging
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.actors.frames import Frames
from kyzlo_actors.actors.wire import Envelope, codec, decode_envelope, encode_envelope
from kyzlo_actors.domain.messages import CancelSymbolOrders, EntriesAllowed, OrderDenied, TimerDue
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.infrastructure.codec import Undecodable, UnknownType

STAMP = Stamp(event_id="e", causation_id="c", correlation_id="k", ts_event=1, ts_init=2)
TEXT = st.text(max_size=40)


@given(
    TEXT, st.integers(0, 2**31), st.integers(0, 2**62), TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=3)
)
def test_what_is_sent_arrives(
    sender: str, incarnation: int, deadline_ns: int, code: str, detail: str, numbers: dict[str, str]
) -> None:
    message = OrderDenied(
        stamp=STAMP, symbol="AAA", client_order_id="kyzlo.x.1", code=code, detail=detail, numbers=numbers
    )
    payload = encode_envelope(
        sender=sender, incarnation=incarnation, deadline_ns=deadline_ns, message=message
    )
    assert decode_envelope(payload) == Envelope(
        sender=sender, incarnation=incarnation, deadline_ns=deadline_ns, message=message
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_a_clear_refusal(payload: bytes) -> None:
    with pytest.raises((Undecodable, UnknownType)):
        decode_envelope(payload)


def test_a_message_without_envelope_is_refused() -> None:
    with pytest.raises(Undecodable, match="not an envelope"):
        decode_envelope(codec().encode(TimerDue(name="x", due_ns=1, now_ns=2)))


def test_a_field_of_a_newer_version_is_ignored() -> None:
    payload = orjson.loads(
        encode_envelope(sender="a", incarnation=1, deadline_ns=0, message=EntriesAllowed(stamp=STAMP))
    )
    payload["colour"] = "blue"
    payload["message"]["weather"] = Decimal(3).__int__()
    assert decode_envelope(orjson.dumps(payload)).message == EntriesAllowed(stamp=STAMP)


def test_frames_counts_and_tells_ever_more_seldom(caplog: pytest.LogCaptureFixture) -> None:
    frames = Frames(logging.getLogger("frames-test"))
    with caplog.at_level(logging.CRITICAL):
        for _ in range(100):
            assert frames.decode(b"\xffgarbage") is None
    assert frames.dropped == 100
    assert [record.args[1] for record in caplog.records if isinstance(record.args, tuple)] == [
        1,
        2,
        4,
        8,
        16,
        32,
        64,
    ]
    sound = encode_envelope(
        sender="a",
        incarnation=1,
        deadline_ns=0,
        message=CancelSymbolOrders(stamp=STAMP, symbol="AAA", reason="r"),
    )
    decoded = frames.decode(sound)
    assert decoded is not None and isinstance(decoded.message, CancelSymbolOrders)
