"""How trades, quotes, bars and halts look on Alpaca's market-data stream; `t` is ns here, the wire writes it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.market.prints import Print, QuotePrint, VenueBar

Json = dict[str, Any]
_TAPES: Final = ("A", "B", "C")
# The consolidated tape's letters for the exchanges and conditions that Polygon numbers.
_EXCHANGES: Final[Mapping[int, str]] = MappingProxyType(
    dict(enumerate("ABCD", 1)) | {7: "J", 8: "K", 9: "M", 10: "N", 11: "P", 12: "Q", 14: "L", 15: "V"}
    | {17: "X", 18: "Y", 19: "Z", 20: "H", 21: "U"}
)  # fmt: skip
_CONDITIONS: Final[Mapping[int, str]] = MappingProxyType(
    {2: "W", 7: "C", 8: "6", 9: "X", 10: "4", 12: "T", 13: "U", 14: "F", 15: "M", 16: "Q", 17: "O", 18: "5"}
    | {20: "N", 22: "P", 25: "O", 28: "5", 29: "R", 33: "Z", 37: "I", 41: "X", 52: "V", 53: "7"}
)
_REGULAR: Final = "@"
_UNKNOWN_EXCHANGE: Final = "V"


def tape_letter(tape: int) -> str:
    """`A`, `B` or `C`."""
    return _TAPES[tape - 1]


def trade_event(trade: Print) -> Json:
    """`t`: a trade."""
    return {
        "T": "t",
        "S": trade.symbol,
        "i": _trade_id(trade),
        "x": _exchange(trade.exchange),
        "p": trade.price,
        "s": _size(trade.size),
        "c": _conditions(trade),
        "z": tape_letter(trade.tape),
        "t": trade.ts_ms * NS_PER_MILLISECOND,
    }


def cancel_event(trade: Print, ts: int) -> Json:
    """`x`: that trade never happened."""
    event = trade_event(trade)
    return {**{name: event[name] for name in "Sixpsz"}, "T": "x", "a": "C", "t": ts}


def correction_event(trade: Print, price: float, ts: int) -> Json:
    """`c`: that trade happened at another price."""
    event = trade_event(trade)
    same = {f"{side}{name}": event[name] for side in "oc" for name in "isc"}
    return {
        **{name: event[name] for name in "Sxz"},
        **same,
        "ci": event["i"] + 1,
        "op": trade.price,
        "cp": price,
        "T": "c",
        "t": ts,
    }


def quote_event(quote: QuotePrint) -> Json:
    """`q`: the best bid and offer; sizes are shares."""
    return {
        "T": "q",
        "S": quote.symbol,
        "bx": _exchange(quote.bid_exchange),
        "bp": quote.bid,
        "bs": quote.bid_size,
        "ax": _exchange(quote.ask_exchange),
        "ap": quote.ask,
        "as": quote.ask_size,
        "c": ["R"],
        "z": tape_letter(quote.tape),
        "t": quote.ts_ms * NS_PER_MILLISECOND,
    }


def bar_event(kind: str, bar: VenueBar) -> Json:
    """`b` a minute, `u` a minute that late trades have changed, `d` the day so far."""
    return {
        "T": kind,
        "S": bar.symbol,
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": _size(bar.volume),
        "n": bar.count,
        "vw": bar.vwap,
        "t": bar.start_ms * NS_PER_MILLISECOND,
    }


def status_event(symbol: str, tape: int, halted: bool, ts: int) -> Json:
    """`s`: trading halts (a volatility pause) or resumes."""
    code, message = ("H", "Trading Halt") if halted else ("T", "Trading Resumption")
    reason = ("LUDP", "Volatility Trading Pause") if halted else ("", "")
    letter = tape_letter(tape)
    return {
        "T": "s",
        "S": symbol,
        "sc": code,
        "sm": message,
        "rc": reason[0],
        "rm": reason[1],
        "z": letter,
        "t": ts,
    }


def luld_event(symbol: str, tape: int, low: float, high: float, ts: int) -> Json:
    """`l`: the band outside of which nothing may trade."""
    return {"T": "l", "S": symbol, "u": high, "d": low, "i": "B", "z": tape_letter(tape), "t": ts}


def _exchange(number: int) -> str:
    return _EXCHANGES.get(number, _UNKNOWN_EXCHANGE)


def _conditions(trade: Print) -> list[str]:
    named = [_CONDITIONS[number] for number in trade.conditions if number in _CONDITIONS]
    return [_REGULAR, *dict.fromkeys(named)]


def _trade_id(trade: Print) -> int:
    return int(trade.trade_id) if trade.trade_id.isdecimal() else 0


def _size(size: float) -> float | int:
    return int(size) if size == int(size) else size
