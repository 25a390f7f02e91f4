"""The board: one writer a field, no torn word, nothing believed of an earlier tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.infrastructure.mailbox.board import NO_SIGNAL, Board, BoardRow
from tests.infrastructure.processes import exit_code, forked

NAMES = ("root", "risk", "symbol-AAPL")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "board"


def test_a_new_row_says_nothing(path: Path) -> None:
    assert Board.create(path, NAMES).row("risk").snapshot() == BoardRow(
        name="risk",
        pid=0,
        incarnation=0,
        beat_ns=0,
        restarts=0,
        position=0.0,
        realized_pnl=0.0,
        unrealized_pnl=0.0,
        last_price=0.0,
        signal=NO_SIGNAL,
        bar_count=0,
        sequence=0,
        state=0,
        ready=0,
    )


def test_what_another_process_publishes_is_read(path: Path) -> None:
    board = Board.create(path, NAMES)

    def act() -> None:
        row = Board.open(path, NAMES).row("symbol-AAPL")
        row.start(4711, 3)
        row.beat(99)
        row.publish(position=-12.5, realized_pnl=1.25, unrealized_pnl=-2.0, last_price=101.5)
        row.publish(signal=-1, bar_count=7, state=2, ready=1)

    with forked(act) as pid:
        assert exit_code(pid) == 0
    board.row("symbol-AAPL").publish(restarts=2, sequence=41)
    row = board.row("symbol-AAPL").snapshot()
    assert (row.pid, row.incarnation, row.beat_ns, row.restarts, row.sequence) == (4711, 3, 99, 2, 41)
    assert (row.position, row.realized_pnl, row.unrealized_pnl, row.last_price) == (-12.5, 1.25, -2.0, 101.5)
    assert (row.signal, row.bar_count, row.state, row.ready) == (-1, 7, 2, 1)
    assert board.row("root").snapshot().pid == 0
    assert [each.name for each in board.snapshot()] == list(NAMES)


def test_every_signal_survives(path: Path) -> None:
    row = Board.create(path, NAMES).row("risk")
    for signal in (-1, 0, 1, NO_SIGNAL):
        row.publish(signal=signal)
        assert row.snapshot().signal == signal


def test_a_new_life_is_not_ready_but_keeps_what_others_wrote(path: Path) -> None:
    row = Board.create(path, NAMES).row("risk")
    row.start(1, 1)
    row.beat(5)
    row.publish(ready=1, restarts=1, sequence=9)
    row.start(2, 2)
    again = row.snapshot()
    assert (again.pid, again.incarnation, again.ready, again.beat_ns) == (2, 2, 0, 0)
    assert (again.restarts, again.sequence) == (1, 9)


def test_words_are_never_torn(path: Path) -> None:
    rounds = 200_000
    board = Board.create(path, NAMES)
    # Two values that differ in every byte: a mixture would be neither.
    low, high = 0x0101010101010101, 0x7E7E7E7E7E7E7E7E

    def beat() -> None:
        row = Board.open(path, NAMES).row("root")
        for number in range(rounds):
            row.beat(high if number & 1 else low)
        row.publish(state=1)

    row = board.row("root")
    with forked(beat):
        while row.snapshot().state == 0:
            assert row.snapshot().beat_ns in (0, low, high)


def test_a_board_made_again_forgets_old_pids_also_for_those_who_map_it(path: Path) -> None:
    Board.create(path, NAMES).row("root").start(4711, 1)
    survivor = Board.open(path, NAMES)
    Board.create(path, NAMES)
    assert survivor.row("root").snapshot().pid == 0


def test_wrong_names_are_fatal(path: Path) -> None:
    board = Board.create(path, NAMES)
    with pytest.raises(Fatal, match="no row 'nobody'"):
        board.row("nobody")
    with pytest.raises(Fatal, match="no field 'mood'"):
        board.row("root").publish(mood=1)  # type: ignore[call-arg]
    with pytest.raises(Fatal, match="other names"):
        Board.open(path, NAMES[::-1])
    with pytest.raises(Fatal, match="missing"):
        Board.open(path.with_name("none"), NAMES)
