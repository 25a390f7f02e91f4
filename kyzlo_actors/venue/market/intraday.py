"""The shape of a symbol's trading day: busyness, gaps, news, bursts and halts, as pure functions of time."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.market.calendar import CalendarMode, VenueCalendar
from kyzlo_actors.venue.market.conditions import EXTENDED_HOURS
from kyzlo_actors.venue.scenario import MarketPart, SymbolPart
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

_SEARCH_DAYS: Final = 15
_MINUTE: Final = 60
_QUIET_SECONDS: Final = 300
_BURST_RATE: Final = 4.0
_BURST_STEP_SECONDS: Final = 3.0
_BURST_SWING: Final = 0.4
# How long a price stands at the edge of its band before trading stops.
_LIMIT_STATE_SECONDS: Final = 15
# News come neither in the first nor in the last part of a session: a halt must fit in.
_NEWS_FROM, _NEWS_SPAN = 0.05, 0.8
OPENING, CLOSING, REOPENING = 17, 8, 18
OFFICIAL_CLOSE, OFFICIAL_OPEN = 15, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """No print from `start_s` to `end_s` (epoch seconds); trading stopped at the edge of the band."""

    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    """From one early morning to the next, in epoch seconds; after `last_s` prices rest."""

    start_s: int
    end_s: int
    open_s: int
    close_s: int
    last_s: int
    gap: float
    opening: float
    news_s: int
    news: float
    halt: Halt | None


class Intraday:
    """One symbol's days."""

    def __init__(self, part: SymbolPart, terms: MarketPart, *, seed: int, calendar: VenueCalendar) -> None:
        self._part = part
        self._terms = terms
        self._calendar = calendar
        self._key = f"{seed}:{part.symbol}"
        self._has_auctions = calendar.rules.mode is CalendarMode.EXCHANGE
        self._unit = lru_cache(maxsize=512)(self._unit_at)
        self._days = lru_cache(maxsize=1_024)(self._build)
        self._activity = lru_cache(maxsize=512)(self._activity_at)
        self._newest: _Day | None = None

    def rate(self, second: int) -> float:
        """How busy it is in that second; 1 on average over a session."""
        if self.halt_at(second):
            return 0.0
        return self._activity(second // _MINUTE)

    def halt_at(self, second: int) -> Halt | None:
        """The halt that holds in that second."""
        halt = self._day(second).halt
        return halt if halt and halt.start_s <= second < halt.end_s else None

    def flags(self, second: int) -> tuple[int, ...]:
        """Conditions that every ordinary print of that second carries."""
        phase = self._calendar.phase(second * NS_PER_SECOND)
        return () if phase is SessionPhase.REGULAR else (EXTENDED_HOURS,)

    def auction(self, second: int) -> int | None:
        """The condition of the auction of that second: opening, closing or reopening."""
        day = self._day(second)
        if day.halt and second == day.halt.end_s:
            return REOPENING
        if not self._has_auctions or not day.open_s:
            return None
        return {day.open_s: OPENING, day.close_s: CLOSING}.get(second)

    def resting(self, seconds: float) -> float:
        """`seconds`, or the moment since which prices rest."""
        return min(seconds, self._day(int(seconds)).last_s)

    def offset(self, seconds: float) -> float:
        """What is added to the logarithm of the price."""
        day = self._day(int(seconds))
        offset = day.gap + (day.opening if day.open_s and seconds >= day.open_s else 0.0)
        if day.news and seconds >= day.news_s:
            band = math.log1p(self._terms.luld_band)
            within = day.halt is not None and seconds < day.halt.end_s
            offset += math.copysign(band, day.news) if within else day.news
        return offset + self._burst(seconds)

    # ---------------------------------------------------------------- inside

    def _burst(self, seconds: float) -> float:
        minute = int(seconds) // _MINUTE
        if not self._is_in(self._terms.burst_share, "burst", minute):
            return 0.0
        step, rest = divmod(seconds, _BURST_STEP_SECONDS)
        left, right = self._unit("shake", int(step)), self._unit("shake", int(step) + 1)
        shake = left + (right - left) * rest / _BURST_STEP_SECONDS
        envelope = math.sin(math.pi * (seconds / _MINUTE - minute))
        return self._part.volatility * _BURST_SWING * envelope * shake

    def _activity_at(self, minute: int) -> float:
        second = minute * _MINUTE
        phase = self._calendar.phase(second * NS_PER_SECOND)
        if phase in (SessionPhase.CLOSED, SessionPhase.OVERNIGHT):
            return 0.0
        if self._is_in(self._part.quiet_share, "quiet", second // _QUIET_SECONDS):
            return 0.0
        rate = _BURST_RATE if self._is_in(self._terms.burst_share, "burst", minute) else 1.0
        day = self._day(second)
        if phase is not SessionPhase.REGULAR:
            return rate * self._terms.extended_share
        place = (second - day.open_s) / max(1, day.close_s - day.open_s)
        return rate * (0.6 + 2.0 * (2 * place - 1) ** 4)

    def _day(self, second: int) -> _Day:
        newest = self._newest
        if newest is None or not newest.start_s <= second < newest.end_s:
            newest = self._newest = self._days(self._date(second))
        return newest

    def _date(self, second: int) -> date:
        """A day begins when its first prints may come: at 04:00, or (always open) at midnight."""
        day = new_york_date(second * NS_PER_SECOND)
        return day if second >= self._start_s(day) else day - timedelta(days=1)

    def _start_s(self, day: date) -> int:
        return new_york_ns(day, "04:00" if self._has_auctions else "00:00") // NS_PER_SECOND

    def _build(self, day: date) -> _Day:
        start_s, end_s = self._start_s(day), self._start_s(day + timedelta(days=1))
        session_day = day
        for _ in range(_SEARCH_DAYS):
            if self._calendar.day(session_day):
                break
            session_day -= timedelta(days=1)
        session = self._calendar.day(session_day)
        number = session_day.toordinal()
        open_s = session.open_ns // NS_PER_SECOND if session else 0
        close_s = session.close_ns // NS_PER_SECOND if session else 0
        # Prices move as long as anything prints: to the end of the span after the close.
        last_s = close_s
        if session and self._has_auctions:
            last_s = self._calendar.span(session.close_ns).end_ns // NS_PER_SECOND
        news_s, news, halt = self._news(number, open_s, close_s)
        return _Day(
            start_s=start_s,
            end_s=end_s,
            open_s=open_s,
            close_s=close_s,
            last_s=last_s if session else end_s,
            gap=self._terms.gap * self._unit("gap", number),
            opening=self._terms.gap / 2 * self._unit("opening", number),
            news_s=news_s,
            news=news,
            halt=halt,
        )

    def _news(self, number: int, open_s: int, close_s: int) -> tuple[int, float, Halt | None]:
        if not self._is_in(self._terms.news_share, "news", number) or not close_s:
            return 0, 0.0, None
        place = _NEWS_FROM + _NEWS_SPAN * (self._unit("news-time", number) + 1) / 2
        news_s = open_s + int((close_s - open_s) * place)
        news = self._terms.news_size * self._unit("news-size", number)
        if abs(news) <= math.log1p(self._terms.luld_band):
            return news_s, news, None
        start_s = news_s + _LIMIT_STATE_SECONDS
        return news_s, news, Halt(start_s=start_s, end_s=start_s + self._terms.halt_seconds)

    def _is_in(self, share: float, name: str, step: int) -> bool:
        return share > 0 and (self._unit(name, step) + 1) / 2 < share

    def _unit_at(self, name: str, step: int) -> float:
        """A number in [-1, 1) that depends on nothing but its name."""
        digest = hashlib.blake2b(f"{self._key}:{name}:{step}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**63 - 1
