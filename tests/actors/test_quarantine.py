"""A symbol that crashes too often is put away: its orders are canceled, it is denied, the others trade on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kyzlo_actors.actors.layout import BROKER, KILL_SWITCH, RISK
from kyzlo_actors.actors.outbox import Outbox
from kyzlo_actors.domain.effects import Send
from tests.actors.tree_process import RunningTree, is_alive, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PATIENT = "AAA"
OTHER = "BBB"


@pytest.fixture(scope="module")
def tree() -> Iterator[RunningTree]:
    running = RunningTree(
        {PATIENT: {"below_percent": 3.0, "every": 2}, OTHER: {}},
        sections={"supervision": {"max_restarts": 2, "hang_beats": 6}},
    )
    yield running
    running.stop()


def test_a_symbol_that_crashes_too_often_is_quarantined_alone(tree: RunningTree) -> None:
    # Its order lies far below the market, so it is still open when the symbol is given up.
    tree.note(PATIENT, "quiet")
    tree.forget(PATIENT, "quiet")
    wait_until("an order waits", lambda: tree.venue_state()["open_orders"] >= 1, tree=tree)
    others = {name: row.pid for name, row in tree.board().items() if name != f"symbol-{PATIENT}"}
    tree.note(PATIENT, "tick", "always")
    wait_until("risk knows", lambda: tree.inputs(RISK, "SymbolQuarantined"), tree=tree)
    wait_until("the broker actor was told", lambda: tree.inputs(BROKER, "CancelSymbolOrders"), tree=tree)
    wait_until("the kill switch was told", lambda: tree.inputs(KILL_SWITCH, "SymbolQuarantined"), tree=tree)
    wait_until(
        "its orders are canceled",
        lambda: all(order["status"] == "canceled" for order in tree.venue_orders(PATIENT)),
        tree=tree,
    )
    tree.wait_fills(OTHER, 3)
    row = tree.board()[f"symbol-{PATIENT}"]
    assert row.state == 2 and row.ready == 0 and row.restarts == 2
    assert not is_alive(row.pid)
    assert others == {name: row.pid for name, row in tree.board().items() if name in others}
    tree.assert_posted_once()


def test_the_gate_denies_a_quarantined_symbol(tree: RunningTree) -> None:
    """Whoever still speaks in its name (here: we do) gets a denial with the reason."""
    assert PATIENT in tree.rebuilt(RISK).quarantined
    proposals = tree.inputs(RISK, "ProposeOrder")
    posts = tree.venue_state()["posts"]
    repeat_last_proposal(tree)
    wait_until("it is judged", lambda: len(own(tree, "ProposeOrder")) > count(proposals), tree=tree)
    wait_until("it is denied", lambda: denials(tree)[-1]["code"] in ("QUARANTINED", "DEADLINE"), tree=tree)
    assert set(tree.venue_state()["posts"]) - set(posts) <= {
        order["client_order_id"] for order in tree.venue_orders(OTHER)
    }


def repeat_last_proposal(tree: RunningTree) -> None:
    from dataclasses import replace

    from kyzlo_actors.actors.wire import codec

    last = codec().from_dict(tree.inputs(RISK, "ProposeOrder")[0])
    fresh = codec().from_dict(tree.inputs(f"symbol-{OTHER}", "TickRead")[-1]).tick  # type: ignore[attr-defined]
    order_id = "kyzlo.metronome.in-its-name"
    for old in tree.inputs(RISK, "ProposeOrder"):
        if old["ticket"]["symbol"] == PATIENT:
            last = codec().from_dict(old)
    now_ns = tree.registry.clock.now_ns()
    proposal = replace(
        last,  # type: ignore[type-var]
        stamp=replace(last.stamp, ts_event=now_ns, ts_init=now_ns),  # type: ignore[attr-defined]
        ticket=replace(last.ticket, client_order_id=order_id),  # type: ignore[attr-defined]
        mark=replace(last.mark, ts_event=fresh.ts_event, ts_init=fresh.ts_init),  # type: ignore[attr-defined]
        deadline_ns=now_ns + 60_000_000_000,
        incarnation=tree.rebuilt(RISK).symbol_incarnations[PATIENT],
    )
    outbox = Outbox("test", tree.registry.layout, tree.registry.clock)
    assert outbox.send(Send(to=RISK, message=proposal)) is None  # type: ignore[arg-type]
    outbox.close()


def own(tree: RunningTree, kind: str) -> list[object]:
    return [m for m in tree.inputs(RISK, kind) if m["ticket"]["symbol"] == PATIENT]


def count(proposals: list[dict[str, object]]) -> int:
    return sum(proposal["ticket"]["symbol"] == PATIENT for proposal in proposals)  # type: ignore[index]


def denials(tree: RunningTree) -> list[dict[str, str]]:
    found = [m for m in tree.decided(RISK, "OrderDenied") if m["client_order_id"].endswith("in-its-name")]
    return found or [{"code": ""}]
