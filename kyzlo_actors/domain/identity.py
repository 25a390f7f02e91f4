"""Identities as functions of inputs: the same journal gives the same ids, so nothing can be sent twice.

It lives in the domain (not in infrastructure) because the cores, which may import nothing outside the domain,
are the ones that name what they decide.
"""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID, uuid5

ORDER_PREFIX: Final = "kyzlo."
_NAMESPACE: Final = UUID("61e69015-8549-4bfd-b9c3-01e75843f47d")


def event_id(kind: str, *parts: object) -> str:
    """A 20-digit hexadecimal id of an event: the same kind and parts always give the same id."""
    text = "|".join((kind, *map(str, parts)))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def client_order_id(
    *, account: str, symbol: str, strategy: str, ts_event: int, natural_key: str, intent_index: int
) -> str:
    """The one id an order intent can ever have: `kyzlo.<strategy>.<uuid5>` (at most 128 characters).

    `natural_key` names the trigger (tick, bar, timer …), `intent_index` counts the orders of one trigger.
    The broker refuses a second order under the same id, which proves that the first arrived.
    """
    name = "|".join((account, symbol, strategy, str(ts_event), natural_key, str(intent_index)))
    return f"{ORDER_PREFIX}{strategy[:80]}.{uuid5(_NAMESPACE, name)}"


def is_ours(order_id: str) -> bool:
    """Whether the order was ours, even when the record of its intent was lost in a power cut."""
    return order_id.startswith(ORDER_PREFIX)
