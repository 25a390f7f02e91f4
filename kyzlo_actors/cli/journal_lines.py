"""A journal record as one line for people, or as one line of JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from kyzlo_actors.domain.operator import one_line
from kyzlo_actors.domain.values import NS_PER_SECOND

_MOST_CHARS: Final = 400
_MOST_EFFECTS: Final = 8
# What a person looks for first, in this order; the rest is in the JSON.
_FIELDS: Final = (
    "symbol",
    "strategy",
    "target_position",
    "side",
    "qty",
    "price",
    "close",
    "order_type",
    "limit_price",
    "status",
    "filled_qty",
    "cum_qty",
    "code",
    "detail",
    "reason",
    "by",
    "error",
    "name",
    "state",
    "incarnation",
    "client_order_id",
    "text",
)
# What is looked into for those fields.
_PARTS: Final = ("ticket", "tick", "bar", "order")


def line_of(actor: str, seq: int, tx_time: int, body: Mapping[str, Any]) -> str:
    """`2026-01-02 14:30:00.123456 risk 17 < ProposeOrder AAPL buy 10 …`; `<` is an input, `>` a decision. UTC."""
    moment = datetime.fromtimestamp(tx_time // NS_PER_SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
    micros = tx_time % NS_PER_SECOND // 1_000
    text = f"{moment}.{micros:06d} {actor} {seq} {_content(body)}"
    return text if len(text) <= _MOST_CHARS else text[: _MOST_CHARS - 1] + "…"


def json_of(actor: str, seq: int, tx_time: int, body: Mapping[str, Any]) -> str:
    """The same with everything in it: `input`, `decision` or `skipped` as it was written."""
    return json.dumps({"actor": actor, "seq": seq, "tx_time_ns": tx_time, **body})


def _content(body: Mapping[str, Any]) -> str:
    if "input" in body:
        given = body["input"]
        sender = f" from {given['sender']}" if given.get("type") == "Received" else ""
        return f"< {_words(given.get('message') or given)}{sender}"
    if "decision" in body:
        effects = body["decision"]
        more = f"; and {len(effects) - _MOST_EFFECTS} more" if len(effects) > _MOST_EFFECTS else ""
        return "> " + "; ".join(_effect(effect) for effect in effects[:_MOST_EFFECTS]) + more
    return f"- left out input {body.get('skipped')}"


def _effect(effect: Mapping[str, Any]) -> str:
    match effect:
        case {"type": "Send", "to": to, "message": message}:
            return f"{_words(message)} to {to}"
        case {"type": "Record", "message": message}:
            return _words(message)
        case _:
            return _words(effect)


def _words(thing: Mapping[str, Any]) -> str:
    parts = [thing, *(part for name in _PARTS if isinstance(part := thing.get(name), Mapping))]
    words = [str(thing.get("type"))]
    for name in _FIELDS:
        value = next((part[name] for part in parts if part.get(name) not in (None, "")), None)
        if isinstance(value, str | int | float):
            words.append(_shortened(name, value))
    return " ".join(words)


def _shortened(name: str, value: str | float) -> str:
    text = one_line(str(value))  # the broker's words too
    # Of an id the end tells it from the others; `--order` takes that much of it.
    return f"…{text[-12:]}" if name == "client_order_id" and len(text) > 16 else text
