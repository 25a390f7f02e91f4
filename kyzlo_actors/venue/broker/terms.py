"""What a scenario, the switches and the account's flags mean for the matching engine."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.values import Side
from kyzlo_actors.replay.fill_plan import FillPlan, FillRule
from kyzlo_actors.replay.terms import AccountTerms
from kyzlo_actors.venue.broker.flags import AccountFlags
from kyzlo_actors.venue.control.behaviour import Behaviour
from kyzlo_actors.venue.scenario import Scenario


def first_terms(scenario: Scenario, id_salt: str) -> AccountTerms:
    """What the account starts with."""
    account = scenario.account
    return AccountTerms(
        cash=account.cash,
        multiplier=account.multiplier,
        id_salt=id_salt,
        max_open_orders=account.max_open_orders,
        shortable=frozenset(part.symbol for part in scenario.symbols if part.shortable),
        fee_per_share_sold=account.fee_per_share_sold,
    )


def present_terms(terms: AccountTerms, behaviour: Behaviour, flags: AccountFlags) -> AccountTerms:
    """The same under the switches and flags as they stand."""
    return replace(
        terms,
        shorting=flags.may_short,
        day_order_end=behaviour.day_order_end,
        replaced_filled_qty=behaviour.replaced_filled_qty,
        reuse_ended_ids=behaviour.duplicate_id_after_end == "allowed",
    )


def fill_plan(scenario: Scenario, seed: int) -> FillPlan:
    """How orders fill."""
    rules = tuple(
        FillRule(
            symbol=part.symbol,
            side=None if part.side is None else Side(part.side),
            quantities=part.quantities,
            then=part.then,
        )
        for part in scenario.fill_plans
    )
    return FillPlan(seed=seed, partial_percent=scenario.partial_fill_percent, rules=rules)
