"""What `kyzlo top` sees beside the guardian's status, where files are ours to read: newest prices, fills, denials."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from kyzlo_actors.actors.layout import BROKER, RISK, SYMBOL, Layout
from kyzlo_actors.cli.admin_client import symbol_rows
from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.infrastructure.journal_reader import JournalFollower, follow_from_end
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots

_READ_AT_ONCE: Final = 5_000
_KEPT_LINES: Final = 5


@dataclass(slots=True)
class Seen:
    """Since `top` began: counts by symbol, and the newest of them in words."""

    fills: Counter[str] = field(default_factory=Counter)
    denials: Counter[str] = field(default_factory=Counter)
    newest: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))


class TopView:
    """Follows one life of the service; a new one (other symbols, another run) needs a new view."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        self._life = _life(status)
        self.seen = Seen()
        layout = Layout(
            state_directory=Path(status["state_directory"]),
            runtime_directory=Path(status["runtime_directory"]),
            symbols=tuple(symbol_rows(status)),
        )
        self._slots: TickSlots | None = None
        with suppress(Fatal, OSError):
            self._slots = TickSlots.open(layout.slots, layout.symbols)
        self._followers = []
        for actor in (BROKER, RISK):
            with suppress(Fatal, OSError):
                self._followers.append(follow_from_end(layout.journal(actor)))

    def is_of(self, status: Mapping[str, Any]) -> bool:
        """Whether the status is of the life that this view follows."""
        return _life(status) == self._life

    def add_to(self, status: dict[str, Any]) -> None:
        """Put what was seen into the status: `price` (else the actor's last one), `fills`, `denials`, `newest`."""
        prices = self._prices()
        for symbol, row in symbol_rows(status).items():
            row["price"] = prices.get(symbol) or row["last_price"] or None
            if self._followers:
                row["fills"], row["denials"] = self.seen.fills[symbol], self.seen.denials[symbol]
        status["newest"] = list(self.seen.newest)

    def poll(self) -> None:
        """Read on in the journals."""
        for follower in list(self._followers):
            try:
                self._read(follower)
            except (Fatal, OSError):
                self._followers.remove(follower)  # pruned, or no longer ours: the rest is worth showing

    def _prices(self) -> dict[str, float]:
        if self._slots is None:
            return {}
        views = ((symbol, self._slots.read(index)) for index, symbol in enumerate(self._slots.symbols))
        return {
            symbol: view.tick.price for symbol, view in views if view is not None and view.tick is not None
        }

    def close(self) -> None:
        """Let go of memory and files."""
        if self._slots is not None:
            self._slots.close()
        for follower in self._followers:
            follower.close()

    def _read(self, follower: JournalFollower) -> None:
        for record in follower.poll(_READ_AT_ONCE):
            if not record.body.startswith(b'{"decision"'):
                continue
            for effect in orjson.loads(record.body)["decision"]:
                if effect["type"] == "Send" and effect["to"].startswith(SYMBOL):
                    self._note(effect["message"])

    def _note(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"type": "OrderFilled", "symbol": symbol, "side": side, "qty": qty, "price": price}:
                self.seen.fills[symbol] += 1
                self.seen.newest.append(f"{'bought' if side == 'buy' else 'sold'} {qty} {symbol} at {price}")
            case {"type": "OrderDenied", "symbol": symbol, "code": code, "detail": detail}:
                self.seen.denials[symbol] += 1
                self.seen.newest.append(f"denied {symbol}: {code} ({detail})")


def _life(status: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return status["run_id"], tuple(symbol_rows(status))
