"""What has no place in a strategy, by name: the tables of the source scan, each with what to do instead."""

from __future__ import annotations

from typing import Final

_CLOCK: Final = "reads the clock: time comes in bar.end_ns, tick.ts_event or timer.due_ns"
_WAITS: Final = "waits: use a timer"
_FILES: Final = "reads or writes files: parameters and save() are all it may keep"
_DICE: Final = "is random: replay would decide otherwise; make a random.Random(seed) and save its state"
_PROCESS: Final = "differs from process to process: a restart would decide otherwise"
_HIDDEN: Final = "runs code that nobody can read beforehand"

CALLS: Final = {
    **dict.fromkeys(
        (
            "time.time",
            "time.time_ns",
            "time.monotonic",
            "time.monotonic_ns",
            "time.perf_counter",
            "time.perf_counter_ns",
            "time.process_time",
            "time.localtime",
            "time.gmtime",
            "time.ctime",
            "datetime.datetime.now",
            "datetime.datetime.utcnow",
            "datetime.datetime.today",
            "datetime.date.today",
            "pandas.Timestamp.now",
            "pandas.Timestamp.today",
            "pandas.Timestamp.utcnow",
        ),
        _CLOCK,
    ),
    "time.sleep": _WAITS,
    "input": _WAITS,
    "open": _FILES,
    "uuid.uuid1": _DICE,
    "uuid.uuid4": _DICE,
    "random.SystemRandom": _DICE,
    "eval": _HIDDEN,
    "exec": _HIDDEN,
    "hash": _PROCESS,
    "id": _PROCESS,
}
"""Calls by their full name."""

NOW: Final = dict.fromkeys(("pandas.Timestamp", "pandas.to_datetime", "numpy.datetime64"), _CLOCK)
"""Calls that read the clock if their argument says so."""

PREFIXES: Final = {
    "random.": _DICE,
    "numpy.random.": _DICE,
    "secrets.": _DICE,
    "os.": "asks the machine",
    "shutil.": _FILES,
    "tempfile.": _FILES,
    "pandas.read_": _FILES,
    "numpy.load": _FILES,
    "numpy.save": _FILES,
}
"""Calls by the beginning of their full name."""

SEEDED: Final = frozenset(
    {"random.Random", "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator"}
)
"""Right with a seed, random without."""

METHODS: Final = dict.fromkeys(
    (
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "to_csv",
        "to_parquet",
        "to_pickle",
        "to_sql",
        "to_excel",
        "to_hdf",
    ),
    _FILES,
)
"""Methods of whatever object."""

_NETWORK: Final = "speaks to the network: a callback that waits misses its market"
_PARALLEL: Final = "runs beside its actor: callbacks come on one thread, one at a time"
_DATABASE: Final = "speaks to a database: a callback that waits misses its market"

IMPORTS: Final = {
    **dict.fromkeys(
        (
            "aiohttp",
            "alpaca",
            "ftplib",
            "http",
            "httpx",
            "requests",
            "select",
            "selectors",
            "smtplib",
            "socket",
            "ssl",
            "urllib",
            "urllib3",
            "websocket",
            "websockets",
            "yfinance",
        ),
        _NETWORK,
    ),
    **dict.fromkeys(
        ("asyncio", "concurrent", "multiprocessing", "subprocess", "thespian", "threading"), _PARALLEL
    ),
    **dict.fromkeys(("psycopg", "psycopg2", "redis", "sqlalchemy", "sqlite3"), _DATABASE),
    "ctypes": "can end the process",
    "secrets": _DICE,
    "signal": "belongs to the service",
}
"""Modules that are an error wherever they are imported."""

DOUBTFUL: Final = {
    **dict.fromkeys(("io", "os", "pathlib", "pickle", "shutil", "tempfile"), _FILES),
    "logging": "writes to a log: put figures into Signal.indicators, they are journaled",
    "importlib": _HIDDEN,
}
"""Modules that are a warning: they also hold harmless things."""

CHANGING: Final = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "insert",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "setdefault",
        "update",
    }
)
"""Methods that change a collection."""
