"""Identities: the same inputs give the same id, different ones another, and it fits the wire."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.identity import client_order_id, event_id, is_ours

WORD = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=20)
INTENT = st.fixed_dictionaries(
    {
        "account": WORD,
        "symbol": WORD,
        "strategy": WORD,
        "ts_event": st.integers(0, 2**62),
        "natural_key": st.text("TBN:0123456789", min_size=1, max_size=20),
        "intent_index": st.integers(0, 3),
    }
)


@given(INTENT, INTENT)
def test_an_id_is_a_function_of_the_intent(first: dict[str, object], second: dict[str, object]) -> None:
    one, two = client_order_id(**first), client_order_id(**second)  # type: ignore[arg-type]
    assert one == client_order_id(**first)  # type: ignore[arg-type]
    assert (one == two) == (first == second)
    assert is_ours(one)


@given(st.text(min_size=0, max_size=400))
def test_an_id_fits_the_wire(strategy: str) -> None:
    made = client_order_id(
        account="A", symbol="AAPL", strategy=strategy, ts_event=1, natural_key="k", intent_index=0
    )
    assert len(made) <= 128


def test_every_part_matters() -> None:
    base = {
        "account": "A",
        "symbol": "S",
        "strategy": "t",
        "ts_event": 1,
        "natural_key": "T:1",
        "intent_index": 0,
    }
    others = {
        "account": "B",
        "symbol": "R",
        "strategy": "u",
        "ts_event": 2,
        "natural_key": "T:2",
        "intent_index": 1,
    }
    made = {client_order_id(**{**base, key: value}) for key, value in others.items()}  # type: ignore[arg-type]
    assert len(made | {client_order_id(**base)}) == len(others) + 1  # type: ignore[arg-type]


def test_an_id_known_for_ever() -> None:
    """Changing the recipe would let an order in flight be sent twice: this value must never change."""
    made = client_order_id(
        account="PA1", symbol="AAPL", strategy="t", ts_event=1, natural_key="T:4:0:1", intent_index=0
    )
    assert made == KNOWN


KNOWN = "kyzlo.t.f1050d00-f620-5c42-9567-4890a768c624"


def test_event_ids_and_foreign_orders() -> None:
    assert event_id("a", 1, "b") == event_id("a", 1, "b")
    assert event_id("a", 1, "b") != event_id("a", 1, "c")
    assert len(event_id("a")) == 20
    assert not is_ours("mine-1")
    assert not is_ours("")
