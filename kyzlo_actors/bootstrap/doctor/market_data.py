"""Market data: does the vendor take the key, over REST and on the stream, and has it the bars to warm up with?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kyzlo_actors.adapters.market_data.probe import StreamProbe
from kyzlo_actors.bootstrap.doctor.finding import Finding, counted, fail, ok, warn

WARM_UP: Final = "warm-up"
STREAM: Final = "market data stream"
_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What one symbol wants and what there was in the window that the service would ask for. `trouble`: no answer."""

    wanted: int
    found: int = 0
    trouble: str = ""


def warm_up_findings(read: Mapping[str, WarmUp]) -> list[Finding]:
    """All is well in one line; what is missing in one for each kind."""
    troubles = {symbol: item.trouble for symbol, item in read.items() if item.trouble}
    short = [
        f"{symbol} {item.found} of {item.wanted}"
        for symbol, item in read.items()
        if not item.trouble and item.found < item.wanted
    ]
    found = []
    if troubles:
        first = next(iter(troubles.values()))
        text = f"no past bars of {_named(list(troubles))}: {first}"
        found.append(warn(WARM_UP, text, "without them a strategy learns from live bars: look again"))
    if short:
        text = f"fewer past bars than wanted: {_named(short)}"
        found.append(warn(WARM_UP, text, "usual long after or before a session; it learns the rest live"))
    if found:
        return found
    wanted = sum(1 for item in read.values() if item.wanted)
    return [ok(WARM_UP, f"REST takes the key; past bars are there for {counted(wanted, 'symbol')}")]


def stream_finding(probe: StreamProbe, *, url: str, asked: int) -> Finding:
    """How far the try came."""
    if not probe.connected:
        return fail(STREAM, f"{url}: {probe.trouble}", "check POLYGON_WEBSOCKET_URL and the network")
    if not probe.authenticated:
        cure = "check POLYGON_API_KEY, and that no other process uses it"
        return fail(STREAM, f"{url}: {probe.trouble or 'not authenticated'}", cure)
    if len(probe.missing) == asked:
        cure = "the plan must include real-time trades"
        return fail(STREAM, f"authenticated, but no symbol was confirmed: {probe.trouble}", cure)
    if probe.missing:
        text = f"authenticated, {len(probe.missing)} of {asked} symbols were not confirmed: {_named(probe.missing)}"
        return warn(STREAM, text, "correct or remove them, or look again")
    return ok(STREAM, f"authenticated, {counted(asked, 'symbol')} confirmed")


def _named(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
