"""How messages, events and effects are written: in mailboxes, journals and snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kyzlo_actors.domain.broker_events import BROKER_EVENT_TYPES
from kyzlo_actors.domain.effects import EFFECT_TYPES
from kyzlo_actors.domain.execution_core import ExecutionState
from kyzlo_actors.domain.kill_switch_core import KillSwitchState
from kyzlo_actors.domain.messages import MESSAGE_TYPES, Message
from kyzlo_actors.domain.risk_core import RiskState
from kyzlo_actors.domain.symbol_core import SymbolState
from kyzlo_actors.infrastructure.codec import Codec, Undecodable

_STATE_TYPES = (ExecutionState, KillSwitchState, RiskState, SymbolState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message in an event mailbox: who sent it, in which of its lives, and until when it is worth anything.

    `deadline_ns` 0 = no deadline. The id of the message is in its stamp.
    """

    sender: str
    incarnation: int
    deadline_ns: int
    message: Message


@lru_cache(maxsize=1)
def codec() -> Codec:
    """The one codec. It makes a converter when a type is first met; the tree prepares all of them before it forks."""
    return Codec((*MESSAGE_TYPES, *BROKER_EVENT_TYPES, *EFFECT_TYPES, *_STATE_TYPES, Envelope))


def encode_envelope(*, sender: str, incarnation: int, deadline_ns: int, message: Message) -> bytes:
    """The bytes of one mailbox message."""
    envelope = Envelope(sender=sender, incarnation=incarnation, deadline_ns=deadline_ns, message=message)
    return codec().encode(envelope)


def decode_envelope(payload: bytes) -> Envelope:
    """Raises: UnknownType, Undecodable: not one of ours (a message of another version, or a defect)."""
    envelope = codec().decode(payload)
    if not isinstance(envelope, Envelope):
        raise Undecodable(f"not an envelope: {type(envelope).__name__}")
    return envelope
