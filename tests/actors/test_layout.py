"""Names and places: everybody computes the same ones, and a socket's name fits the kernel's 108 bytes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.actors.layout import Layout, symbol_actor
from kyzlo_actors.bootstrap.setting_types import MAX_RUNTIME_PATH_BYTES

SYMBOLS = st.lists(
    st.text(st.characters(min_codepoint=65, max_codepoint=90), min_size=1, max_size=10),
    min_size=1,
    max_size=120,
    unique=True,
)


def layout(symbols: tuple[str, ...], per_supervisor: int = 50, runtime: str = "/r") -> Layout:
    return Layout(
        state_directory=Path("/s"),
        runtime_directory=Path(runtime),
        symbols=symbols,
        symbols_per_supervisor=per_supervisor,
    )


@given(SYMBOLS, st.integers(1, 60))
def test_every_symbol_has_exactly_one_supervisor(symbols: list[str], per_supervisor: int) -> None:
    places = layout(tuple(symbols), per_supervisor)
    looked_after = [symbol for name in places.supervisors for symbol in places.supervised(name)]
    assert looked_after == symbols
    assert all(0 < len(places.supervised(name)) <= per_supervisor for name in places.supervisors)


@given(SYMBOLS)
def test_every_actor_has_a_name_and_a_mailbox_of_its_own(symbols: list[str]) -> None:
    places = layout(tuple(symbols))
    assert len(set(places.actors)) == len(places.actors)
    assert {symbol_actor(symbol) for symbol in symbols} <= set(places.actors)
    paths = [places.mailbox(name) for name in places.actors] + [places.wake(symbol) for symbol in symbols]
    assert len(set(paths)) == len(paths)
    assert {path.parent for path in paths} == {places.private_directory}


def test_the_longest_socket_name_fits_in_the_longest_runtime_directory() -> None:
    runtime = "/" + "d" * (MAX_RUNTIME_PATH_BYTES - 1)
    places = layout(("A" * 10,), runtime=runtime)
    names = [places.mailbox(name) for name in places.actors] + [places.wake("A" * 10), places.admin_socket]
    assert max(len(str(name).encode()) + 1 for name in names) <= 108


def test_what_outlives_the_instance_lies_in_the_state_directory() -> None:
    places = layout(("AAA",))
    lasting = (
        places.snapshots,
        places.archive,
        places.certificates,
        places.journal("risk"),
        places.thespian_log,
    )
    assert all(path.is_relative_to("/s") for path in lasting)
    fleeting = (places.gate, places.board, places.slots, places.mailbox("risk"), places.admin_socket)
    assert all(path.is_relative_to("/r") for path in fleeting)
