"""One order's whole chain out of all journals: the trigger, every message that names the order, and its verdict.

Two passes over the records, which are told apart by their bytes; memory holds what belongs to the order, and no more
than 5,000 records of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from kyzlo_actors.domain.errors import BadInput, Recoverable
from kyzlo_actors.infrastructure.journal_segment import JournalRecord

MOST_RECORDS: Final = 5_000
# These hold the whole book: that the order is among the others says nothing about it.
_WHOLE_BOOK: Final = frozenset({"StateRead", "BookSnapshot", "PositionSnapshot"})
_MOST_NAMED: Final = 5

Read = Callable[[str], Iterable[JournalRecord]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """One journal entry that belongs to the order; of a decision only the effects that do."""

    actor: str
    seq: int
    tx_time: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecords:
    """In the order of their times. `is_cut`: there were more than `MOST_RECORDS`."""

    client_order_id: str
    records: tuple[OrderRecord, ...]
    is_cut: bool


def find_order(text: str, actors: Iterable[str], read: Read) -> OrderRecords:
    """The order whose client order id contains `text`, in the journals of `actors` that `read` opens.

    Raises: BadInput: several orders do. Recoverable: none does.
    """
    actors = tuple(actors)
    found: dict[str, set[str]] = {}
    for actor in actors:
        for record in read(actor):
            for order_id in _named(record.body, text):
                correlations = found.setdefault(order_id, set())
                correlations |= _correlations(orjson.loads(record.body), order_id)
    if text in found:
        found = {text: found[text]}
    if not found:
        raise Recoverable(f"no journal names an order {text}; what is older may be in the archive")
    if len(found) > 1:
        some = ", ".join(sorted(found)[:_MOST_NAMED])
        raise BadInput("--order", text, f"{len(found)} orders match, give more of it: {some}")
    ((order_id, correlations),) = found.items()
    needles = {order_id, *correlations}
    records: list[OrderRecord] = []
    for actor in actors:
        records += _belonging(actor, read(actor), needles, MOST_RECORDS + 1 - len(records))
    records.sort(key=lambda record: (record.tx_time, record.actor, record.seq))
    is_cut = len(records) > MOST_RECORDS
    return OrderRecords(client_order_id=order_id, records=tuple(records[:MOST_RECORDS]), is_cut=is_cut)


def _belonging(
    actor: str, records: Iterable[JournalRecord], needles: set[str], room: int
) -> Iterator[OrderRecord]:
    encoded = [needle.encode() for needle in needles]
    cause: JournalRecord | None = None
    for record in records:
        is_named = any(needle in record.body for needle in encoded)
        if record.body.startswith(b'{"input"'):
            # A tick or bar does not know what it will trigger: it is told by the decision that follows it.
            cause = None if is_named else record
        if not is_named:
            continue
        body = _trimmed(orjson.loads(record.body), encoded)
        if body is None:
            continue
        for each, content in ((cause, None), (record, body)):
            if each is not None and room > 0:
                room -= 1
                shown = orjson.loads(each.body) if content is None else content
                yield OrderRecord(actor=actor, seq=each.seq, tx_time=each.tx_time, body=shown)
        cause = None


def _trimmed(body: dict[str, Any], needles: list[bytes]) -> dict[str, Any] | None:
    """The body without what only mentions the order; None when nothing is left."""
    if "input" in body:
        return None if _kind(body["input"]) in _WHOLE_BOOK else body
    effects = [
        effect
        for effect in body.get("decision", ())
        if _kind(effect) not in _WHOLE_BOOK and any(needle in orjson.dumps(effect) for needle in needles)
    ]
    return {"decision": effects} if effects else None


def _kind(thing: Mapping[str, Any]) -> str:
    message = thing.get("message")
    return str(message.get("type") if isinstance(message, Mapping) else thing.get("type"))


def _named(body: bytes, text: str) -> set[str]:
    if text.encode() not in body:
        return set()
    pattern = rb'"client_order_id":"([^"]*' + re.escape(text.encode()) + rb'[^"]*)"'
    return {match.decode() for match in re.findall(pattern, body)}


def _correlations(thing: Any, order_id: str) -> set[str]:
    """Correlation ids of the messages and orders in `thing` that are about this order."""
    if isinstance(thing, list):
        return {found for part in thing for found in _correlations(part, order_id)}
    if not isinstance(thing, dict):
        return set()
    own = thing.get("client_order_id")
    ticket = thing.get("ticket")
    if own is None and isinstance(ticket, dict):
        own = ticket.get("client_order_id")
    stamp = thing.get("stamp")
    about = stamp if isinstance(stamp, dict) else thing
    found = {about["correlation_id"]} if own == order_id and about.get("correlation_id") else set()
    return found.union(*(_correlations(part, order_id) for part in thing.values()))
