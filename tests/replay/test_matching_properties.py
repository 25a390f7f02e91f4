"""What must hold for the matching engine whatever happens to it; `streams.py` says what that is."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyzlo_actors.domain.values import Side
from kyzlo_actors.replay.account import Account
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import MatchEvent, MatchInput
from tests.replay.streams import random_input, random_plan, random_terms, run_stream

D = Decimal


@settings(max_examples=150, deadline=None)
@given(rng=st.randoms(use_true_random=False), steps=st.integers(1, 60))
def test_the_books_always_balance(rng: Random, steps: int) -> None:
    run_stream(rng, steps)


@pytest.mark.parametrize("block", range(6))
def test_long_random_streams_keep_every_promise(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        try:
            run_stream(Random(seed), 120)
        except AssertionError as fault:
            raise AssertionError(f"seed {seed}: {fault}") from fault


@pytest.mark.slow
def test_thousands_of_random_streams_keep_every_promise() -> None:
    for seed in range(10_000, 11_200):
        try:
            run_stream(Random(seed), 150)
        except AssertionError as fault:
            raise AssertionError(f"seed {seed}: {fault}") from fault


@pytest.mark.parametrize("seed", range(20))
def test_the_same_inputs_give_the_same_events(seed: int) -> None:
    def run(inputs: list[MatchInput]) -> list[list[MatchEvent]]:
        rng = Random(seed)
        engine = MatchingEngine(random_terms(rng), random_plan(rng))
        if inputs:
            return [engine.handle(event) for event in inputs]
        told = []
        for ts in range(1, 200):
            inputs.append(random_input(rng, engine, ts * 1_000_000_000))
            told.append(engine.handle(inputs[-1]))
        return told

    inputs: list[MatchInput] = []
    assert run(inputs) == run(inputs)
    assert len(inputs) == 199


prices = st.integers(1, 50_000).map(lambda cents: D(cents) / 100)
quantities = st.one_of(st.integers(1, 400).map(D), st.integers(1, 10**11).map(lambda n: D(n).scaleb(-9)))


@given(
    trades=st.lists(st.tuples(st.sampled_from(Side), quantities, prices), min_size=1, max_size=30),
    broken=st.integers(0, 29),
)
def test_an_account_is_exact_across_zero_and_when_a_trade_is_broken(
    trades: list[tuple[Side, Decimal, Decimal]], broken: int
) -> None:
    account = Account(cash=D(1_000), multiplier=D(2))

    def check(left: list[tuple[Side, Decimal, Decimal]]) -> None:
        held = sum((side.sign * qty for side, qty, _ in left), D(0))
        flow = sum((side.sign * qty * price for side, qty, price in left), D(0))
        assert account.held_qty("AAA") == held
        assert account.cash == 1_000 - flow
        assert account.cash + account.cost == 1_000 + account.realized_pnl
        assert account.cost * held >= 0 and account.gross_cost == abs(account.cost)
        assert held or account.cost == 0

    for count, (side, qty, price) in enumerate(trades, start=1):
        account.book(symbol="AAA", side=side, qty=qty, price=price)
        check(trades[:count])
    side, qty, price = trades[broken % len(trades)]
    left = [trade for place, trade in enumerate(trades) if place != broken % len(trades)]
    account.rebook("AAA", left, side.sign * qty * price)
    check(left)
