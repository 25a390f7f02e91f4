"""The shells between cores, mailboxes and journals: what is refused says so, and nothing is half done."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise

import pytest

from kyzlo_actors.actors.layout import BROKER, GUARDIAN, RISK
from kyzlo_actors.actors.recovery import SnapshotFile
from kyzlo_actors.actors.registry import BrokerPlan, JournalPlan
from kyzlo_actors.actors.shell import CoreShell
from kyzlo_actors.actors.symbol import SymbolShell
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import Received
from kyzlo_actors.domain.operator import PauseSymbol
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure.halt_latch import LATCH_NAME, HaltLatch
from kyzlo_actors.infrastructure.mailbox.events import EventSender
from tests.actors.shell_bench import NAME, SYMBOL, Bench
from tests.fakes.broker import Fate

MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench() -> Iterator[MakeBench]:
    made: list[Bench] = []

    def make(**plans: object) -> Bench:
        made.append(Bench(**plans))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for bench in made:
        bench.end()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    made = make_bench()
    made.begin()
    return made


def fill_up(shell: CoreShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if its journal had reached its limit (that the journal itself says so is tested with the journal)."""
    monkeypatch.setattr(
        type(shell.journal), "accepts_entries", property(lambda self: self is not shell.journal)
    )


def test_a_wish_becomes_a_position_once(bench: Bench) -> None:
    bench.want(3)
    assert bench.held() == 3
    assert bench.symbol.core.state.position.qty == 3
    assert bench.risk.core.state.book.positions[SYMBOL].qty == 3
    assert bench.execution.core.state.positions[SYMBOL].qty == 3
    assert list(bench.broker.posts.values()) == [1]


def test_every_input_stands_before_its_decision(bench: Bench) -> None:
    bench.want(3)
    for actor in (NAME, RISK, BROKER):
        entries = bench.journal(actor)
        assert "input" in entries[0]
        assert all("input" in before for before, after in pairwise(entries) if "decision" in after)


def test_an_exception_in_the_middle_of_a_core_changes_nothing_and_sends_nothing(bench: Bench) -> None:
    """The strategy raises after a wish was formed: the process would end here, with only the input written."""
    bench.want(3)
    before, posts = bench.symbol.core.state, dict(bench.broker.posts)

    def fail() -> None:
        raise RuntimeError("in the middle")

    bench.strategy.on_next = fail
    bench.strategy.target = Decimal(0)
    with pytest.raises(RuntimeError, match="in the middle"):
        bench.tick()
    assert bench.symbol.core.state is before
    last = bench.journal(NAME)[-1]
    assert last["input"]["type"] == "TickRead"
    bench.shells.remove(bench.symbol)
    bench.run()
    assert bench.broker.posts == posts and bench.held() == 3
    bench.shells.append(bench.symbol)


