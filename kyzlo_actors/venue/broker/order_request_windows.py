"""When orders for the two auctions may be given: from seven in the evening until shortly before the auction."""

from __future__ import annotations

from typing import Final, Literal

from kyzlo_actors.domain.values import NS_PER_SECOND, TimeInForce
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

_MINUTE_NS: Final = 60 * NS_PER_SECOND
_OPG_MINUTES: Final = 2
_CLS_MINUTES: Final = {"3:50pm": 10, "3:55pm": 5}
_EVENING: Final = "19:00"


class AuctionWindows:
    """Cut-offs follow the session, so an early close moves them."""

    def __init__(self, calendar: VenueCalendar) -> None:
        self._calendar = calendar

    def fault(self, time_in_force: TimeInForce, now_ns: int, words: Literal["3:50pm", "3:55pm"]) -> str:
        """The broker's words when it is too late for today's auction and too early for the next, else empty."""
        today = new_york_date(now_ns)
        session = self._calendar.day(today)
        if session is None or now_ns >= new_york_ns(today, _EVENING):
            return ""
        if time_in_force is TimeInForce.OPG and now_ns >= session.open_ns - _OPG_MINUTES * _MINUTE_NS:
            return "opg orders must be submitted after 7:00pm and before 9:28am"
        if time_in_force is TimeInForce.CLS and now_ns >= session.close_ns - _CLS_MINUTES[words] * _MINUTE_NS:
            return f"cls orders must be submitted after 7:00pm and before {words}"
        return ""
