"""Trade conditions as the market-data vendor publishes them: what each print may move.

Reference data of the protocol (wire format), not of a scenario.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

EXTENDED_HOURS: Final = 12
ODD_LOT: Final = 37


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition and whether a print that carries it updates high/low, last and volume."""

    id: int
    name: str
    high_low: bool
    last: bool
    volume: bool

    def as_json(self) -> dict[str, object]:
        """A row of `/v3/reference/conditions`."""
        rules = {
            "updates_high_low": self.high_low,
            "updates_open_close": self.last,
            "updates_volume": self.volume,
        }
        return {
            "id": self.id,
            "type": "sale_condition",
            "name": self.name,
            "asset_class": "stocks",
            "data_types": ["trade"],
            "update_rules": {"consolidated": rules, "market_center": rules},
        }


def _rows(names: dict[int, str], high_low: bool, last: bool, volume: bool) -> list[Condition]:
    return [
        Condition(id=number, name=name, high_low=high_low, last=last, volume=volume)
        for number, name in names.items()
    ]


_REGULAR: Final = {
    1: "Acquisition",
    3: "Automatic Execution",
    4: "Bunched Trade",
    6: "CAP Election",
    8: "Closing Prints",
    9: "Cross Trade",
    11: "Distribution",
    14: "Intermarket Sweep",
    17: "Market Center Opening Trade",
    18: "Market Center Reopening Trade",
    19: "Market Center Closing Trade",
    23: "Rule 155 Trade",
    25: "Opening Prints",
    27: "Stopped Stock (Regular Trade)",
    28: "Re-Opening Prints",
    34: "Split Trade",
    35: "Stock Option Trade",
    36: "Yellow Flag Regular Trade",
    41: "Trade Thru Exempt",
}
_VOLUME_ONLY: Final = {
    2: "Average Price Trade",
    7: "Cash Sale",
    12: "Form T/Extended Hours",
    13: "Extended Hours (Sold Out Of Sequence)",
    20: "Next Day",
    21: "Price Variation Trade",
    29: "Seller",
    37: "Odd Lot Trade",
    52: "Contingent Trade",
    53: "Qualified Contingent Trade",
}
_NOT_LAST: Final = {
    5: "Bunched Sold Trade",
    10: "Derivatively Priced",
    22: "Prior Reference Price",
    32: "Sold (Out of Sequence)",
    33: "Sold (Out of Sequence) Stopped Stock",
}
_OFFICIAL: Final = {15: "Market Center Official Close", 16: "Market Center Official Open"}
_CORRECTED: Final = {38: "Corrected Consolidated Close"}
# Flags that say something about the stock, not about the print.
_NEUTRAL: Final = {
    57: "Short Sale Restriction Activated",
    58: "Short Sale Restriction Continued",
    59: "Short Sale Restriction Deactivated",
    60: "Short Sale Restriction In Effect",
    62: "Financial Status - Bankrupt",
    63: "Financial Status - Deficient",
    64: "Financial Status - Delinquent",
    65: "Financial Status - Bankrupt and Deficient",
    66: "Financial Status - Bankrupt and Delinquent",
    67: "Financial Status - Deficient and Delinquent",
    68: "Financial Status - Deficient, Delinquent and Bankrupt",
    69: "Financial Status - Liquidation",
    70: "Financial Status - Creations Suspended",
    71: "Financial Status - Redemptions Suspended",
}

CONDITIONS: Final[dict[int, Condition]] = {
    row.id: row
    for row in (
        *_rows(_REGULAR, True, True, True),
        *_rows(_VOLUME_ONLY, False, False, True),
        *_rows(_NOT_LAST, True, False, True),
        *_rows(_OFFICIAL, False, False, False),
        *_rows(_CORRECTED, True, True, False),
        *_rows(_NEUTRAL, True, True, True),
    )
}


@lru_cache(maxsize=4_096)
def moves_price(conditions: tuple[int, ...], *, extended: bool = False) -> bool:
    """Whether a print with these conditions may be a bar's open, high, low or close; an unknown one may not.

    `extended`: outside the regular session, where bars of minutes are made of extended-hours prints.
    """
    rows = [CONDITIONS.get(number) for number in conditions if not (extended and number == EXTENDED_HOURS)]
    return all(row is not None and row.last and row.high_low for row in rows)


@lru_cache(maxsize=4_096)
def counts_volume(conditions: tuple[int, ...]) -> bool:
    """Whether a print with these conditions counts for the volume."""
    rows = [CONDITIONS.get(number) for number in conditions]
    return all(row is not None and row.volume for row in rows)
