"""Paper or live: live money needs `--live`, the live URL and live keys, all three."""

from __future__ import annotations

from typing import Final

from kyzlo_actors.bootstrap.problems import masked, raise_problems
from kyzlo_actors.bootstrap.setting_types import is_loopback, split_url
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.domain.errors import BadInput

LIVE_HOST: Final = "api.alpaca.markets"
PAPER_HOST: Final = "paper-api.alpaca.markets"
# How Alpaca's key ids begin.
_LIVE_KEY: Final = "AK"
_PAPER_KEY: Final = "PK"


def check_venue(settings: Settings, *, live: bool) -> None:
    """Refuse every mixture of paper and live. A loopback URL is a venue on this machine: paper.

    Only Alpaca's two hosts and loopback pass: another host could lead anywhere.
    Raises: BadInput: a mixture. SettingsProblems: several at once.
    """
    url, key = settings.alpaca_base_url, settings.alpaca_api_key.get_secret_value()
    parts = split_url(url)
    host = (parts.hostname if parts else None) or ""
    has_paper_key = key.startswith(_PAPER_KEY)
    problems = []
    if host not in (LIVE_HOST, PAPER_HOST) and not is_loopback(host):
        problems.append(
            BadInput(
                "ALPACA_BASE_URL", url, f"give https://{PAPER_HOST}, https://{LIVE_HOST} or a loopback URL"
            )
        )
    elif host == LIVE_HOST and not live:
        # With paper keys nobody means it: then the URL is the one thing that is wrong.
        means_it = "" if has_paper_key else "add --live if you mean it, else "
        cure = f"it trades real money: {means_it}give https://{PAPER_HOST}"
        problems.append(BadInput("ALPACA_BASE_URL", url, cure))
    elif host != LIVE_HOST and live:
        cure = f"--live needs https://{LIVE_HOST}: change it, or leave --live out"
        problems.append(BadInput("ALPACA_BASE_URL", url, cure))
    if host == LIVE_HOST and live and has_paper_key:
        problems.append(BadInput("ALPACA_API_KEY", masked(key), f"paper keys do not work at {LIVE_HOST}"))
    if host == PAPER_HOST and key.startswith(_LIVE_KEY):
        cure = f"live keys do not belong at {PAPER_HOST}: give paper keys (they begin with {_PAPER_KEY})"
        problems.append(BadInput("ALPACA_API_KEY", masked(key), cure))
    raise_problems(problems)
