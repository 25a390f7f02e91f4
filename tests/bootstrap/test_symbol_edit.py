"""A symbol comes into the text of a settings file, or goes: nothing else changes, and no comment is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import toml
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.bootstrap.symbol_edit import toml_value, with_symbol, without_symbol
from kyzlo_actors.domain.errors import BadInput

EXAMPLE = Path(__file__).resolve().parents[2] / "config/settings.example.toml"
TABLE = {"strategy": "golden_cross", "quantity": 3, "max_position": 3}
TEXT = """# what may be lost
RISK_MAX_NOTIONAL = 25_000  # dollars

# --- apples ---
[symbols.AAPL] # by hand
strategy = "golden_cross"
quantity = 10 # shares
[symbols.AAPL.parameters]
fast = 5

# --- logs ---
[logs]
level = "INFO" # or DEBUG

[symbols."BRK.B"]
strategy = "golden_cross"
quantity = 1
"""


def test_a_symbol_is_added_at_the_end() -> None:
    text = with_symbol(TEXT, "MSFT", {**TABLE, "parameters": {"fast": 2}})
    assert text.startswith(TEXT)
    added = toml.loads(text)["symbols"]["MSFT"]
    assert added == {**TABLE, "parameters": {"fast": 2}}
    assert text.endswith("[symbols.MSFT.parameters]\nfast = 2\n")


def test_a_symbol_goes_and_the_comments_stay() -> None:
    text = without_symbol(TEXT, "AAPL")
    assert "fast = 5" not in text and "by hand" not in text
    for comment in ("# what may be lost", "# dollars", "# --- apples ---", "# --- logs ---", "# or DEBUG"):
        assert comment in text
    assert text.index("# --- logs ---") < text.index("[logs]")
    assert set(toml.loads(text)["symbols"]) == {"BRK.B"}
    assert without_symbol(TEXT, "BRK.B").rstrip().endswith("# or DEBUG")


@pytest.mark.parametrize("symbol", ["MSFT", "BRK.A", "X"])
def test_what_was_added_can_be_removed_again(symbol: str) -> None:
    assert without_symbol(with_symbol(TEXT, symbol, TABLE), symbol).rstrip() == TEXT.rstrip()


def test_a_table_in_a_text_is_not_a_table() -> None:
    text = TEXT + 'note = """\n[symbols.AAPL]\nhello\n"""\n'
    without = without_symbol(text, "AAPL")
    assert toml.loads(without)["symbols"]["BRK.B"]["note"] == "[symbols.AAPL]\nhello\n"


@pytest.mark.parametrize(
    "text",
    [
        "symbols = {A = {quantity = 1}, B = {quantity = 2}} # inline\n",
        "[symbols]\nA = {quantity = 1} # inline\nB = {quantity = 2}\n",
        "[symbols]\nA.quantity = 1 # dotted\nB.quantity = 2\n",
        "symbols.A.quantity = 1 # dotted\nsymbols.B.quantity = 2\n",
    ],
)
def test_other_ways_to_write_it(text: str) -> None:
    added = with_symbol(text, "MSFT", TABLE)
    assert set(toml.loads(added)["symbols"]) == {"A", "B", "MSFT"} and "#" in added
    gone = without_symbol(added, "B")
    assert set(toml.loads(gone)["symbols"]) == {"A", "MSFT"}


def test_into_a_file_without_symbols() -> None:
    assert toml.loads(with_symbol("", "MSFT", TABLE)) == {"symbols": {"MSFT": TABLE}}
    assert with_symbol("# only this\n", "MSFT", TABLE).startswith("# only this\n\n[symbols.MSFT]\n")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda: with_symbol(TEXT, "AAPL", TABLE), "already"),
        (lambda: without_symbol(TEXT, "MSFT"), "there are: AAPL, BRK.B"),
        (lambda: without_symbol("[symbols.A]\nq = 1\n", "A"), "the only one"),
        (lambda: with_symbol("no toml", "A", TABLE), "not TOML"),
        (lambda: without_symbol("symbols = 5\n", "A"), "none"),
        (lambda: with_symbol(TEXT, 'x"]', TABLE), "SYMBOL.*1 to 10 capital letters"),
        (lambda: with_symbol(TEXT, "", TABLE), "SYMBOL.*1 to 10 capital letters"),
        (lambda: with_symbol("symbols = 5\n", "A", TABLE), "as a table"),
        (lambda: with_symbol("[[symbols]]\nx = 1\n", "A", TABLE), "as a table"),
        (lambda: with_symbol("RISK_MAX_NOTIONAL = nan\n", "A", TABLE), "by hand"),
        (lambda: without_symbol("x = nan\n[symbols.A]\n[symbols.B]\n", "A"), "by hand"),
    ],
)
def test_what_cannot_be_is_one_clear_line(edit: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        edit()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("1.5", 1.5),
        ("true", True),
        ("ticks", "ticks"),
        ('"5"', "5"),
        ("[1, 2]", [1, 2]),
        ("", ""),
        ("nan", "nan"),
    ],
)
def test_values_of_the_command_line(text: str, value: object) -> None:
    found = toml_value(text)
    assert found == value and type(found) is type(value)


@given(st.lists(st.sampled_from(["AAA", "BBB", "C.D", "EE"]), min_size=1, max_size=12))
def test_any_row_of_changes_leaves_the_right_symbols(names: list[str]) -> None:
    text, there = TEXT, {"AAPL", "BRK.B"}
    for name in names:
        text = without_symbol(text, name) if name in there else with_symbol(text, name, TABLE)
        there ^= {name}
        assert set(toml.loads(text)["symbols"]) == there
    assert all(comment in text for comment in ("# by hand", "# --- logs ---", "# or DEBUG"))


def test_the_example_keeps_every_line_of_its_own() -> None:
    text = EXAMPLE.read_text()
    (first, *_) = toml.loads(text)["symbols"]
    changed = without_symbol(with_symbol(text, "ZZZ", TABLE), first)
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert [line for line in changed.splitlines() if line.startswith("#")] == comments
