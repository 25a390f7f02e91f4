"""Acts on the websockets: cut, close, refuse, repeat, and send what no careful server would."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from kyzlo_actors.venue.broker.trade_updates import FOR_EVER, MAX_REMEMBERED, TradeUpdates
from kyzlo_actors.venue.control.act import Act, Arguments, CloseCode
from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.control.malformed import MALFORMED, Malformed
from kyzlo_actors.venue.data.stream import DataStream
from kyzlo_actors.venue.polygon.stream import PolygonStream

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class Refuse(Arguments):
    """0 seconds end it."""

    seconds: Seconds
    status: Literal[401, 403, 404, 429, 500, 502, 503, 504] = 429


class Replay(Arguments):
    """Which of the remembered events, and when."""

    after_ms: Annotated[int, Field(ge=0, le=600_000)] = 0
    order: Annotated[str, Field(max_length=128)] = ""
    last: Annotated[int, Field(ge=1, le=MAX_REMEMBERED)] = MAX_REMEMBERED


class Break(Arguments):
    """What kind of broken frame, and where."""

    kind: Malformed
    stream: Literal["trade_updates", "data", "polygon"] = "trade_updates"


class StreamActs:
    """See `acts`."""

    def __init__(
        self, *, updates: TradeUpdates, polygon: PolygonStream, data: DataStream, switches: Switches
    ) -> None:
        self._updates = updates
        self._polygon = polygon
        self._data = data
        self._switches = switches
        self._by_name: dict[str, TradeUpdates | DataStream | PolygonStream] = {
            "trade_updates": updates,
            "data": data,
            "polygon": polygon,
        }

    def acts(self) -> list[Act]:
        """All of them."""
        return [*self._on_trade_updates(), *self._on_market_data()]

    def _on_trade_updates(self) -> list[Act]:
        return [
            Act(
                name="abort_streams",
                takes=Any,
                run=lambda _: self._updates.abort_all(),
                help="cut all trade_updates sockets without a goodbye: true",
            ),
            Act(
                name="close_streams",
                takes=CloseCode,
                run=self._updates.close_all,
                help="close all trade_updates sockets with that code (1006: without a goodbye)",
            ),
            Act(
                name="refuse_stream",
                takes=Refuse,
                run=lambda given: self._updates.refuse(given.seconds, given.status),
                help="answer the upgrade of trade_updates so: {seconds, status: 429}",
            ),
            Act(
                name="refuse_stream_for_ever",
                takes=bool,
                run=lambda on: self._updates.refuse(FOR_EVER if on else 0.0, 429),
                help="answer the upgrade of trade_updates with 429: true or false",
            ),
            Act(
                name="replay_events",
                takes=Replay,
                run=self._replay,
                help="send events again, the same frames with the same ids: {after_ms?, order?, last?}",
            ),
            Act(
                name="malformed",
                takes=Break,
                run=lambda given: self._by_name[given.stream].inject(given.kind),
                help=f"send a broken frame: {{kind: {'|'.join(MALFORMED)}, stream: trade_updates|data|polygon}}",
            ),
            Act(
                name="stream_frames",
                takes=Any,
                run=lambda value: self._switches.change({"stream_frames": value}),
                help="trade_updates in binary or text frames",
            ),
        ]

    def _on_market_data(self) -> list[Act]:
        return [
            Act(
                name="close_polygon",
                takes=CloseCode,
                run=self._polygon.close_all,
                help="close all of Polygon's sockets with that code",
            ),
            Act(
                name="abort_polygon",
                takes=Any,
                run=lambda _: self._polygon.abort_all(),
                help="cut all of Polygon's sockets: true",
            ),
            Act(
                name="force_disconnect",
                takes=Any,
                run=lambda _: self._polygon.force_disconnect(),
                help="end all of Polygon's sockets with that status: true",
            ),
            Act(
                name="close_data",
                takes=CloseCode,
                run=self._data.close_all,
                help="close all sockets of Alpaca's data stream with that code",
            ),
            Act(
                name="abort_data",
                takes=Any,
                run=lambda _: self._data.abort_all(),
                help="cut all sockets of Alpaca's data stream: true",
            ),
        ]

    def _replay(self, given: Replay) -> None:
        self._updates.replay(after_ms=given.after_ms, order=given.order, last=given.last)
