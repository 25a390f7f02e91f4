"""The layered mapping: equal to a plain dict whatever is put in, and old versions stay as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.layered import LAYER_LIMIT, Layered


@given(st.lists(st.tuples(st.integers(0, 400), st.integers()), max_size=3 * LAYER_LIMIT))
def test_it_is_a_dict(changes: list[tuple[int, int]]) -> None:
    layered: Layered[int, int] = Layered({1: 1, 2: 2})
    plain = {1: 1, 2: 2}
    for key, value in changes:
        before, expected = layered, dict(plain)
        layered, plain[key] = layered.with_item(key, value), value
        if len(changes) < 20:
            assert dict(before) == expected
    assert dict(layered) == plain
    assert len(layered) == len(plain) == len(list(layered))
    assert layered == plain
    assert all(layered[key] == plain[key] for key in plain)
    assert 401 not in layered


def test_a_layered_mapping_is_taken_as_it_is() -> None:
    layered: Layered[str, int] = Layered({"a": 1})
    assert Layered.of(layered) is layered
    assert dict(Layered.of({"a": 1})) == {"a": 1}
