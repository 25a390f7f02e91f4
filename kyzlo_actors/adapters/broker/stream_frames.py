"""Frames of the order stream (`trade_updates`), in both directions. Pure: content decides, not the opcode."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from kyzlo_actors.adapters.broker.parse import ParseCounters, decimal, load_json, parse_order
from kyzlo_actors.adapters.broker.timestamps import timestamp_ns
from kyzlo_actors.domain.broker_events import TradeUpdated

TRADE_UPDATES = "trade_updates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """Answer to `authenticate`, and to anything that was asked before it."""

    authorized: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """The streams the server will send: unknown ones are silently left out."""

    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A frame of which nothing can be used. `is_order_news`: an order's fate may have been in it."""

    detail: str
    is_order_news: bool


StreamFrame = TradeUpdated | Authorization | Listening | Unusable


def parse_stream_frame(payload: bytes | str, now_ns: int, counters: ParseCounters) -> StreamFrame:
    """One frame in our words. Never raises."""
    frame = load_json(payload)
    stream = frame.get("stream") if isinstance(frame, dict) else None
    data = frame.get("data") if isinstance(frame, dict) else None
    if not isinstance(data, dict):
        counters.unknown_frames += 1
        return Unusable(detail="not a frame of the order stream", is_order_news=stream == TRADE_UPDATES)
    if stream == TRADE_UPDATES:
        return _trade_updated(data, now_ns, counters)
    if stream == "authorization":
        return Authorization(authorized=data.get("status") == "authorized")
    if stream == "listening":
        names = data.get("streams")
        return Listening(streams=tuple(map(str, names)) if isinstance(names, list) else ())
    counters.unknown_frames += 1
    return Unusable(detail="unknown stream", is_order_news=False)


def authenticate_frame(key: str, secret: str) -> bytes:
    """The first frame a client sends."""
    return orjson.dumps({"action": "authenticate", "data": {"key_id": key, "secret_key": secret}})


def listen_frame() -> bytes:
    """Asks for the order stream and nothing else."""
    return orjson.dumps({"action": "listen", "data": {"streams": [TRADE_UPDATES]}})


def _trade_updated(data: dict[str, object], now_ns: int, counters: ParseCounters) -> TradeUpdated | Unusable:
    order = parse_order(data.get("order"), counters)
    event = data.get("event")
    if order is None or not isinstance(event, str):
        counters.dropped += order is not None
        return Unusable(detail="an order event without its event or order fields", is_order_news=True)
    execution_id = data.get("execution_id")
    ts_event = timestamp_ns(data.get("timestamp"))
    counters.missing_fields += ts_event is None
    return TradeUpdated(
        event=event,
        order=order,
        execution_id=execution_id if isinstance(execution_id, str) and execution_id else None,
        price=decimal(data.get("price")),
        qty=decimal(data.get("qty")),
        ts_event=ts_event if ts_event is not None else (order.updated_ns or now_ns),
        now_ns=now_ns,
    )
