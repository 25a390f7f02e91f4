"""`kyzlo journal`: what an actor was told and what it decided, line by line; or one order's whole chain."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyzlo_actors.actors.layout import Layout, symbol_actor
from kyzlo_actors.cli.admin_client import StateOption, find_directories
from kyzlo_actors.cli.book import check_readable, layout_at
from kyzlo_actors.cli.complete import symbol_names
from kyzlo_actors.cli.config import JsonOption, SettingsOption
from kyzlo_actors.cli.text_table import text_table
from kyzlo_actors.domain.errors import BadInput, Recoverable

if TYPE_CHECKING:
    from kyzlo_actors.infrastructure.journal_segment import JournalRecord

_POLL_SECONDS: Final = 0.2
_READ_AT_ONCE: Final = 256
_MOST_LINES: Final = 10_000


def journal(
    actor: Annotated[
        str | None, typer.Argument(metavar="[ACTOR]", help="An actor such as risk or symbol-AAPL.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    last: Annotated[int, typer.Option(min=0, max=_MOST_LINES, metavar="N", help="So many records.")] = 20,
    order: Annotated[
        str | None,
        typer.Option("--order", metavar="ID", help="Everything about one order: its id, or a part of it."),
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option("--symbol", metavar="S", help="What names this symbol.", autocompletion=symbol_names),
    ] = None,
    state_dir: StateOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """The journal of one actor, `<` inputs and `>` decisions, times in UTC; without an actor: which ones there are.

    Example: kyzlo journal risk --last 50 --symbol AAPL
    """
    state, _ = find_directories(state_dir, None, settings=settings)
    layout = layout_at(state)
    check_readable(layout.journal("risk").parent, state)
    symbol = symbol.upper() if symbol else None
    if order is not None:
        _show_order(layout, order.strip(), as_json)
        return
    if actor is None and symbol is None:
        if follow:
            raise BadInput("--follow", True, "name the actor to follow")
        _show_journals(layout, as_json)
        return
    name = _checked_actor(layout, actor or symbol_actor(str(symbol)))
    reader = _Reader(layout.journal(name), symbol if actor else None)
    try:
        for record in reader.newest(last):
            _print(name, record, as_json)
        if follow:
            for record in reader.following():
                _print(name, record, as_json)
    except KeyboardInterrupt:
        return  # the way to end it


class _Reader:
    """One journal from its newest records on; `symbol` drops the records that do not name it."""

    def __init__(self, directory: Path, symbol: str | None) -> None:
        self._directory = directory
        self._mark = f'"symbol":"{symbol}"'.encode() if symbol else b""
        self._next_seq = 1

    def newest(self, count: int) -> list[JournalRecord]:
        """The last `count` records: from the newest segment, and from twice as many each time that was too few."""
        from kyzlo_actors.infrastructure.journal_reader import read_journal
        from kyzlo_actors.infrastructure.journal_segment import first_seqs

        segments = 1
        while True:
            seqs = first_seqs(self._directory)
            found: deque[JournalRecord] = deque(maxlen=count)
            for record in read_journal(self._directory, seqs[-min(segments, len(seqs))] if seqs else 1):
                self._next_seq = record.seq + 1
                if self._mark in record.body:
                    found.append(record)
            if len(found) >= count or segments >= len(seqs):
                return list(found)
            segments *= 2

    def following(self) -> Iterator[JournalRecord]:
        """What comes after `newest`, for ever."""
        from kyzlo_actors.infrastructure.journal_reader import JournalFollower

        follower = JournalFollower(self._directory, self._next_seq)
        while True:
            records = follower.poll(_READ_AT_ONCE)
            yield from (record for record in records if self._mark in record.body)
            if not records:
                time.sleep(_POLL_SECONDS)


def _checked_actor(layout: Layout, name: str) -> str:
    """The actor; a symbol stands for its own."""
    known = _actors(layout)
    for candidate in (name, symbol_actor(name.upper()), symbol_actor(name.removeprefix("symbol-").upper())):
        if candidate in known:
            return candidate
    if not known:
        raise Recoverable(f"no journal yet in {layout.state_directory}")
    raise BadInput("ACTOR", name, f"use one of: {', '.join(known)}")


def _actors(layout: Layout) -> list[str]:
    try:
        return sorted(entry.name for entry in layout.journal("risk").parent.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []


def _show_journals(layout: Layout, as_json: bool) -> None:
    from kyzlo_actors.infrastructure.journal_segment import SUFFIX

    rows = []
    for actor in _actors(layout):
        files = sorted(layout.journal(actor).glob(f"*{SUFFIX}"))
        sizes = sum(file.stat().st_size for file in files)
        first = int(files[0].name.removesuffix(SUFFIX)) if files else 0
        rows.append({"actor": actor, "first_seq": first, "segments": len(files), "bytes": sizes})
    if as_json:
        print(json.dumps({"journals": rows}))
        return
    cells = [
        (str(row["actor"]), str(row["first_seq"]), str(row["segments"]), f"{int(str(row['bytes'])) >> 10}")
        for row in rows
    ]
    for line in text_table([("actor", "first record", "segments", "KiB"), *cells]):
        print(line)


def _show_order(layout: Layout, text: str, as_json: bool) -> None:
    from kyzlo_actors.cli.journal_lines import json_of, line_of
    from kyzlo_actors.infrastructure.journal_reader import read_journal
    from kyzlo_actors.replay.chain import read_chains
    from kyzlo_actors.replay.order_records import find_order

    if not text:
        raise BadInput("--order", text, "give a client order id, or a part of it")
    found = find_order(text, _actors(layout), lambda actor: read_journal(layout.journal(actor)))
    line = json_of if as_json else line_of
    bodies: dict[str, list[Mapping[str, Any]]] = {}
    for record in found.records:
        print(line(record.actor, record.seq, record.tx_time, record.body))
        bodies.setdefault(record.actor, []).append(record.body)
    report = read_chains(bodies)
    own = f"{found.client_order_id}: "
    missing = [problem.removeprefix(own) for problem in report.missing if problem.startswith(own)]
    if as_json:
        summary = {"client_order_id": found.client_order_id, "records": len(found.records)}
        print(json.dumps({**summary, "missing": missing, "is_cut": found.is_cut}))
        return
    verdict = f"incomplete: {'; '.join(missing)}" if missing else "complete, from the trigger to its end"
    print(f"{found.client_order_id}: {len(found.records)} records, {verdict}")
    if found.is_cut:
        print(f"only the first {len(found.records)} records are shown")


def _print(actor: str, record: JournalRecord, as_json: bool) -> None:
    import orjson

    from kyzlo_actors.cli.journal_lines import json_of, line_of

    line = json_of if as_json else line_of
    # Flushed: who follows into a pipe wants it now.
    print(line(actor, record.seq, record.tx_time, orjson.loads(record.body)), flush=True)
