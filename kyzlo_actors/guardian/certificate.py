"""The halt certificate: what was open, what became of it, what proves that nothing is left. Pure; no files here."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from kyzlo_actors.domain.values import NS_PER_SECOND

FIRST_PREVIOUS: Final = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderProof:
    """One order that was open, in flight or canceled during the halt, and how we know its end.

    `cancel_asked_by`: broker actor, guardian, or nobody. `proof` is a terminal status at the broker, `absent from
    the open orders`, or `open`. Quantities are decimal strings.
    """

    client_order_id: str
    venue_order_id: str = ""
    symbol: str = ""
    side: str = ""
    qty: str = ""
    filled_qty: str = ""
    cancel_asked_by: str = "nobody"
    proof: str = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLeft:
    """A position that the halt left alone (it cancels orders, it does not sell). Signed shares, decimal string."""

    symbol: str
    qty: str
    avg_entry_price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What the core knows of one halt (`kind` halt) or of one orderly stop (`kind` stop).

    Times are ns UTC. `sealed_ns`: from here on no order could be sent (BrokerActor said so, or was dead).
    `clean_reads_ns`: consecutive reads of the broker without an open order; `proven` needs `clean_reads_wanted` of
    them. `killed`: what had to be killed by pid, by name.
    """

    kind: str
    halt_id: str
    by: str
    reason: str
    code: str
    latched_ns: int
    begun_ns: int
    sealed_ns: int | None
    finished_ns: int
    elapsed_seconds: float
    graceful: bool
    in_flight: tuple[str, ...]
    orders: tuple[OrderProof, ...]
    clean_reads_ns: tuple[int, ...]
    clean_reads_wanted: int
    proven: bool
    positions: tuple[PositionLeft, ...]
    killed: dict[str, int]
    trouble: str


def certificate_fields(facts: CertificateFacts, *, sequence: int, previous_sha256: str) -> dict[str, Any]:
    """The certificate as plain data, hash included."""
    fields = {**asdict(facts), "sequence": sequence, "previous_sha256": previous_sha256}
    # Through JSON once: what is hashed is what a reader of the file gets.
    plain: dict[str, Any] = orjson.loads(orjson.dumps(fields))
    return {**plain, "sha256": digest_of(plain)}


def digest_of(fields: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON (sorted keys, no spaces) of everything but the hash itself."""
    body = {key: value for key, value in fields.items() if key != "sha256"}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def is_intact(fields: dict[str, Any]) -> bool:
    """Whether nobody changed the certificate since its hash was made."""
    return fields.get("sha256") == digest_of(fields)


def certificate_text(fields: dict[str, Any]) -> str:
    """The certificate for people: a few dozen lines."""
    title = "HALT CERTIFICATE" if fields["kind"] == "halt" else "STOP CERTIFICATE"
    verdict = "PROVEN: nothing is open" if fields["proven"] else "NOT PROVEN: something may still be open"
    reads = ", ".join(_time(ns) for ns in fields["clean_reads_ns"]) or "none"
    lines = [
        f"{title} {fields['halt_id']} (number {fields['sequence']})",
        f"  {verdict}",
        f"  by {fields['by']} [{fields['code']}]: {fields['reason']}",
        f"  latched   {_time(fields['latched_ns'])}",
        f"  sealed    {_time(fields['sealed_ns'])}",
        f"  finished  {_time(fields['finished_ns'])} ({fields['elapsed_seconds']:.3f} s)",
        f"  graceful  {'yes' if fields['graceful'] else 'no'}",
        f"  clean reads of the broker ({len(fields['clean_reads_ns'])} of {fields['clean_reads_wanted']}): {reads}",
    ]
    lines += _section("in flight when it was sealed", fields["in_flight"])
    lines += _section("orders", [_order_line(order) for order in fields["orders"]])
    lines += _section("positions left", [f"{left['symbol']} {left['qty']}" for left in fields["positions"]])
    lines += _section("killed", [f"{name} (pid {pid})" for name, pid in fields["killed"].items()])
    if fields["trouble"]:
        lines.append(f"  trouble: {fields['trouble']}")
    lines += [f"  previous {fields['previous_sha256']}", f"  sha256   {fields['sha256']}"]
    return "\n".join(lines) + "\n"


def _section(title: str, entries: list[str]) -> list[str]:
    return [f"  {title}: {'' if entries else 'none'}".rstrip(), *(f"    {entry}" for entry in entries)]


def _order_line(order: dict[str, str]) -> str:
    what = " ".join(order[key] for key in ("side", "qty", "symbol") if order[key])
    filled = f", filled {order['filled_qty']}" if order["filled_qty"] else ""
    return f"{order['client_order_id']} {what}: {order['proof']}{filled} (cancel: {order['cancel_asked_by']})"


def _time(ns: int | None) -> str:
    if ns is None:
        return "never"
    seconds, rest = divmod(ns, NS_PER_SECOND)
    # Integers only: a float of today's nanoseconds is off by hundreds of them.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000:06d}Z"