@pytest.mark.parametrize("shell_name", ["risk", "execution"])
def test_an_exception_in_a_gate_or_broker_core_leaves_its_state(
    bench: Bench, shell_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell: CoreShell = getattr(bench, shell_name)
    original = shell.core.handle

    def fail_at_the_end(event: object) -> list[object]:
        state = shell.core.state
        original(event)
        shell.core.state = state  # type: ignore[misc]
        raise RuntimeError("in the middle")

    bench.strategy.target = Decimal(3)
    before = shell.core.state
    monkeypatch.setattr(shell.core, "handle", fail_at_the_end)
    with pytest.raises(RuntimeError, match="in the middle"):
        bench.tick()
    assert shell.core.state is before
    assert bench.broker.posts == {} and bench.held() == 0
    monkeypatch.undo()


def test_a_gate_that_is_not_there_ends_the_wish_with_a_code_and_the_next_one_trades(bench: Bench) -> None:
    mailbox = bench.layout.mailbox(RISK)
    away = mailbox.with_suffix(".away")
    mailbox.rename(away)
    bench.symbol.outbox.close()  # what it had died with the gate
    for sender in bench.symbol.outbox._senders.values():
        sender.close()
    bench.want(3)
    assert bench.denials(NAME) == ["RISK_UNREACHABLE"]
    assert bench.symbol.core.state.orders == {} and bench.held() == 0
    away.rename(mailbox)
    bench.want(3)
    assert bench.held() == 3
    assert list(bench.broker.posts.values()) == [1]


def test_a_broker_actor_that_is_not_there_frees_the_exposure_and_tells_the_symbol(bench: Bench) -> None:
    mailbox = bench.layout.mailbox(BROKER)
    away = mailbox.with_suffix(".away")
    mailbox.rename(away)
    for sender in bench.risk.outbox._senders.values():
        sender.close()
    bench.want(3)
    assert bench.denials(NAME) == ["BROKER_UNREACHABLE"]
    assert bench.risk.core.state.book.reservations == {}
    away.rename(mailbox)
    bench.want(3)
    assert bench.held() == 3
    assert list(bench.broker.posts.values()) == [1]


@pytest.mark.parametrize(
    ("state", "code"), [(TradingState.HALTED, "HALTED"), (TradingState.REDUCING, "REDUCING")], ids=str
)
def test_the_gate_byte_is_read_before_every_order(bench: Bench, state: TradingState, code: str) -> None:
    bench.want(3)
    bench.gate.set(state)
    bench.want(6)
    assert bench.denials(NAME) == [code]
    assert bench.held() == 3
    bench.want(0)
    assert bench.held() == (3 if state is TradingState.HALTED else 0)
    bench.gate.set(TradingState.ACTIVE)
    bench.want(6)
    assert bench.held() == 6


def test_a_pause_is_on_the_board_at_once(bench: Bench) -> None:
    now_ns = bench.clock.now_ns()
    bench.risk.on_turn(now_ns)  # the next look at the marks is a beat away
    stamp = Stamp.first(event_id("pause"), now_ns)
    pause = PauseSymbol(stamp=stamp, symbol=SYMBOL, by="uid 0", reason="earnings")
    bench.risk.process(Received(message=pause, sender=GUARDIAN, now_ns=now_ns))
    bench.risk.on_turn(now_ns)
    assert bench.board.row(NAME).snapshot().paused


def test_the_broker_shell_reads_the_byte_itself(bench: Bench) -> None:
    """The gate shuts after risk has approved: the order is refused at the last moment."""
    bench.strategy.target = Decimal(3)
    bench.shells.remove(bench.execution)
    bench.tick()
    bench.gate.set(TradingState.HALTED)
    bench.shells.insert(0, bench.execution)
    bench.run()
    assert bench.denials(NAME) == ["HALTED"]
    assert bench.broker.posts == {} and bench.risk.core.state.book.reservations == {}


def test_a_latch_stops_orders_although_the_guardian_hangs_and_never_shuts_the_gate(bench: Bench) -> None:
    bench.want(3)
    latch = HaltLatch(bench.layout.state_directory, bench.clock)
    latch.engage(by="test", reason="the guardian hangs")
    assert bench.gate.state is TradingState.ACTIVE
    bench.want(6)
    assert bench.denials(NAME) == ["HALTED"]
    assert bench.held() == 3
    latch.clear(by="test", reason="over")
    bench.want(6)
    assert bench.held() == 6


def test_the_broker_shell_looks_for_the_latch_itself(bench: Bench) -> None:
    """Somebody latches after risk has approved, and the guardian hangs: the order is refused at the last moment."""
    bench.strategy.target = Decimal(3)
    bench.shells.remove(bench.execution)
    bench.tick()
    (bench.layout.state_directory / LATCH_NAME).touch()
    bench.shells.insert(0, bench.execution)
    bench.run()
    assert bench.denials(NAME) == ["HALTED"]
    assert bench.broker.posts == {} and bench.risk.core.state.book.reservations == {}


def test_an_approval_that_waited_too_long_is_never_sent(bench: Bench) -> None:
    bench.strategy.target = Decimal(3)
    bench.shells.remove(bench.execution)
    bench.tick()
    bench.clock.advance(3_000_000_000)
    bench.shells.insert(0, bench.execution)
    bench.run()
    assert bench.denials(NAME) == ["DEADLINE"]
    assert bench.broker.posts == {}


@pytest.mark.parametrize("full", ["symbol", "risk", "execution"])
def test_a_full_journal_anywhere_refuses_entries_and_lets_exits_pass(
    bench: Bench, full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.want(3)
    fill_up(getattr(bench, full), monkeypatch)
    bench.want(6)
    assert bench.denials(NAME) == ["JOURNAL_FULL"]
    assert bench.held() == 3 and bench.risk.core.state.book.reservations == {}
    bench.want(0)
    assert bench.held() == 0
    monkeypatch.undo()
    bench.want(3)
    assert bench.held() == 3


def test_a_full_journal_takes_its_snapshot_soon(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is behind a snapshot can be pruned."""
    fill_up(bench.symbol, monkeypatch)
    path = bench.layout.snapshots / f"{NAME}.json"
    before = path.read_bytes()
    bench.clock.advance(6_000_000_000)
    bench.tick()
    assert path.read_bytes() != before


def test_a_disk_without_room_for_a_snapshot_ends_nobody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    path = bench.layout.snapshots / f"{NAME}.json"
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(SnapshotFile, "save", no_room)
        bench.clock.advance(61_000_000_000)
        bench.want(3)
        assert bench.held() == 3 and path.read_bytes() == before
    bench.clock.advance(61_000_000_000)
    bench.want(0)
    assert bench.held() == 0 and path.read_bytes() != before


def test_inputs_after_a_lost_tail_are_not_left_out_of_the_next_recovery(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A power cut may take journal entries that are behind a snapshot: their numbers are given out again."""
    bench.want(3)
    bench.symbol._take_snapshot(bench.clock.now_ns())
    end_life(bench, bench.symbol)
    for path in bench.layout.journal(NAME).glob("*.seg"):
        path.unlink()
    second = begin_life(bench)
    assert "before its snapshot" in caplog.text and second.core.state.position.qty == 3
    bench.clock.advance(1_000_000_000)
    bench.run()
    bench.want(0)
    assert second.core.state.position.qty == 0
    end_life(bench, second, snapshot=False)
    third = begin_life(bench)
    assert third.core.state.position.qty == 0 and third.core.state.incarnation == 3


def test_bytes_cut_off_a_journal_are_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.want(3)
    end_life(bench, bench.symbol)
    (segment,) = bench.layout.journal(NAME).glob("*.seg")
    content = bytearray(segment.read_bytes())
    content[len(content.rstrip(b"\0")) // 2] ^= 0xFF
    segment.write_bytes(content)
    begin_life(bench)
    assert "bytes behind the journal's last whole record were cut" in caplog.text


def test_the_breaker_refuses_after_failures_in_a_row(make_bench: MakeBench) -> None:
    bench = make_bench(broker=BrokerPlan(breaker_failures=2, breaker_open_seconds=60))
    bench.begin()
    bench.broker.fates.extend([Fate.NOT_SENT, Fate.NOT_SENT])
    for _ in range(3):
        bench.want(3)
    assert bench.denials(NAME) == ["NOT_SENT", "NOT_SENT", "BREAKER_OPEN"]
    assert bench.broker.posts == {}


def test_the_rate_budget_keeps_a_part_for_exits(make_bench: MakeBench) -> None:
    bench = make_bench(broker=BrokerPlan(requests_per_minute=2, reserved_share=0.5))
    bench.begin()
    bench.want(3)
    bench.want(6)
    assert bench.denials(NAME) == ["RATE_BUDGET"]
    bench.want(0)
    assert bench.held() == 0


def test_a_reply_that_was_lost_is_looked_up_and_never_sent_again(bench: Bench) -> None:
    bench.broker.fates.append(Fate.REPLY_LOST)
    bench.want(3)
    for _ in range(10):
        bench.clock.advance(1_000_000_000)
        bench.run()
    assert bench.held() == 3 and bench.symbol.core.state.position.qty == 3
    assert list(bench.broker.posts.values()) == [1]


def test_garbage_is_dropped_by_every_shell(bench: Bench) -> None:
    for shell in bench.shells:
        sender = EventSender(bench.layout.mailbox(shell.name))
        assert sender.send(b"garbage")
        sender.close()
    bench.run()
    assert [shell._frames.dropped for shell in bench.shells] == [1, 1, 1]
    bench.want(3)
    assert bench.held() == 3


def test_strict_journals_trade_too(make_bench: MakeBench) -> None:
    bench = make_bench(journal=JournalPlan(strict=True))
    bench.begin()
    bench.want(3)
    assert bench.held() == 3
    assert bench.execution.journal.durable_seq == bench.execution.journal.last_seq


def test_the_next_life_knows_what_this_one_knew(bench: Bench) -> None:
    bench.want(3)
    state, ticks = bench.symbol.core.state, bench.strategy.ticks
    bench.shells.remove(bench.symbol)
    bench.symbol._end()
    bench.strategy.ticks = 0
    reborn = SymbolShell(NAME, SYMBOL, bench.registry, bench.board.row(NAME))
    bench.strategy.load({"ticks": ticks})
    reborn._begin()
    assert reborn.core.state.position == state.position
    assert reborn.core.state.incarnation == state.incarnation + 1
    bench.symbol = reborn
    bench.shells.append(reborn)
    bench.run()
    bench.want(0)
    assert bench.held() == 0


def end_life(bench: Bench, shell: CoreShell, *, snapshot: bool = True) -> None:
    """The symbol's actor ends, in order or (without a snapshot) by kill -9."""
    bench.shells.remove(shell)
    if not snapshot:
        shell._snapshot = SnapshotFile(bench.directory, "elsewhere")
    shell._end()


def begin_life(bench: Bench) -> SymbolShell:
    """A new life of the symbol's actor."""
    shell = SymbolShell(NAME, SYMBOL, bench.registry, bench.board.row(NAME))
    bench.symbol = shell
    shell._begin()
    bench.shells.append(shell)
    return shell
