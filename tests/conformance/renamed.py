"""The conformance scenario and its script with other symbols, keys and prices: nothing may hang on a name.

Both are changed alike, by seed; what the checks prove stays the same.
"""

from __future__ import annotations

import json
import random
import re
import string
from dataclasses import dataclass
from importlib import resources
from typing import Any

PRICE_KEYS = ("p", "bp", "ap", "op", "vw", "o", "c", "h", "l", "a")
# Prices in the script: the snippet (it occurs once), and the symbol whose scale it follows.
SCRIPT_PRICES = (
    ("u.price == ", "190.1", "AAPL"),
    ("limit_price=", "190.123", "AAPL"),
    ("limit_price=", "20", "PART"),
    ("limit_price=", "400", "SPY"),
    ("limit_price=", "401", "SPY"),
    ("limit_price=", "402", "SPY"),
    ("limit_price=", "250", "TSLA"),
    ("stop_price=", "150", "TSLA"),
)
# Names that the script takes for unknown ones.
UNKNOWN = ("ZZZ", "NOPE")
# The script's orders that must rest have a limit of 1: no price may come near it.
LOWEST_PRICE = 2.0
# A start price so far below the round one that the ask is the round one.
HALF_CENT = 0.003


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """Old to new words, and what the prices of each (old) symbol are multiplied with."""

    words: dict[str, str]
    scales: dict[str, float]

    def text(self, text: str) -> str:
        """`text` with every whole word replaced."""
        pattern = r"\b(" + "|".join(sorted(map(re.escape, self.words), key=len, reverse=True)) + r")\b"
        return re.sub(pattern, lambda found: self.words[found[1]], text)

    def script(self, source: str) -> str:
        """The script with the new names, keys and prices."""
        for before, price, symbol in SCRIPT_PRICES:
            pattern = re.escape(before + price) + r"(?![\d.])"
            assert len(re.findall(pattern, source)) == 1, (before, price)
            source = re.sub(pattern, before + repr(self._scaled(price, symbol)), source)
        return self.text(source)

    def scenario(self, scenario: dict[str, Any]) -> dict[str, Any]:
        """The scenario with the new names, keys and prices."""
        changed: dict[str, Any] = json.loads(json.dumps(scenario))
        for part in changed["symbols"]:
            round_price = round(part["start_price"] + HALF_CENT, 2)
            part["start_price"] = round(self._scaled(str(round_price), part["symbol"]) - HALF_CENT, 3)
            part["name"] = f"Company {self.words[part['symbol']]}"
        for part in changed["frames"]:
            part["frames"] = [[self._event(event) for event in frame] for frame in part["frames"]]
        for part in changed["history"]:
            part["rows"] = [self._event(row) for row in part["rows"]]
        named: dict[str, Any] = json.loads(self.text(json.dumps(changed)))
        return named

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        # Canned frames are of the first symbol, whoever asks.
        return {
            name: round(value * self.scales["AAPL"], 4)
            if name in PRICE_KEYS and isinstance(value, float)
            else value
            for name, value in event.items()
        }

    def _scaled(self, price: str, symbol: str) -> float:
        digits = max(2, len(price.partition(".")[2]))
        scaled = round(float(price) * self.scales[symbol], 2)
        # The last digit of a sub-penny price stays: it is what the check is about.
        return scaled if digits == 2 else round(scaled + int(price[-1]) / 10**digits, digits)


def conformance_scenario() -> dict[str, Any]:
    """The shipped scenario as data."""
    file = resources.files("kyzlo_actors.venue") / "scenarios" / "conformance.json"
    scenario: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return scenario


def renaming(seed: int) -> Renaming:
    """New names, keys and scales of prices, the same for the same seed."""
    rng = random.Random(seed)
    scenario = conformance_scenario()
    prices = {part["symbol"]: part["start_price"] for part in scenario["symbols"]}
    words: dict[str, str] = {}
    for old in (*prices, *UNKNOWN):
        new = _symbol(rng)
        while new in words or new in words.values() or new.split(".")[0] in {*prices, *UNKNOWN}:
            new = _symbol(rng)
        words[old] = new
    for old in scenario["keys"].values():
        words[old] = "".join(rng.choices(string.ascii_letters + string.digits, k=24))
    scales = {
        symbol: rng.uniform(max(0.3, LOWEST_PRICE / price * 1.1), 3.0) for symbol, price in prices.items()
    }
    return Renaming(words=words, scales=scales)


def _symbol(rng: random.Random) -> str:
    """One to five letters; every fourth is a class of shares, as in `ABC.B`."""
    name = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(2, 5)))
    return f"{name}.{rng.choice('AB')}" if rng.random() < 0.25 else name
