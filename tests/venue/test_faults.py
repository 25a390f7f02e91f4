"""Fault rules: whom they hit, how often, and what cannot be used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kyzlo_actors.venue
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.venue.control.fault_kinds import KINDS, FaultShape
from kyzlo_actors.venue.control.faults import MAX_RULES, Faults, is_order

VENUE = Path(kyzlo_actors.venue.__file__).parent


def test_the_short_forms_set_and_end_a_fault() -> None:
    faults = Faults()
    faults.set("drop_events", 2)
    assert [faults.strikes("drop_events") for _ in range(3)] == [True, True, False]
    faults.set("delay_events_ms", 250)
    rule = faults.strike("delay_events_ms")
    assert rule and rule.ms == 250 and not rule.is_filtered
    assert faults.as_json()["delay_events_ms"] == 250
    faults.set("delay_events_ms", 0)
    faults.set("mute_stream", True)
    assert faults.is_on("mute_stream") and faults.as_json()["mute_stream"] is True
    faults.set("mute_stream", False)
    faults.set("drop_events", 5)
    faults.set("drop_events", 0)
    assert faults.rules_json() == []


def test_a_rule_hits_only_what_it_is_meant_for() -> None:
    faults = Faults()
    faults.add({"fault": "drop_events", "event": "fill", "symbol": "AAA", "order": "kyzlo.*", "skip": 1})
    here = {"symbol": "AAA", "event": "fill", "client_order_id": "kyzlo.1", "order_id": "9"}
    for change in ({"symbol": "BBB"}, {"event": "new"}, {"client_order_id": "other"}):
        assert faults.strike("drop_events", **{**here, **change}) is None
    assert faults.strike("drop_events", **here) is None, "the first match is spared"
    assert faults.rules_json()[0]["skip"] == 0
    assert faults.strike("drop_events", **here)
    assert faults.strike("drop_events", **here) is None, "without a count it strikes once"
    faults.add({"fault": "drop_events", "order": "98*"})
    assert faults.strike("drop_events", order_id="981", client_order_id="x")


def test_an_order_is_named_wholly_or_by_how_it_begins() -> None:
    assert is_order("", "b17", "a") and is_order("a", "b17", "a") and is_order("b17", "b17", "a")
    # An id is hexadecimal: a short client_order_id would be the beginning of many.
    assert not is_order("b", "b17", "a") and not is_order("a", "b17", "a10")
    assert is_order("b*", "b17", "a") and is_order("a*", "b17", "a10") and not is_order("c*", "b17", "a")


def test_several_rules_stand_side_by_side_and_go_by_name() -> None:
    faults = Faults()
    faults.apply({"drop_events": {"event": "new", "count": 3}, "drop_after_post": 1})
    faults.apply({"fault": "drop_events", "event": "fill"})
    assert faults.as_json()["drop_events"] == 4
    faults.add({"fault": "drop_events", "count": None})
    assert faults.as_json()["drop_events"] is None
    for event in ("new", "fill"):
        assert faults.strike("drop_events", event=event).event == event  # type: ignore[union-attr]
    faults.clear("drop_events")
    assert [rule["fault"] for rule in faults.rules_json()] == ["drop_after_post"]
    faults.clear()
    assert faults.rules_json() == []


def test_values_go_with_the_rule() -> None:
    faults = Faults()
    faults.add({"fault": "fail_post_5xx", "status": 503, "html": True})
    rule = faults.strike("fail_post_5xx", symbol="AAA")
    assert rule and (rule.status, rule.html) == (503, True)
    faults.add({"fault": "missing_fields", "fields": ["qty"], "count": 7})
    assert faults.rules_json() == [
        {
            "fault": "missing_fields",
            "count": 7,
            "fields": ("qty",),
            "probability": 1.0,
            "skip": 0,
            "hits": 0,
        }
    ]


@given(seed=st.integers(), probability=st.floats(0.05, 0.95), tries=st.integers(1, 60))
def test_chance_is_seeded_and_never_strikes_too_often(seed: int, probability: float, tries: int) -> None:
    def run() -> list[bool]:
        faults = Faults(seed)
        faults.add({"fault": "drop_events", "probability": probability, "count": 5})
        return [faults.strikes("drop_events") for _ in range(tries)]

    assert run() == run()
    assert sum(run()) <= 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_such_fault", 1),
        ("drop_events", -1),
        ("drop_events", True),
        ("drop_events", "1"),
        ("drop_events", 10**9),
        ("delay_events_ms", 60_001),
        ("mute_stream", 1),
        ("drop_events", {"count": 0}),
        ("drop_events", {"probability": 0}),
        ("drop_events", {"event": 5}),
        ("drop_events", {"colour": "red"}),
        ("drop_events", {"status": 500}),
        ("drop_before_post", {"event": "fill"}),
        ("fail_post_5xx", {"status": 200}),
        ("malformed_events", {"kind": "odd"}),
        ("drop_events", {"order": "x" * 200}),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line_and_changes_nothing(name: str, value: Any) -> None:
    faults = Faults()
    with pytest.raises(BadInput) as told:
        faults.set(name, value)
    assert told.value.field.startswith(name) and "\n" not in str(told.value) and told.value.cure
    assert faults.rules_json() == []


def test_rules_are_bounded() -> None:
    faults = Faults()
    for _ in range(MAX_RULES):
        faults.add({"fault": "drop_events"})
    with pytest.raises(BadInput, match="clear some first"):
        faults.add({"fault": "drop_after_post"})
    faults.clear("drop_events")
    faults.add({"fault": "drop_after_post"})


def test_every_fault_the_venue_asks_for_exists_and_every_one_that_exists_is_asked_for() -> None:
    asked = set()
    for path in VENUE.rglob("*.py"):
        if not path.name.startswith("fault"):
            asked |= set(re.findall(r'(?:strikes?|_struck|is_on)\(\s*"(\w+)"', path.read_text()))
    # Nothing is struck by it: it is a state of the engine.
    asked |= {"hold_fills"}
    assert asked <= set(KINDS), f"unknown: {asked - set(KINDS)}"
    assert set(KINDS) <= asked, f"never struck: {set(KINDS) - asked}"


def test_every_fault_has_a_line_of_help() -> None:
    for kind in KINDS.values():
        assert kind.help and "\n" not in kind.help and len(kind.help) < 90
        assert kind.name.endswith("_ms") == (kind.shape is FaultShape.MS)
