"""The summary of a session that is over, from its journals alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.infrastructure.journal_reader import read_journal
from kyzlo_actors.replay.chain import ChainReport, read_chains
from kyzlo_actors.replay.tally import SessionTally, net_pnl, tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`lines` for people; `problems` name what the journals lack."""

    lines: tuple[str, ...]
    problems: tuple[str, ...]


def summary_of(layout: Layout) -> Summary:
    """Read every journal of the session. Raises: JournalCorrupt."""
    journals = {name: list(_bodies(layout.journal(name))) for name in layout.actors}
    return summarize(tally(journals), read_chains(journals))


def summarize(counts: SessionTally, chains: ChainReport) -> Summary:
    """Both reports in words."""
    denials = ", ".join(f"{code} {count}" for code, count in counts.denials.most_common()) or "none"
    restarts = ", ".join(f"{name} {count}" for name, count in sorted(counts.restarts.items())) or "none"
    pnl = ", ".join(f"{symbol} {net_pnl(p):+.2f}" for symbol, p in sorted(counts.positions.items())) or "none"
    held = ", ".join(f"{symbol} {p.qty:+f}" for symbol, p in sorted(counts.positions.items()) if p.qty)
    unheard = f"; {chains.unheard} never read before their reader ended" if chains.unheard else ""
    lines = (
        f"{counts.ticks} ticks, {counts.bars} bars, {counts.signals} signals, {counts.orders} orders, "
        f"{counts.fills} fills",
        f"denied: {denials}",
        f"restarts: {restarts}",
        f"realized P&L: {counts.realized_pnl:+.2f} dollars ({pnl})",
        f"positions kept: {held or 'none'}",
        f"journal: {chains.orders} orders, {chains.complete} complete chains "
        f"tick → signal → verdict → order → fill, {chains.denied} denied{unheard}",
    )
    return Summary(lines=lines, problems=chains.missing)


def _bodies(directory: Path) -> Iterator[dict[str, Any]]:
    for record in read_journal(directory):
        body = orjson.loads(record.body)
        if isinstance(body, dict):
            yield body
