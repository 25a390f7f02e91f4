"""Whatever is said at the back door, the venue answers in one line and goes on."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from kyzlo_actors.venue.control.behaviour import Behaviour
from kyzlo_actors.venue.control.fault_kinds import KINDS

if TYPE_CHECKING:
    from conftest import RunningVenue

ROUNDS = 1_500
# Acts that end what the test itself needs, or make it wait.
LEFT_OUT = {"clock_ms"}


class Babble:
    """Values that are nearly right, quite wrong, or right, by a seed."""

    def __init__(self, seed: int, orders: list[str], executions: list[str], fields: list[str]) -> None:
        self._rng = random.Random(seed)
        self._orders = orders
        self._executions = executions
        self._fields = [
            *fields,
            "fault",
            "do",
            "after_ms",
            "set",
            "colour",
            "ms",
            "count",
            "skip",
            "probability",
        ]

    def body(self, acts: dict[str, Any], words: list[str]) -> dict[str, Any]:
        """Half the time an act with the fields it has, else anything."""
        rng = self._rng
        if rng.random() < 0.5:
            return {rng.choice(words): self.value() for _ in range(2)}
        name = rng.choice(list(acts))
        fields = acts[name].get("fields")
        if fields is None:
            return {name: self.field(name)}
        return {name: {field: self.field(field) for field in fields if rng.random() < 0.8}}

    def field(self, name: str) -> Any:
        """What might well stand there."""
        rng = self._rng
        pools: dict[str, list[Any]] = {
            "order": self._orders,
            "execution_id": self._executions,
            "qty": [1, "1", 0.5, 2, 100],
            "price": [1, "2.5", 99.5, 1_000],
            "amount": ["-1", 5, "0.01"],
            "symbol": ["AAA", "BBB", "WAVE", "OFF"],
            "status": ["rejected", "expired", "canceled", "done_for_day", 429],
            "kind": ["cut", "html", "wrong_types", "DIV", "FEE"],
            "event": ["fill", "new", "canceled", "brand_new_event"],
            "set": [{}, {"status": "odd"}, {"id": None}],
            "data": [{}, {"event": 5}, {"order": 5}],
            "halt": ["AAA", "BBB"],
            "resume": ["AAA", "BBB"],
            "refuse_cancel": self._orders,
            "confirm_cancel": self._orders,
            "script": [[{"do": {"fill": rng.choice(self._orders)}}], [{"after_ms": 1, "do": {"cfg": {}}}]],
        }
        return rng.choice(pools[name]) if name in pools and rng.random() < 0.9 else self.value()

    def value(self, depth: int = 0) -> Any:
        rng = self._rng
        plain: list[Any] = [
            *(
                None,
                True,
                False,
                0,
                1,
                -1,
                7,
                250,
                1000,
                1006,
                10**18,
                0.5,
                -2.5,
                1e300,
                "",
                "x" * 300,
                "NaN",
            ),
            *(
                "AAA",
                "BBB",
                "ZZZ",
                "rejected",
                "done_for_day",
                "canceled",
                "fill",
                "new",
                "cut",
                "data",
                "DIV",
                "12.5",
            ),
            *(rng.choice(self._orders), rng.choice(self._executions), rng.choice(list(KINDS))),
        ]
        chance = rng.random()
        if depth < 3 and chance < 0.35:
            return {rng.choice(self._fields): self.value(depth + 1) for _ in range(rng.randrange(4))}
        if depth < 3 and chance < 0.45:
            return [self.value(depth + 1) for _ in range(rng.randrange(3))]
        return rng.choice(plain)


def test_no_word_brings_the_venue_down(venue: RunningVenue) -> None:
    listed = venue.ctl_list("faults")
    fields = sorted({field for act in listed["acts"].values() for field in act.get("fields", ())})
    venue.bought("10", "held")
    for number in range(12):
        side = "sell" if number % 4 == 3 else "buy"
        price = "500" if side == "sell" else "1"
        venue.order(f"o{number}", type="limit", limit_price=price, side=side, qty="2")
    orders = [row["id"] for row in venue.ctl()["orders"]] + [f"o{number}" for number in range(12)]
    executions = [row["execution_id"] for row in venue.ctl_list("fills")["fills"]]
    words = [
        *listed["acts"],
        *KINDS,
        "fill",
        "event",
        "id",
        "qty",
        "cfg",
        "drop_ws",
        "nonsense",
        *Behaviour.model_fields,
    ]
    names = [word for word in words if word not in LEFT_OUT]
    acts = {name: act for name, act in listed["acts"].items() if name not in LEFT_OUT}
    babble = Babble(20261122, orders, executions, fields)
    for _ in range(ROUNDS):
        body = babble.body(acts, names)
        reply = venue.rest.post("/_ctl", json=body)
        assert reply.status_code in (200, 400), (body, reply.text)
        if reply.status_code == 400:
            said = reply.json()["error"]
            assert isinstance(said, str) and said and "\n" not in said, body
    venue.ctl(clear_faults=True, cancel_scripts=True, halt_all=False, refuse_stream={"seconds": 0})
    venue.ctl(behaviour=Behaviour().model_dump(), account={"status": "ACTIVE", "trading_blocked": False})
    assert venue.rest.get("/v2/orders").status_code == 200
    venue.until(lambda: venue.ctl()["rules"] == [])
    venue.stream()
