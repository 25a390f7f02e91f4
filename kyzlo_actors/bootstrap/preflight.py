"""What must be true before the tree starts: both vendors know the keys, and every symbol may be traded."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Final

from kyzlo_actors.adapters.market_data.aggregates import KeyRefused, PolygonHistory
from kyzlo_actors.bootstrap.problems import masked, raise_problems
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.domain.broker import BrokerAccount, BrokerAsset
from kyzlo_actors.domain.errors import BadInput, Fatal, KyzloError, Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.ports.broker import BrokerDesk

# Beyond this the broker's whole list, some megabytes, is the cheaper question: it allows 200 requests a minute.
ASKED_ONE_BY_ONE: Final = 20
_MINUTE_NS: Final = 60 * NS_PER_SECOND


def check_account(desk: BrokerDesk, settings: Settings) -> BrokerAccount:
    """The account of the keys.

    Raises: BadInput: the broker refuses the keys. Recoverable: it does not answer.
    """
    try:
        return desk.account()
    except Fatal as error:
        key = masked(settings.alpaca_api_key.get_secret_value())
        said = " ".join(str(error).split())
        cure = f"the broker at {settings.alpaca_base_url} refuses it ({said}): check key, secret and URL"
        raise BadInput("ALPACA_API_KEY", key, cure) from None
    except Recoverable as error:
        said = " ".join(str(error).split())
        where = f"ALPACA_BASE_URL {settings.alpaca_base_url}"
        raise Recoverable(f"the broker does not answer at {where} ({said}): try again later") from None


def check_symbols(desk: BrokerDesk, settings: Settings, *, is_first_start: bool = True) -> None:
    """Every symbol of the settings must be an asset that may be traded as they say.

    A later start has orders and positions to look after: one that may not be traded at present is only told then.
    Raises: BadInput, SettingsProblems: one line for each that is not. Recoverable: the broker does not answer.
    """
    assets = read_assets(desk, settings.symbols)
    suspended = suspended_symbols(assets)
    raise_problems([*symbol_problems(settings, assets), *(suspended if is_first_start else ())])
    for problem in suspended:
        logging.getLogger("kyzlo").critical("%s", problem)


def read_assets(desk: BrokerDesk, symbols: Iterable[str]) -> dict[str, BrokerAsset | None]:
    """What the broker says of each symbol: asked one by one while they are few, else from its list of active ones.

    At most `ASKED_ONE_BY_ONE` + 1 requests. Raises: Recoverable, Fatal.
    """
    names = list(symbols)
    if len(names) <= ASKED_ONE_BY_ONE:
        return {name: desk.asset(name) for name in names}
    listed = desk.assets()
    found = {name: listed.get(name) for name in names}
    # Asked by name, the broker also tells of those that are not active any more.
    missing = [name for name, asset in found.items() if asset is None]
    return found | {name: desk.asset(name) for name in missing[:ASKED_ONE_BY_ONE]}


def suspended_symbols(assets: Mapping[str, BrokerAsset | None]) -> list[BadInput]:
    """One for each symbol that the broker knows and does not let be traded at present."""
    cure = "the broker does not let it be traded now: remove it"
    return [
        BadInput(f"symbols.{symbol}", symbol, cure)
        for symbol, asset in assets.items()
        if asset is not None and not asset.tradable
    ]


def symbol_problems(settings: Settings, assets: Mapping[str, BrokerAsset | None]) -> list[BadInput]:
    """One for each symbol that can never be traded as the settings say."""
    problems: list[BadInput] = []
    for symbol, table in settings.symbols.items():
        field = f"symbols.{symbol}"
        asset = assets.get(symbol)
        if asset is None:
            problems.append(BadInput(field, symbol, "the broker has no such symbol: correct or remove it"))
        elif not asset.fractionable and table.quantity % 1:
            cure = "the broker trades it in whole shares only"
            problems.append(BadInput(f"{field}.quantity", str(table.quantity), cure))
    return problems


def check_market_data_key(history: PolygonHistory, settings: Settings, now_ns: int) -> None:
    """The vendor must know the key. Whatever else goes wrong says nothing against it, and trading may begin.

    Raises: BadInput: the key is refused.
    """
    symbol = next(iter(settings.symbols))
    try:
        history.bars(symbol, interval_ns=_MINUTE_NS, start_ns=now_ns - 2 * _MINUTE_NS, end_ns=now_ns)
    except KeyRefused as error:
        raise refused_key(settings, error) from None
    except KyzloError as error:
        logging.getLogger("kyzlo").warning("market data over REST: %s", error)


def refused_key(settings: Settings, error: KeyRefused) -> BadInput:
    """The market-data vendor does not know the key."""
    said = " ".join(str(error).split())
    cure = f"{settings.polygon_base_url} refuses it ({said}): check key and URL"
    return BadInput("POLYGON_API_KEY", masked(settings.polygon_api_key.get_secret_value()), cure)
