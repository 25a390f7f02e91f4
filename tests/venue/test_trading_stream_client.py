"""alpaca-py's own TradingStream on the venue's `trade_updates`: every event, twice, swapped, after a cut."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from alpaca.trading.stream import TradingStream

from tests.venue.test_trade_updates import EVENTS

if TYPE_CHECKING:
    from conftest import RunningVenue


class Listener:
    """A TradingStream on a thread, and what it heard."""

    def __init__(self, venue: RunningVenue) -> None:
        self.heard: list[Any] = []
        self._stream = TradingStream("K", "S", url_override=f"ws://127.0.0.1:{venue.port}/stream")
        self._stream.subscribe_trade_updates(self._keep)
        self._thread = threading.Thread(target=self._stream.run, daemon=True)
        self._thread.start()
        venue.until(lambda: venue.ctl()["ws"] == 1)

    async def _keep(self, update: Any) -> None:
        self.heard.append(update)

    def names(self) -> list[str]:
        return [str(getattr(update.event, "value", update.event)) for update in self.heard]

    def stop(self) -> None:
        self._stream.stop()
        self._thread.join(20)


@pytest.fixture
def listener(venue: RunningVenue) -> Iterator[Listener]:
    made = Listener(venue)
    yield made
    made.stop()


def test_every_event_there_is_and_one_that_is_not_reaches_it(venue: RunningVenue, listener: Listener) -> None:
    venue.order("a", type="limit", limit_price="1")
    venue.until(lambda: listener.names() == ["pending_new", "new"])
    for name in EVENTS:
        data = {"price": "1.5", "qty": "1", "position_qty": "1"} if "fill" in name else {}
        venue.ctl(emit_event={"order": "a", "event": name, "data": data})
    venue.until(lambda: len(listener.heard) == 2 + len(EVENTS))
    assert listener.names()[2:] == list(EVENTS)
    assert {update.order.client_order_id for update in listener.heard} == {"a"}


def test_repeated_and_swapped_events_keep_their_ids(venue: RunningVenue, listener: Listener) -> None:
    venue.ctl(duplicate_events={"event": "fill"}, swap_events={"event": "new"})
    venue.order("a")
    venue.until(lambda: len(listener.heard) == 4)
    assert listener.names() == ["pending_new", "fill", "fill", "new"]
    venue.ctl(replay_events={"order": "a"})
    venue.until(lambda: len(listener.heard) == 7)
    fills = [update.execution_id for update in listener.heard if update.event == "fill"]
    assert len(fills) == 3 and len(set(fills)) == 1


def test_it_comes_back_after_a_cut_and_what_happened_between_is_lost(
    venue: RunningVenue, listener: Listener
) -> None:
    venue.ctl(cfg={"refuse_ws": True}, drop_ws="abort")
    venue.bought("1", "gap")
    venue.ctl(cfg={"refuse_ws": False})
    venue.until(lambda: venue.ctl()["ws"] == 1)
    venue.bought("1", "after")
    venue.until(lambda: len(listener.heard) == 3)
    assert {update.order.client_order_id for update in listener.heard} == {"after"}
