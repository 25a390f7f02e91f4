"""How prints and bars look on Polygon's wire (the live shape of mid-2026)."""

from __future__ import annotations

import math
from typing import Any

from kyzlo_actors.venue.prints import Print, VenueBar

Json = dict[str, Any]


def trade_json(trade: Print) -> Json:
    """A `T` event: `s` is whole shares (0 for less than one), `ds` the exact size as text."""
    event: Json = {
        "ev": "T",
        "sym": trade.symbol,
        "i": trade.trade_id,
        "x": trade.exchange,
        "p": trade.price,
        "s": math.floor(trade.size),
        "ds": repr(trade.size),
    }
    if trade.conditions:
        event["c"] = list(trade.conditions)
    event |= {"t": trade.ts_ms, "pt": trade.participant_ms, "q": trade.sequence, "z": trade.tape}
    if trade.trf:
        event |= {"trfi": trade.trf, "trft": trade.trf_ms}
    return event


def bar_event_json(
    channel: str, bar: VenueBar, *, day_volume: float, day_notional: float, opened: float
) -> Json:
    """An `A` or `AM` event. The day's figures count from the venue's start."""
    return {
        "ev": channel,
        "sym": bar.symbol,
        "v": math.floor(bar.volume),
        "dv": repr(bar.volume),
        "av": math.floor(day_volume),
        "dav": repr(round(day_volume, 6)),
        "op": opened,
        "vw": bar.vwap,
        "o": bar.open,
        "c": bar.close,
        "h": bar.high,
        "l": bar.low,
        "a": round(day_notional / day_volume, 4) if day_volume else bar.vwap,
        "z": math.floor(bar.volume / bar.count),
        "s": bar.start_ms,
        "e": bar.end_ms,
    }


def bar_row_json(bar: VenueBar) -> Json:
    """A row of `/v2/aggs`."""
    return {
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": bar.volume,
        "vw": bar.vwap,
        "t": bar.start_ms,
        "n": bar.count,
    }
