"""Reads files of trades as the market-data vendor sells them: one row a trade, `.csv` or `.csv.gz`, any order."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.market.prints import Print
from kyzlo_actors.venue.scenario_values import MAX_PRICE, SYMBOL

REQUIRED: Final = ("ticker", "price", "size", "sip_timestamp")
OPTIONAL: Final = (
    "conditions",
    "correction",
    "exchange",
    "id",
    "participant_timestamp",
    "sequence_number",
    "tape",
    "trf_id",
    "trf_timestamp",
)
MAX_BAD_ROWS: Final = 1_000
# Records about trades that were printed before: they are no prints.
_FIRST_RECORD_CODE: Final = 10
_MAX_FIELD_BYTES: Final = 4_096
_MAX_SIZE: Final = 1e12
_EARLIEST_NS, _LATEST_NS = 10**17, 1 << 62
_CURE: Final = "give a file of trades with the columns " + ", ".join(REQUIRED)


@dataclass(slots=True)
class ReadTally:
    """How the reading went. `first_bad` is one line about the first row that could not be used; `dropped` were of
    symbols that nobody wants, `records` told about earlier trades."""

    rows: int = 0
    dropped: int = 0
    bad_rows: int = 0
    records: int = 0
    first_bad: str = ""


# Whether anybody wants the trades of a symbol; None of a row that nobody wants.
Wanted = Callable[[str], bool]
Parse = Callable[[Sequence[str]], Print | None]


class _BadCell(Exception):
    """A row cannot be used."""

    def __init__(self, column: str, value: str, cure: str) -> None:
        super().__init__(f"column {column}: {value[:40]!r} cannot be used; {cure}")


def read_trades(path: Path, tally: ReadTally, wanted: Wanted = lambda _: True) -> Iterator[Print]:
    """The trades of `wanted` symbols in the file's order, a row at a time; what cannot be used is counted, left out.

    Raises: BadInput: no such file, no such columns, not readable, or more than `MAX_BAD_ROWS` bad rows.
    """
    try:
        with _opened(path) as file:
            rows = csv.reader(file)
            header = next(rows, [])
            parse = _parser(path, header, wanted)
            for row in rows:
                trade = _taken(path, rows.line_num, row, parse, tally)
                if trade is not None:
                    yield trade
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as fault:
        raise BadInput("replay", str(path), f"{_CURE}: {fault}") from fault


def _taken(path: Path, line: int, row: Sequence[str], parse: Parse, tally: ReadTally) -> Print | None:
    if not row:
        return None
    tally.rows += 1
    try:
        trade = parse(row)
    except _BadCell as fault:
        tally.bad_rows += 1
        text = f"{path}: line {line}, {fault}"
        tally.first_bad = tally.first_bad or text
        if tally.bad_rows > MAX_BAD_ROWS:
            raise BadInput(
                "replay", str(path), f"more than {MAX_BAD_ROWS} bad rows; the last: {text}"
            ) from fault
        return None
    if trade is None:
        tally.dropped += 1
        return None
    if trade.correction >= _FIRST_RECORD_CODE:
        tally.records += 1
        return None
    return trade


def _opened(path: Path) -> IO[str]:
    csv.field_size_limit(_MAX_FIELD_BYTES)
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return open(path, encoding="utf-8", newline="")


def _parser(path: Path, header: Sequence[str], wanted: Wanted) -> Parse:
    """Raises: BadInput: a column is missing."""
    places = {name.strip().lower(): index for index, name in enumerate(header)}
    for name in REQUIRED:
        if name not in places:
            found = ", ".join(header)[:200] or "nothing"
            raise BadInput(
                "replay", str(path), f"line 1: the column {name!r} is missing (found: {found}); {_CURE}"
            )
    used = [places.get(name, -1) for name in (*REQUIRED, *OPTIONAL)]

    def parse(row: Sequence[str]) -> Print | None:
        count = len(row)
        # Most rows of a whole market are nobody's: they are not even looked at.
        if used[0] < count and not wanted(row[used[0]]):
            return None
        return _print([row[place] if 0 <= place < count else "" for place in used])

    return parse


def _print(cells: Sequence[str]) -> Print:
    ticker, price, size, sip, conditions, correction, exchange, own_id, made, sequence, tape, trf, trf_ns = (
        cells
    )
    if not SYMBOL.fullmatch(ticker):
        raise _BadCell("ticker", ticker, "give a symbol")
    ts_ms = _time_ms("sip_timestamp", sip)
    number = _whole("sequence_number", sequence, 0)
    trf_id = _whole("trf_id", trf, 0)
    return Print(
        symbol=ticker,
        trade_id=own_id or str(number),
        exchange=_whole("exchange", exchange, 0),
        tape=min(3, max(1, _whole("tape", tape, 1))),
        price=_number("price", price, MAX_PRICE),
        size=_number("size", size, _MAX_SIZE),
        conditions=_conditions(conditions),
        ts_ms=ts_ms,
        participant_ms=_time_ms("participant_timestamp", made) if made else ts_ms,
        sequence=number,
        trf=trf_id,
        trf_ms=_time_ms("trf_timestamp", trf_ns) if trf_id and trf_ns not in ("", "0") else 0,
        correction=_whole("correction", correction, 0),
    )


def _conditions(text: str) -> tuple[int, ...]:
    if not text:
        return ()
    parts = text.strip("[]").replace(",", " ").split()
    return tuple(_whole("conditions", part, 0) for part in parts)


def _number(column: str, text: str, top: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= top:
        raise _BadCell(column, text, f"give a number above 0, at most {top:g}")
    return value


def _whole(column: str, text: str, default: int) -> int:
    if not text:
        return default
    if not text.isdecimal() or len(text) > 18:
        raise _BadCell(column, text, "give a whole number")
    return int(text)


def _time_ms(column: str, text: str) -> int:
    """Nanoseconds UTC as milliseconds."""
    if not text.isdecimal() or not _EARLIEST_NS <= int(text[:20]) < _LATEST_NS:
        raise _BadCell(column, text, "give nanoseconds since 1970 (19 digits)")
    return int(text[:20]) // NS_PER_MILLISECOND
