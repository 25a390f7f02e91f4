"""Bad settings: each gives one clear line that names field, value and cure, and never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kyzlo_actors.bootstrap.problems import SettingsProblems
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.bootstrap.toml_file import read_toml
from kyzlo_actors.domain.errors import BadInput
from tests.bootstrap.settings_files import ALPACA_SECRET, ENVIRON, GOOD, write_secrets, write_settings

HIDDEN = "hidden-7f3a9c"


def lines_of(path: Path, environ: Mapping[str, str]) -> list[str]:
    """What a person would see."""
    with pytest.raises(BadInput) as caught:
        load_settings(path, environ)
    return str(caught.value).splitlines()


# text in the good file, what replaces it, the field that must be named, words of its line
REPLACED = [
    (
        'POLYGON_API_KEY = "polygon-key"',
        "",
        "POLYGON_API_KEY",
        "a missing value cannot be used; export it, or write",
    ),
    ('POLYGON_API_KEY = "polygon-key"', 'POLYGON_API_KEY = ""', "POLYGON_API_KEY", "a missing value"),
    (
        "RISK_MAX_NOTIONAL = 25000.50",
        "",
        "RISK_MAX_NOTIONAL",
        "a missing value cannot be used; export it, or write",
    ),
    (
        "RISK_DAILY_LOSS_LIMIT = 500",
        "RISK_DAILY_LOSS_LIMIT = -500",
        "RISK_DAILY_LOSS_LIMIT",
        "-500 cannot be used; give a number above 0",
    ),
    (
        "RISK_DAILY_LOSS_LIMIT = 500",
        "RISK_DAILY_LOSS_LIMIT = 0",
        "RISK_DAILY_LOSS_LIMIT",
        "give a number above 0",
    ),
    (
        "RISK_DAILY_LOSS_LIMIT = 500",
        "RISK_DAILY_LOSS_LIMIT = true",
        "RISK_DAILY_LOSS_LIMIT",
        "give a number, not true or false",
    ),
    (
        "RISK_DAILY_LOSS_LIMIT = 500",
        "RISK_DAILY_LOSS_LIMIT = nan",
        "RISK_DAILY_LOSS_LIMIT",
        "give a finite number",
    ),
    (
        "RISK_DAILY_LOSS_LIMIT = 500",
        'RISK_DAILY_LOSS_LIMIT = "a lot"',
        "RISK_DAILY_LOSS_LIMIT",
        "'a lot' cannot be used; give a number",
    ),
    (
        "RISK_DAILY_LOSS_LIMIT = 500",
        "RISK_DAILY_LOSS_LIMT = 500",
        "RISK_DAILY_LOSS_LIMT",
        "an unknown field cannot be used; did you mean RISK_DAILY_LOSS_LIMIT?",
    ),
    ("[symbols.AAPL]", "[symbols.aapl]", "symbols.aapl", "capital letters"),
    ("[symbols.AAPL]", '[symbols.".."]', "symbols...", "capital letters"),
    ("[symbols.AAPL]", "[symbols.ABCDEFGHIJK]", "symbols.ABCDEFGHIJK", "1 to 10"),
    ("[symbols.AAPL]", "[symbols.BRK.B]", "symbols.BRK.B", '[symbols."BRK.B"]'),
    (
        "quantity = 10\n",
        "",
        "symbols.AAPL.quantity",
        "a missing value cannot be used; write it in settings.toml under [symbols.AAPL]",
    ),
    ("quantity = 10\n", "quantity = 21\n", "symbols.AAPL", "quantity 21 may not exceed max_position 20"),
    ("quantity = 10\n", "quantity = 0.0000000001\n", "symbols.AAPL.quantity", "9 digits after the point"),
    ("quantity = 10\n", "quantity = 10\nbar_seconds = 7\n", "symbols.AAPL.bar_seconds", "divides an hour"),
    (
        'strategy = "golden_cross"',
        'strategy = ["golden_cross", "other"]',
        "symbols.AAPL.strategy",
        "exactly one strategy",
    ),
    ('strategy = "golden_cross"', 'strategy = "os.system("', "symbols.AAPL.strategy", "exactly one strategy"),
    ("[symbols.AAPL]", "[other]", "symbols", "at least one symbol"),
]

# a line above the good file, the field that must be named, words of its line
ADDED = [
    ("risk = 5", "risk", "write it as a table"),
    ('ALPACA_BASE_URL = "http://api.alpaca.markets"', "ALPACA_BASE_URL", "use https://"),
    ('ALPACA_BASE_URL = "paper"', "ALPACA_BASE_URL", "begins with https://"),
    ('POLYGON_WEBSOCKET_URL = "ws://feed.example/stocks"', "POLYGON_WEBSOCKET_URL", "use wss://"),
    ('POLYGON_WEBSOCKET_URL = "https://feed.example"', "POLYGON_WEBSOCKET_URL", "begins with wss://"),
    ('POLYGON_BASE_URL = "https://h:99999"', "POLYGON_BASE_URL", "begins with https://"),
    (f'GNEWS_ENDPOINT = "https://u:{HIDDEN}@gnews.io"', "GNEWS_ENDPOINT", "without user"),
    (f'GNEWS_ENDPOINT = "https://gnews.io?apikey={HIDDEN}"', "GNEWS_ENDPOINT", "or query"),
    (
        f'GNEWS_API_KEY = "{HIDDEN} "',
        "GNEWS_API_KEY",
        "••••(14 characters) cannot be used; give it without spaces",
    ),
    (f'GNEWS_KEY = "{HIDDEN}"', "GNEWS_KEY", "an unknown field"),
    (f'APCA_API_SECRET_KEY = "{HIDDEN}"', "APCA_API_SECRET_KEY", "give only one"),
    ('RISK_MAX_POSITION_SYMBOL = "AAPL"', "RISK_MAX_POSITION_QUANTITY", "set both, or neither"),
    (
        'RISK_MAX_POSITION_SYMBOL = "MSFT"\nRISK_MAX_POSITION_QUANTITY = 5',
        "RISK_MAX_POSITION_SYMBOL",
        "'MSFT' cannot be used; name one of the symbols in [symbols]: AAPL",
    ),
]

# a table below the good file, the field that must be named, words of its line
TABLES = [
    ("[risk]\nmax_order_notinal = 5", "risk.max_order_notinal", "did you mean max_order_notional?"),
    ("[risc]\nmax_order_notional = 5", "risc", "did you mean risk?"),
    (
        "[risk]\nmax_order_notional = -5",
        "risk.max_order_notional",
        "-5 cannot be used; give a number above 0",
    ),
    ("[risk]\nprice_collar_percent = 500", "risk.price_collar_percent", "at most 100"),
    ("[broker]\nbreaker_failures = 0", "broker.breaker_failures", "at least 1"),
    ("[broker]\nbreaker_failures = 1.5", "broker.breaker_failures", "give a whole number"),
    ("[broker]\nreserved_share = 1.0", "broker.reserved_share", "below 1"),
    ("[broker]\norder_timeout_seconds = inf", "broker.order_timeout_seconds", "finite"),
    ('[journal]\ndurability = "maybe"', "journal.durability", "give 'group' or 'strict'"),
    ("[journal]\nlimit_mib = 1", "journal", "at least four segments"),
    ("[supervision]\nbackoff_first_seconds = 9", "supervision", "may not exceed backoff_max_seconds"),
    ('[logs]\nlevel = "LOUD"', "logs.level", "DEBUG, INFO, WARNING, ERROR"),
    ('[paths]\nstate_directory = "state"', "paths.state_directory", "give an absolute path"),
    (
        '[paths]\nruntime_directory = "/' + "r" * 80 + '"',
        "paths.runtime_directory",
        "at most 72 bytes (this one has 81)",
    ),
]

# With these a setting is missing, too.
TWO_PROBLEMS = ("[other]", "RISK_DAILY_LOSS_LIMT = 500")


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        *((GOOD.replace(old, new), field, words) for old, new, field, words in REPLACED),
        *((f"{line}\n{GOOD}", field, words) for line, field, words in ADDED),
        *((f"{GOOD}\n{table}\n", field, words) for table, field, words in TABLES),
    ],
)
def test_a_bad_setting_gives_one_clear_line(tmp_path: Path, text: str, field: str, words: str) -> None:
    assert text != GOOD
    lines = lines_of(write_settings(tmp_path, text), ENVIRON)
    about = [line for line in lines if line.startswith(f"{field}: ")]
    assert len(about) == 1, lines
    assert words in about[0]
    assert HIDDEN not in "\n".join(lines)
    assert ALPACA_SECRET not in "\n".join(lines)
    assert len(lines) == (2 if any(part in text for part in TWO_PROBLEMS) else 1), lines


# exported variables, the field that must be named, words of its line
EXPORTED = [
    (
        {"RISK_MAX_NOTIONAL": "-5"},
        "RISK_MAX_NOTIONAL",
        "'-5' cannot be used; give a number above 0 (it is from environment)",
    ),
    ({"RISK_MAX_NOTIONAL": "many"}, "RISK_MAX_NOTIONAL", "give a number"),
    ({"ALPACA_BASE_URL": "http://192.0.2.1"}, "ALPACA_BASE_URL", "use https://"),
    (
        {"RISK_MAX_POSITION_SYMBOL": "AAPL", "RISK_MAX_POSITION_QUANTITY": "-1"},
        "RISK_MAX_POSITION_QUANTITY",
        "above 0",
    ),
    (
        {"RISK_MAX_POSITION_SYMBOL": "AAPL", "RISK_MAX_POSITION_QUANTITY": "2"},
        "symbols.AAPL",
        "max_position 2 (max_position is from environment as RISK_MAX_POSITION_QUANTITY)",
    ),
    ({"RISK_MAX_POSITION_QUANTITY": "2"}, "RISK_MAX_POSITION_SYMBOL", "a missing value"),
    (
        {"ALPACA_API_KEY": "PK1", "APCA_API_KEY_ID": "PK2"},
        "APCA_API_KEY_ID",
        "it is ALPACA_API_KEY by another name",
    ),
    (
        {"STATE_DIRECTORY": "relative"},
        "paths.state_directory",
        "give an absolute path (it is from environment as STATE_DIRECTORY)",
    ),
]


@pytest.mark.parametrize(("environ", "field", "words"), EXPORTED)
def test_a_bad_variable_gives_one_clear_line(
    tmp_path: Path, environ: dict[str, str], field: str, words: str
) -> None:
    lines = lines_of(write_settings(tmp_path), {**ENVIRON, **environ})
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"{field}: ")
    assert words in lines[0]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("RISK_MAX_NOTIONAL = 25000.50", "RISK_MAX_NOTIONAL = -1").replace(
        "quantity = 10\n", "quantity = -1\ncolour = 3\n"
    )
    path = write_settings(tmp_path, text)
    write_secrets(tmp_path, 'ALPACA_API_SECRT = "x"')
    with pytest.raises(SettingsProblems) as caught:
        load_settings(path, ENVIRON)
    fields = [problem.field for problem in caught.value.problems]
    assert sorted(fields) == [
        "ALPACA_API_SECRT",
        "RISK_MAX_NOTIONAL",
        "symbols.AAPL.colour",
        "symbols.AAPL.quantity",
    ]
    assert len(str(caught.value).splitlines()) == 4


def test_missing_file_names_the_example(tmp_path: Path) -> None:
    lines = lines_of(tmp_path / "settings.toml", ENVIRON)
    assert len(lines) == 1
    assert "a missing file cannot be used; `kyzlo init` writes one" in lines[0]


def test_unreadable_files(tmp_path: Path) -> None:
    directory = tmp_path / "settings.toml"
    directory.mkdir()
    assert "an unreadable file (Is a directory)" in lines_of(directory, ENVIRON)[0]
    assert "not a file" in lines_of(Path("/dev/null"), ENVIRON)[0]
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = \xff")
    assert "not UTF-8" in lines_of(binary, ENVIRON)[0]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a = 1\nb\n", "line 2"),
        (f"\nALPACA_API_SECRET = {HIDDEN}\n", "line 2 (ALPACA_API_SECRET)"),
        (f'ALPACA_API_SECRET = "{HIDDEN}\n', "line 1 (ALPACA_API_SECRET)"),
        (f"ALPACA_API_SECRET = {HIDDEN}=1\n", "line 1 (ALPACA_API_SECRET)"),
        (f'[risk]\nx = "{HIDDEN}"\n[risk]\n', "line 3"),
        ("a = 1\na = 2\n", "line 2 (a)"),
    ],
)
def test_bad_toml_gives_the_line_and_no_value(tmp_path: Path, text: str, where: str) -> None:
    lines = lines_of(write_settings(tmp_path, text), ENVIRON)
    assert len(lines) == 1
    assert f"{where}, which is not TOML, cannot be used" in lines[0]
    assert HIDDEN not in lines[0]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secrets_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = write_settings(tmp_path)
    secrets = write_secrets(tmp_path, f'POLYGON_API_KEY = "{HIDDEN}"', mode)
    lines = lines_of(path, ENVIRON)
    assert lines == [
        f"{secrets}: a secrets file with mode {mode:04o} cannot be used; others could read it: chmod 600 {secrets}"
    ]


def test_only_secrets_may_stand_in_the_secrets_file(tmp_path: Path) -> None:
    path = write_settings(tmp_path)
    secrets = write_secrets(tmp_path, f'RISK_MAX_NOTIONAL = 3\nPOLYGON_API_KY = "{HIDDEN}"')
    lines = lines_of(path, ENVIRON)
    assert len(lines) == 2
    assert lines[0].startswith(f"RISK_MAX_NOTIONAL: an unknown field in {secrets}")
    assert lines[1].endswith("did you mean POLYGON_API_KEY?")
    assert HIDDEN not in "".join(lines)


TOML_LIKE = st.text(alphabet="ab[]{}=\"'.,#\n 01-_\\\t", max_size=40)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TOML_LIKE)
def test_whatever_the_file_holds_it_is_read_or_refused(tmp_path: Path, text: str) -> None:
    path = write_settings(tmp_path, text)
    try:
        table = read_toml(path, cure="")
    except BadInput as problem:
        assert "\n" not in str(problem)
    else:
        assert isinstance(table, dict)


PRINTABLE = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(
        ["ALPACA_API_KEY", "GNEWS_API_KEY", "TIMESCALE_DSN", "ALPACA_API_KEYS", "risk", "symbols"]
    ),
    tail=PRINTABLE,
    quoted=st.booleans(),
)
def test_no_error_repeats_a_secret(tmp_path: Path, name: str, tail: str, quoted: bool) -> None:
    secret = f"{HIDDEN}{tail}"
    line = f'{name} = "{secret}"' if quoted else f"{name} = {secret}"
    # The limit is bad, so that there is an error in any case.
    text = f"{line}\n{GOOD}".replace("RISK_DAILY_LOSS_LIMIT = 500", "RISK_DAILY_LOSS_LIMIT = -1")
    lines = lines_of(write_settings(tmp_path, text), ENVIRON)
    if name.isupper():
        assert HIDDEN not in "\n".join(lines)
