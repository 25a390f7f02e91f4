"""Makes small files of trades in the columns of the vendor's, for tests of replays."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from kyzlo_actors.venue.timestamps import new_york_ns

COLUMNS = (
    "ticker",
    "conditions",
    "correction",
    "exchange",
    "id",
    "participant_timestamp",
    "price",
    "sequence_number",
    "sip_timestamp",
    "size",
    "tape",
    "trf_id",
    "trf_timestamp",
)
Row = Sequence[object]


def rows_of(ticker: str, day: date, count: int, *, start: str = "09:30", step_ms: int = 1_000) -> list[Row]:
    """`count` trades from `start` on, about one each `step_ms`, around 100 dollars; each third an odd lot."""
    rng = random.Random(f"{ticker}:{day}")
    ns, price, rows = new_york_ns(day, start), 100.0, []
    for number in range(count):
        ns += rng.randrange(1, 2 * step_ms) * 1_000_000
        price = round(price + rng.choice((-0.01, 0.0, 0.01)), 2)
        odd = number % 3 == 2
        trf = number % 5 == 4
        rows.append(
            [
                ticker,
                "14,37,41" if odd else "",
                0,
                4 if trf else 11,
                str(number + 1),
                ns - 2_000_000,
                price,
                1_000 + number,
                ns,
                "0.4" if odd and number % 2 else 40 if odd else 100,
                1,
                202 if trf else "",
                ns - 1_000_000 if trf else "",
            ]
        )
    return rows


def write(path: Path, rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> Path:
    """A file of them; the name says whether it is packed."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
