"""Every trouble the venue can be told to make, by name: the one list that `/_ctl`, its help and the tests read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class FaultShape(StrEnum):
    """What the short form takes: `{"drop_events": 2}`, `{"delay_events_ms": 250}`, `{"mute_stream": true}`."""

    COUNT = "count"
    MS = "ms"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """`where` are the filters a rule of it may have beside `probability`, `skip` and `count`; `how` its values.

    `order` is an order's id or client_order_id, or how it begins: `kyzlo.*`.
    """

    name: str
    shape: FaultShape
    help: str
    where: tuple[str, ...] = ()
    how: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """For the list of all faults."""
        return {
            "shape": str(self.shape),
            "fields": [*self.where, "probability", "skip", "count", *self.how],
            "help": self.help,
        }


def _kind(shape: str, name: str, help_: str, where: str = "", how: str = "") -> FaultKind:
    return FaultKind(
        name=name, shape=FaultShape(shape), help=help_, where=tuple(where.split()), how=tuple(how.split())
    )


_ORDER: Final = "order symbol"
_EVENT: Final = "order symbol event"
_KINDS: Final = (
    # The order path.
    _kind("count", "drop_before_post", "cut the connection; the order was not even read", _ORDER),
    _kind("count", "drop_after_post", "take the order, then cut the connection without a reply", _ORDER),
    _kind("count", "fail_post_5xx", "answer 5xx; the order was not taken", _ORDER, "status html"),
    _kind("count", "fail_post_5xx_taken", "answer 5xx although the order was taken", _ORDER, "status html"),
    _kind("ms", "delay_post_reply_ms", "take the order at once, answer late: events come first", _ORDER),
    _kind("count", "async_reject", "accept the order, then `rejected` arrives on the stream", _ORDER),
    _kind("count", "cancel_refused", "204, then `order_cancel_rejected`: the order works on", _ORDER),
    _kind("count", "cancel_stuck", "204, then pending_cancel for ever", _ORDER),
    _kind("count", "cancel_all_item_fails", "one row of the cancel-all reply says 500", _ORDER),
    _kind("count", "replace_refused", "200, then `order_replace_rejected`", _ORDER),
    _kind("count", "replace_error_taken", "422 although the replace goes through", _ORDER),
    # Requests in general.
    _kind("count", "rate_limit", "429, whatever the request is"),
    _kind("ms", "delay_get_ms", "answer reads late"),
    _kind("count", "fail_get_5xx", "answer reads with 5xx", how="status html"),
    _kind("count", "orders_page_5xx", "answer lists of orders with 5xx", how="status html"),
    _kind("ms", "positions_lag_ms", "positions answer as they were that long ago"),
    _kind("count", "extra_fields", "replies hold keys nobody knows", how="fields"),
    _kind("count", "missing_fields", "replies lack these keys", how="fields"),
    # The market inside.
    _kind("switch", "hold_fills", "nothing fills, as if the matching engine were dead"),
    # trade_updates.
    _kind("count", "drop_events", "an event is never sent", _EVENT),
    _kind("count", "duplicate_events", "an event is sent twice, with the same execution id", _EVENT),
    _kind("count", "swap_events", "an event changes places with the one after it", _EVENT),
    _kind("ms", "delay_events_ms", "events come late; with a filter the others overtake them", _EVENT),
    _kind("count", "missing_new", "`new` is never sent", _ORDER),
    _kind(
        "count",
        "hide_sibling_cancel",
        "a cancel that nobody asked for (a bracket's other leg) is never sent",
        _ORDER,
    ),
    _kind("count", "malformed_events", "an event arrives broken", _EVENT, "kind"),
    _kind("switch", "mute_stream", "connected, but no event is sent", _EVENT),
    # Market data.
    _kind("switch", "mute_polygon", "Polygon's websocket is connected, but silent", "symbol"),
    _kind("switch", "mute_data", "Alpaca's data stream is connected, but silent", "symbol"),
    _kind("count", "fail_polygon_5xx", "Polygon's REST answers 5xx", how="status html"),
    _kind("count", "polygon_rate_limit", "Polygon's REST answers 429"),
)
KINDS: Final[Mapping[str, FaultKind]] = MappingProxyType({kind.name: kind for kind in _KINDS})
