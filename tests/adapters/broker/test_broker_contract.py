"""The broker contract on the fake and on the Alpaca adapter with the paper venue."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from kyzlo_actors.adapters.broker.alpaca import AlpacaBroker
from kyzlo_actors.infrastructure.clock import SystemClock
from tests.adapters.contract_broker import BrokerContract, Table
from tests.fakes.broker import FakeBroker, Fate
from tests.fakes.broker_reports import ReportBook
from tests.fakes.clock import FakeClock
from tests.fakes.local_server import PaperVenue


class FakeHand:
    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    def hold_fills(self, held: bool) -> None:
        self._broker.hold_fills(held)

    def lose_next_reply(self) -> None:
        self._broker.fates.append(Fate.REPLY_LOST)

    def posts(self) -> dict[str, int]:
        return self._broker.posts


class VenueHand:
    def __init__(self, venue: PaperVenue) -> None:
        self._venue = venue

    def hold_fills(self, held: bool) -> None:
        self._venue.ctl(hold_fills=held)

    def lose_next_reply(self) -> None:
        self._venue.ctl(drop_after_post=1)

    def posts(self) -> dict[str, int]:
        posts: dict[str, int] = self._venue.ctl()["posts"]
        return posts


class TestFakeBroker(BrokerContract):
    @pytest.fixture
    def table(self) -> Table:
        broker, book = FakeBroker(FakeClock()), ReportBook()
        broker.start(book)
        broker.set_price("AAA", 100.0)
        return Table(broker=broker, book=book, hand=FakeHand(broker))


class TestAlpacaBroker(BrokerContract):
    @pytest.fixture
    def table(self, venue: PaperVenue) -> Iterator[Table]:
        book = ReportBook()
        broker = AlpacaBroker(venue.url, venue.key, venue.secret, SystemClock(), Random(1))
        broker.start(book)
        yield Table(broker=broker, book=book, hand=VenueHand(venue))
        broker.stop(10.0)
