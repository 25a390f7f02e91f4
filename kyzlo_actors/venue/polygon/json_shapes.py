"""How prints and bars look on Polygon's wire (the live shape of mid-2026)."""

from __future__ import annotations

import math
from typing import Any, Final

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.market.prints import Band, Print, QuotePrint, VenueBar

Json = dict[str, Any]
_LULD_INDICATOR: Final = 21


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
    """An `A` or `AM` event, with the figures of its day so far; `opened` is the official open (0: not yet)."""
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
        "z": math.floor(bar.volume / bar.count) if bar.count else 0,
        "s": bar.start_ms,
        "e": bar.end_ms,
    }


def quote_json(quote: QuotePrint, *, round_lot: int = 1) -> Json:
    """A `Q` event; sizes in units of `round_lot` shares. A side that is missing has no fields."""
    event: Json = {"ev": "Q", "sym": quote.symbol}
    if quote.bid:
        event |= {"bx": quote.bid_exchange, "bp": quote.bid, "bs": quote.bid_size // round_lot}
    if quote.ask:
        event |= {"ax": quote.ask_exchange, "ap": quote.ask, "as": quote.ask_size // round_lot}
    times = {"t": quote.ts_ms, "pt": quote.participant_ms, "q": quote.sequence, "z": quote.tape}
    return event | {"c": 0} | times


def band_json(band: Band, sequence: int) -> Json:
    """A `LULD` event: its symbol is called `T`, its time is in microseconds."""
    return {
        "ev": "LULD",
        "T": band.symbol,
        "h": band.high,
        "l": band.low,
        "i": [_LULD_INDICATOR],
        "z": band.tape,
        "t": band.ts_ms * 1_000,
        "q": sequence,
    }


def trade_row_json(trade: Print) -> Json:
    """A row of `/v3/trades`: times in ns; `correction` only when the tape took something back."""
    row: Json = {
        "id": trade.trade_id,
        "exchange": trade.exchange,
        "price": trade.price,
        "size": trade.size,
        "decimal_size": repr(trade.size),
        "sip_timestamp": trade.ts_ms * NS_PER_MILLISECOND,
        "participant_timestamp": trade.participant_ms * NS_PER_MILLISECOND,
        "sequence_number": trade.sequence,
        "tape": trade.tape,
    }
    if trade.conditions:
        row["conditions"] = list(trade.conditions)
    if trade.correction:
        row["correction"] = trade.correction
    if trade.trf:
        row |= {"trf_id": trade.trf, "trf_timestamp": trade.trf_ms * NS_PER_MILLISECOND}
    return row


def quote_row_json(quote: QuotePrint, *, round_lot: int = 1) -> Json:
    """A row of `/v3/quotes`: a missing side has price and size 0."""
    return {
        "bid_price": quote.bid,
        "bid_size": quote.bid_size // round_lot,
        "bid_exchange": quote.bid_exchange,
        "ask_price": quote.ask,
        "ask_size": quote.ask_size // round_lot,
        "ask_exchange": quote.ask_exchange,
        "sip_timestamp": quote.ts_ms * NS_PER_MILLISECOND,
        "participant_timestamp": quote.participant_ms * NS_PER_MILLISECOND,
        "sequence_number": quote.sequence,
        "tape": quote.tape,
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
