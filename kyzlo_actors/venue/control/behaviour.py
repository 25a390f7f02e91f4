"""Switches for what nobody outside the real services knows for sure: each can be played either way.

Part of a scenario (`behaviour`), and settable while it runs (`/_ctl {"behaviour": {...}}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kyzlo_actors.domain.errors import BadInput


class Behaviour(BaseModel):
    """One choice for each open question about the real services; the defaults are the likeliest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Broker REST.
    duplicate_id_code: Literal[40010001, 42210000] = 40010001
    # Whether an id may be used again once its order is canceled or expired.
    duplicate_id_after_end: Literal["refused", "allowed"] = "refused"
    cancel_all_rows: Literal["bare", "with_order"] = "bare"
    auction_words: Literal["3:50pm", "3:55pm"] = "3:50pm"
    rate_limit_headers_on_429: bool = True
    # Filled quantity that the new order shows after a partly filled one was replaced.
    replaced_filled_qty: Literal["zero", "carried"] = "zero"
    short_qty_sign: Literal["negative", "positive"] = "negative"
    day_order_end: Literal["expired", "canceled"] = "expired"
    # Whether the uuid in an activity's id is the stream's execution_id.
    activity_id: Literal["execution_id", "own"] = "execution_id"
    wash_trade_status: Literal[403, 422] = 403
    # When a cancel that is asked for outside regular hours is confirmed.
    cancel_when_closed: Literal["at_once", "at_open"] = "at_once"
    # trade_updates.
    stream_frames: Literal["binary", "text"] = "binary"
    second_stream: Literal["both", "evict_oldest", "refuse"] = "both"
    halt_event: Literal["none", "suspended", "stopped"] = "none"
    # Market-data websocket.
    quote_size_unit: Literal["shares", "round_lots"] = "shares"
    slow_consumer_message: str = "You are reading too slowly."
    slow_consumer_code: Annotated[int, Field(ge=1000, le=4999)] = 1008
    minute_revision_window_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 120_000
    evict: Literal["oldest", "newest", "random"] = "oldest"
    max_connections: Annotated[int, Field(ge=1, le=1_000)] = 1


class Switches:
    """The switches as they stand: read `now` when it matters, never keep it."""

    def __init__(self, start: Behaviour | None = None) -> None:
        self.now = start or Behaviour()

    def change(self, values: Mapping[str, Any]) -> None:
        """Set some of them.

        Raises: BadInput: no such switch, or a value it cannot have; nothing changed.
        """
        try:
            self.now = Behaviour.model_validate({**self.now.model_dump(), **values})
        except ValidationError as fault:
            first = fault.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            known = (
                f"; known: {', '.join(Behaviour.model_fields)}" if first["type"] == "extra_forbidden" else ""
            )
            raise BadInput(f"behaviour.{name}", values.get(name), f"{first['msg']}{known}") from fault
