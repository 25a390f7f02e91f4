"""Paper and live never mix."""

from __future__ import annotations

from pathlib import Path

import pytest

from kyzlo_actors.bootstrap.settings import Settings, load_settings
from kyzlo_actors.bootstrap.venue_check import check_venue
from kyzlo_actors.domain.errors import BadInput
from tests.bootstrap.settings_files import ENVIRON, write_settings

PAPER = "https://paper-api.alpaca.markets"
LIVE = "https://api.alpaca.markets"
VENUE = "http://127.0.0.1:8765"


def made(directory: Path, url: str, key: str) -> Settings:
    """Settings with that URL and key."""
    environ = {**ENVIRON, "ALPACA_BASE_URL": url, "ALPACA_API_KEY": key}
    return load_settings(write_settings(directory), environ).settings


@pytest.mark.parametrize(
    ("url", "key", "live"),
    [(PAPER, "PKABC", False), (LIVE, "AKABC", True), (VENUE, "PKABC", False), (VENUE, "anything", False)],
)
def test_what_fits_passes(tmp_path: Path, url: str, key: str, live: bool) -> None:
    check_venue(made(tmp_path, url, key), live=live)


@pytest.mark.parametrize(
    ("url", "key", "live", "field", "words"),
    [
        (LIVE, "AKABC", False, "ALPACA_BASE_URL", "add --live"),
        (LIVE + "/v2", "AKABC", False, "ALPACA_BASE_URL", "add --live"),
        ("https://API.alpaca.markets", "AKABC", False, "ALPACA_BASE_URL", "add --live"),
        ("https://api.alpaca.markets.", "AKABC", False, "ALPACA_BASE_URL", "or a loopback URL"),
        ("https://api.alpaca.markets.example", "AKABC", True, "ALPACA_BASE_URL", "or a loopback URL"),
        ("https://proxy.example", "PKABC", False, "ALPACA_BASE_URL", "or a loopback URL"),
        (PAPER, "PKABC", True, "ALPACA_BASE_URL", "leave --live out"),
        (VENUE, "PKABC", True, "ALPACA_BASE_URL", "leave --live out"),
        (LIVE, "PKABC", False, "ALPACA_BASE_URL", "real money: give https://paper-api"),
        (LIVE, "PKABC", True, "ALPACA_API_KEY", "paper keys do not work"),
        (PAPER, "AKABC", False, "ALPACA_API_KEY", "live keys do not belong"),
    ],
)
def test_each_mixture_is_one_line(
    tmp_path: Path, url: str, key: str, live: bool, field: str, words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        check_venue(made(tmp_path, url, key), live=live)
    assert caught.value.field == field
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "KABC" not in str(caught.value)
