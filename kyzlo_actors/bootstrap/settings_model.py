"""The settings of one instance: the model that every value must fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from kyzlo_actors.bootstrap.setting_types import (
    AlpacaUrl,
    Dsn,
    HttpsUrl,
    Key,
    Money,
    Shares,
    SymbolName,
    WssUrl,
)
from kyzlo_actors.bootstrap.settings_tables import (
    BrokerTable,
    HaltTable,
    JournalTable,
    LogsTable,
    PathsTable,
    RiskTable,
    SupervisionTable,
    SymbolTable,
    Table,
)
from kyzlo_actors.domain.risk.limits import RiskLimits
from kyzlo_actors.domain.values import NS_PER_SECOND

# Each symbol is a process: beyond this a machine is out of memory before it is out of names.
MAX_SYMBOLS: Final = 500

Symbols = Annotated[Mapping[SymbolName, SymbolTable], Field(min_length=1, max_length=MAX_SYMBOLS)]


class Settings(Table):
    """Everything a person may set. Upper-case aliases are the owner's names, the same in file and environment.

    Money in dollars, quantities in shares; URLs have no trailing slash; keys are `SecretStr`.
    """

    alpaca_api_key: Key = Field(
        alias="ALPACA_API_KEY", description="Alpaca key id; paper keys begin with PK, live keys with AK"
    )
    alpaca_api_secret: Key = Field(alias="ALPACA_API_SECRET", description="Alpaca secret")
    alpaca_base_url: AlpacaUrl = Field(
        default="https://paper-api.alpaca.markets",
        alias="ALPACA_BASE_URL",
        description="Alpaca trading API, paper money; real money needs https://api.alpaca.markets and --live",
    )
    polygon_api_key: Key = Field(alias="POLYGON_API_KEY", description="Polygon (Massive) key")
    polygon_websocket_url: WssUrl = Field(
        default="wss://socket.massive.com/stocks",
        alias="POLYGON_WEBSOCKET_URL",
        description="Polygon stream of trades",
    )
    polygon_base_url: HttpsUrl = Field(
        default="https://api.massive.com", alias="POLYGON_BASE_URL", description="Polygon REST, for past bars"
    )
    alpha_vantage_api_key: Key | None = Field(
        default=None,
        alias="ALPHA_VANTAGE_API_KEY",
        description="Alpha Vantage key; no fundamentals without it",
    )
    alpha_vantage_base_url: HttpsUrl = Field(
        default="https://www.alphavantage.co/query",
        alias="ALPHA_VANTAGE_BASE_URL",
        description="Alpha Vantage API",
    )
    gnews_api_key: Key | None = Field(
        default=None, alias="GNEWS_API_KEY", description="GNews key; no news without it"
    )
    gnews_endpoint: HttpsUrl = Field(
        default="https://gnews.io/api/v4", alias="GNEWS_ENDPOINT", description="GNews API"
    )
    timescale_dsn: Dsn | None = Field(
        default=None, alias="TIMESCALE_DSN", description="database; without it the records stay in files"
    )
    risk_daily_loss_limit: Money = Field(
        alias="RISK_DAILY_LOSS_LIMIT",
        description="loss of one day, in dollars, that halts everything",
        examples=[500],
    )
    risk_max_notional: Money = Field(
        alias="RISK_MAX_NOTIONAL",
        description="largest gross exposure of all symbols, in dollars",
        examples=[25_000],
    )
    risk_max_position_symbol: SymbolName | None = Field(
        default=None,
        alias="RISK_MAX_POSITION_SYMBOL",
        description="the symbol that the next setting is for",
        examples=["AAPL"],
    )
    risk_max_position_quantity: Shares | None = Field(
        default=None,
        alias="RISK_MAX_POSITION_QUANTITY",
        description="replaces its max_position, in shares",
        examples=[5],
    )
    risk: RiskTable = Field(default_factory=RiskTable)
    broker: BrokerTable = Field(default_factory=BrokerTable)
    journal: JournalTable = Field(default_factory=JournalTable)
    supervision: SupervisionTable = Field(default_factory=SupervisionTable)
    halt: HaltTable = Field(default_factory=HaltTable)
    paths: PathsTable
    logs: LogsTable = Field(default_factory=LogsTable)
    symbols: Symbols

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value that is set: what logs must never show."""
        held = (
            self.alpaca_api_key,
            self.alpaca_api_secret,
            self.polygon_api_key,
            self.alpha_vantage_api_key,
            self.gnews_api_key,
            self.timescale_dsn,
        )
        return tuple(secret.get_secret_value() for secret in held if secret is not None)

    def risk_limits(self) -> RiskLimits:
        """The limits of the risk gate, in its own units."""
        risk = self.risk
        return RiskLimits(
            daily_loss=self.risk_daily_loss_limit,
            max_gross_notional=self.risk_max_notional,
            max_order_notional=risk.max_order_notional,
            max_position={name: table.max_position for name, table in self.symbols.items()},
            price_collar=risk.price_collar_percent / 100,
            max_orders_per_minute=risk.max_orders_per_minute,
            max_open_orders_per_symbol=risk.max_open_orders_per_symbol,
            max_price_age_ns=round(risk.max_price_age_seconds * NS_PER_SECOND),
            duplicate_window_ns=round(risk.duplicate_window_seconds * NS_PER_SECOND),
        )
