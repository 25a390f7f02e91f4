"""An OpenAPI description of the venue's routes, made from the routes themselves and what their parameters are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from aiohttp import web

WORD = {"type": "string", "minLength": 1, "maxLength": 40}
WHOLE = {"type": "integer"}
FLAG = {"type": "boolean"}
TIME = {"type": "string", "format": "date-time"}
DAY = {"type": "string", "format": "date"}
NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\d{1,12}(\.\d{1,9})?$"}]}
ORDER_TYPES = ["market", "limit", "stop", "stop_limit", "trailing_stop"]
TIMES_IN_FORCE = ["day", "gtc", "opg", "cls", "ioc", "fok"]
# What the routes know of, by the end of the path; every query parameter is tried on every GET of its group.
BROKER_QUERY: dict[str, Any] = {
    "status": {"enum": ["open", "closed", "all", "active"]},
    "limit": WHOLE,
    "after": TIME,
    "until": TIME,
    "direction": {"enum": ["asc", "desc"]},
    "nested": FLAG,
    "symbols": WORD,
    "side": {"enum": ["buy", "sell"]},
    "asset_class": WORD,
    "before_order_id": WORD,
    "after_order_id": WORD,
    "client_order_id": WORD,
    "start": DAY,
    "end": DAY,
    "date": DAY,
    "activity_types": WORD,
    "page_size": WHOLE,
    "page_token": WORD,
    "cancel_orders": FLAG,
    "qty": NUMBER,
    "percentage": NUMBER,
    "since": TIME,
    "since_id": WORD,
}
FEED_QUERY: dict[str, Any] = {
    "adjusted": FLAG,
    "sort": {"enum": ["asc", "desc"]},
    "order": {"enum": ["asc", "desc"]},
    "limit": WHOLE,
    "cursor": WORD,
    "timestamp": WORD,
    "timestamp.gte": WORD,
    "timestamp.lt": WORD,
    "asset_class": WORD,
    "apiKey": WORD,
}
ORDER: dict[str, Any] = {
    "type": "object",
    "required": ["symbol", "side", "type", "time_in_force"],
    "properties": {
        "symbol": {"enum": ["AAPL", "SPY", "RACE", "PART", "TSLA", "HALT", "NOPE"]},
        "qty": NUMBER,
        "notional": NUMBER,
        "side": {"enum": ["buy", "sell"]},
        "type": {"enum": ORDER_TYPES},
        "time_in_force": {"enum": TIMES_IN_FORCE},
        "limit_price": NUMBER,
        "stop_price": NUMBER,
        "trail_price": NUMBER,
        "trail_percent": NUMBER,
        "extended_hours": FLAG,
        "client_order_id": WORD,
        "order_class": {"enum": ["", "simple", "bracket", "oco", "oto", "mleg"]},
        "position_intent": {"enum": ["buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"]},
        "take_profit": {"type": "object", "properties": {"limit_price": NUMBER}},
        "stop_loss": {"type": "object", "properties": {"stop_price": NUMBER, "limit_price": NUMBER}},
        "trail": NUMBER,
    },
}
_FEED_ROOTS = ("/v2/aggs", "/v3", "/v1", "/v2/last", "/v2/snapshot", "/vX")
# Websockets and endless answers have tests of their own; the back door too.
_LEFT_OUT = re.compile(r"/_ctl.*|.*/stream|/stocks|.*/stocks|/data/.*|.*/events/.*|/v2/\{feed.*|/v1beta.*")


def is_feed(path: str) -> bool:
    """Whether a path is the market-data vendor's."""
    return path.startswith(_FEED_ROOTS)


def describe(routes: Iterable[web.RouteDef]) -> dict[str, Any]:
    """The OpenAPI 3 description of every REST route."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r"\{(\w+):[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", r"{\1}", route.path)
        if not _LEFT_OUT.fullmatch(path):
            paths.setdefault(path, {})[route.method.lower()] = _operation(path, route.method)
    return {"openapi": "3.0.3", "info": {"title": "venue", "version": "1"}, "paths": paths}


def _operation(path: str, method: str) -> dict[str, Any]:
    query = FEED_QUERY if is_feed(path) else BROKER_QUERY
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _path_part(name)}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    if method in ("GET", "DELETE"):
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]
    operation: dict[str, Any] = {"parameters": parameters, "responses": {"default": {"description": "any"}}}
    if method in ("POST", "PATCH", "PUT"):
        operation["requestBody"] = {"content": {"application/json": {"schema": ORDER}}, "required": True}
    return operation


def _path_part(name: str) -> dict[str, Any]:
    known = {"symbol": ["AAPL", "PART", "NOPE"], "ticker": ["AAPL", "NOPE"]}.get(name)
    return {"anyOf": [{"enum": known}, WORD]} if known else WORD
