"""Strategies that make trouble on demand: a file tells a running one to raise, exit, fault, hang or go quiet."""

from __future__ import annotations

import ctypes
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.messages import OrderFilled
from kyzlo_actors.domain.strategy.protocol import BaseStrategy, Context, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class MetronomeParameters:
    """`every` ticks it changes its mind. `trouble` names the directory in which a test leaves it notes.

    `work_ms` is what one tick costs. `below_percent` > 0: buys only so far below the market (and never gets it).
    """

    every: int = 4
    trouble: str = ""
    work_ms: float = 0.0
    below_percent: float = 0.0


class Metronome(BaseStrategy):
    """In, out, in, out. Its signals say how many ticks and bars it has seen, so lost state shows in the journal.

    Notes, by file name: `quiet` (no signals), `tick` and `fill` (what to do in the next on_tick or on_fill):
    "raise", "exit", "fault", "hang" happen once; "poison" strikes each time that same event is met;
    "always" on every event.
    """

    name: ClassVar[str] = "metronome"
    Parameters: ClassVar[type[Any]] = MetronomeParameters

    def __init__(self, parameters: MetronomeParameters) -> None:
        self.parameters = parameters
        self._notes = Path(parameters.trouble) if parameters.trouble else None
        self._ticks = 0
        self._bars = 0
        self._fills = 0
        self._is_in = False

    def on_tick(self, context: Context, tick: Tick) -> Signal | None:
        if self.parameters.work_ms:
            time.sleep(self.parameters.work_ms / 1_000)
        self._ticks += 1
        self._meet("tick", tick.natural_key)
        if self._ticks % self.parameters.every or self._note("quiet") is not None:
            return None
        self._is_in = not self._is_in
        return Signal(
            target_position=context.quantity if self._is_in else Decimal(0),
            reason="the metronome ticked",
            indicators={"ticks": self._ticks, "bars": self._bars, "fills": self._fills},
            limit_price=self._limit(tick.price),
        )

    def on_bar(self, context: Context, bar: Bar) -> Signal | None:
        self._bars += 1
        return None

    def on_fill(self, context: Context, fill: OrderFilled) -> None:
        self._fills += 1
        self._meet("fill", fill.execution_id)

    def save(self) -> dict[str, Any]:
        return {"ticks": self._ticks, "bars": self._bars, "fills": self._fills, "is_in": self._is_in}

    def load(self, state: dict[str, Any]) -> None:
        self._ticks, self._bars = state["ticks"], state["bars"]
        self._fills, self._is_in = state["fills"], state["is_in"]

    def _limit(self, price: float) -> Decimal | None:
        if not self.parameters.below_percent:
            return None
        return round(Decimal(price) * (1 - Decimal(self.parameters.below_percent) / 100), 2)

    def _note(self, name: str) -> str | None:
        if self._notes is None:
            return None
        try:
            return (self._notes / name).read_text()
        except FileNotFoundError:
            return None

    def _meet(self, name: str, event: str) -> None:
        note = self._note(name)
        if note is None or self._notes is None:
            return
        if note == "poison":
            (self._notes / name).write_text(f"poison {event}")
            raise RuntimeError(f"poisoned by {event}")
        if note.startswith("poison "):
            if note == f"poison {event}":
                raise RuntimeError(f"poisoned again by {event}")
            return
        if note != "always":
            with suppress(FileNotFoundError):
                (self._notes / name).unlink()
        strike(note)


def strike(how: str) -> None:
    """Do it."""
    if how in ("raise", "always"):
        raise RuntimeError("a strategy that raises")
    if how == "exit":
        os._exit(3)
    if how == "fault":
        ctypes.string_at(0)
    if how == "hang":
        while True:
            pass
