"""What must be true before the tree starts: the broker knows the keys, and every symbol may be traded there."""

from __future__ import annotations

from kyzlo_actors.bootstrap.problems import masked, raise_problems
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.domain.broker import BrokerAccount
from kyzlo_actors.domain.errors import BadInput, Fatal, Recoverable
from kyzlo_actors.ports.broker import BrokerDesk


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


def check_symbols(desk: BrokerDesk, settings: Settings) -> None:
    """Every symbol of the settings must be an asset that may be traded.

    Raises: BadInput, SettingsProblems: one line for each that is not. Recoverable: the broker does not answer.
    """
    problems: list[BadInput] = []
    for symbol, table in settings.symbols.items():
        field = f"symbols.{symbol}"
        asset = desk.asset(symbol)
        if asset is None:
            problems.append(BadInput(field, symbol, "the broker has no such symbol: correct or remove it"))
        elif not asset.tradable:
            problems.append(BadInput(field, symbol, "the broker does not let it be traded now: remove it"))
        elif not asset.fractionable and table.quantity % 1:
            cure = "the broker trades it in whole shares only"
            problems.append(BadInput(f"{field}.quantity", str(table.quantity), cure))
    raise_problems(problems)
