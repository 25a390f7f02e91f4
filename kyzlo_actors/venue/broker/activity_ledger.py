"""Everything that happened to the account, numbered for ever: fills, broken and corrected fills, cash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never
from uuid import NAMESPACE_OID, uuid5

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import CashBooked, Fill, FillBusted
from kyzlo_actors.venue.broker.json_shapes import account_id, execution_json, money, number
from kyzlo_actors.venue.timestamps import rfc3339

Json = dict[str, Any]
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_DIGITS: Final = 26
_RANDOM_BITS: Final = 80
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One thing that happened. `ref_id` names it, `previous_id` what it corrects."""

    event_id: str
    ts: int
    what: Fill | FillBusted | CashBooked
    ref_id: str
    previous_id: str | None = None


class ActivityLedger:
    """`entries` grows by `refresh`; an entry's ULID is greater than that of every entry before it.

    It holds one small record for each thing that the engine holds anyway.
    """

    def __init__(self, engine: MatchingEngine, account_number: str) -> None:
        self.entries: list[LedgerEntry] = []
        self._engine = engine
        self._account = account_id(account_number)
        self._newest_ms = 0
        self._seen = [0, 0, 0]
        # What the last word on an execution was called: a correction may be corrected.
        self._last_word: dict[str, str] = {}

    def refresh(self) -> int:
        """Take in what has happened since; returns how many entries there are."""
        new: list[Fill | FillBusted | CashBooked] = []
        books: tuple[Sequence[Fill | FillBusted | CashBooked], ...] = (
            self._engine.fills,
            self._engine.busts,
            self._engine.cash_entries,
        )
        for place, items in enumerate(books):
            new += items[self._seen[place] :]
            self._seen[place] = len(items)
        for what in sorted(new, key=lambda what: what.ts):
            # A clock that leaps back must not give an id that is smaller than the one before.
            self._newest_ms = max(self._newest_ms, what.ts // NS_PER_MILLISECOND)
            ref_id, previous_id = self._names(what)
            self.entries.append(
                LedgerEntry(
                    event_id=ulid(self._newest_ms, len(self.entries) + 1),
                    ts=what.ts,
                    what=what,
                    ref_id=ref_id,
                    previous_id=previous_id,
                )
            )
        return len(self.entries)

    def as_json(self, entry: LedgerEntry) -> Json:
        """The entry as its stream tells it."""
        shown: Json = {
            "event_id": entry.event_id,
            "at": rfc3339(entry.ts, _DIGITS),
            "account_id": self._account,
            "ref_id": entry.ref_id,
            "previous_id": entry.previous_id,
        }
        match entry.what:
            case Fill():
                return {**shown, **_trade(entry.what), "execution_type": "fill"}
            case FillBusted():
                return {**shown, **_broken(entry.what)}
            case CashBooked():
                return {**shown, **_cash(entry.what)}
            case _:
                assert_never(entry.what)

    def _names(self, what: Fill | FillBusted | CashBooked) -> tuple[str, str | None]:
        match what:
            case Fill():
                return what.execution_id, None
            case FillBusted():
                first = what.fill.execution_id
                previous = self._last_word.get(first, first)
                name = str(uuid5(NAMESPACE_OID, f"{previous}:{what.ts}:{what.price}"))
                self._last_word[first] = name
                return name, previous
            case CashBooked():
                return str(uuid5(NAMESPACE_OID, f"{self._account}:cash:{what.sequence}")), None
            case _:
                assert_never(what)


def _trade(fill: Fill) -> Json:
    return {
        "activity_type": "FILL",
        "type": "partial_fill" if fill.leaves_qty else "fill",
        **execution_json(fill),
        "transaction_time": rfc3339(fill.ts, _DIGITS),
    }


def _broken(bust: FillBusted) -> Json:
    return {
        **_trade(bust.fill),
        "price": number(bust.fill.price if bust.price is None else bust.price),
        "position_qty": number(bust.position_qty),
        "execution_type": "trade_bust" if bust.price is None else "trade_correct",
    }


def _cash(cash: CashBooked) -> Json:
    return {
        "activity_type": cash.kind,
        "net_amount": money(cash.amount),
        "symbol": cash.symbol,
        "status": "executed",
    }


def ulid(ms: int, number_: int) -> str:
    """26 letters that sort by time, then by number; the number stands where chance would."""
    value = ms << _RANDOM_BITS | number_
    digits = []
    for _ in range(_ULID_DIGITS):
        value, digit = divmod(value, len(_CROCKFORD))
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))


def is_ulid(text: str) -> bool:
    """Whether it could be an id of an entry."""
    return len(text) == _ULID_DIGITS and all(letter in _CROCKFORD for letter in text.upper())
