"""Named timers: the earliest first, a later one of the same name replaces the earlier, never more than the bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.actors import timers as timers_module
from kyzlo_actors.actors.timers import Timers
from kyzlo_actors.domain.errors import Fatal


def test_nothing_is_due_without_a_timer() -> None:
    timers = Timers()
    assert timers.next_ns is None
    assert timers.pop_due(10**30) == []


def test_a_later_timer_of_the_same_name_replaces_the_earlier_one() -> None:
    timers = Timers()
    timers.set("a", 10)
    timers.set("b", 20)
    timers.set("a", 30)
    assert timers.next_ns == 20
    assert timers.pop_due(20) == [("b", 20)]
    assert timers.pop_due(29) == []
    assert timers.pop_due(30) == [("a", 30)]
    assert timers.next_ns is None


def test_too_many_timers_are_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers_module, "MAX_TIMERS", 2)
    timers = Timers()
    timers.set("a", 1)
    timers.set("b", 1)
    timers.set("a", 2)  # a move is not one more
    with pytest.raises(Fatal):
        timers.set("c", 1)


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 50)), max_size=30),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_each_timer_comes_once_at_its_newest_time(settings: list[tuple[str, int]], nows: list[int]) -> None:
    timers = Timers()
    newest: dict[str, int] = {}
    for name, due_ns in settings:
        timers.set(name, due_ns)
        newest[name] = due_ns
    came: list[tuple[str, int]] = []
    for now_ns in sorted(nows):
        assert timers.next_ns == min(newest.values(), default=None)
        due = timers.pop_due(now_ns)
        assert due == sorted(due, key=lambda item: (item[1], item[0]))
        assert set(due) == {(name, at) for name, at in newest.items() if at <= now_ns}
        newest = {name: at for name, at in newest.items() if at > now_ns}
        came += due
    assert len({name for name, _ in came}) == len(came)
