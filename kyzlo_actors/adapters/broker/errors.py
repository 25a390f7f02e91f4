"""What an HTTP refusal of the broker means, from its status and its words: its codes are reused and unreliable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from kyzlo_actors.adapters.broker.parse import load_json

_MESSAGE_LENGTH: Final = 300
_DUPLICATE: Final = re.compile(r"client_order_id\s+must\s+be\s+unique", re.IGNORECASE)
_NOT_FOUND: Final = re.compile(r"not found|does not exist", re.IGNORECASE)
_BAD_KEYS: Final = re.compile(
    r"^unauthorized\.?$|access key verification failed|^forbidden\.?$", re.IGNORECASE
)


class FailureKind(Enum):
    """REFUSED is a definite no; UNCLEAR says nothing about what became of the request."""

    DUPLICATE = auto()
    UNAUTHORIZED = auto()
    NOT_FOUND = auto()
    RATE_LIMITED = auto()
    REFUSED = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFailure:
    """A reply that is no success. `code` is the broker's number, or `HTTP_<status>`; `message` one short line."""

    kind: FailureKind
    http_status: int
    code: str
    message: str

    @property
    def is_definite(self) -> bool:
        """The broker did not do what was asked, and said so."""
        return self.kind not in (FailureKind.UNCLEAR, FailureKind.RATE_LIMITED)


def classify(http_status: int, body: bytes) -> HttpFailure:
    """What a reply other than success means."""
    data = load_json(body)
    fields = data if isinstance(data, dict) else {}
    message = fields.get("message")
    number = fields.get("code")
    return HttpFailure(
        kind=_kind(http_status, message if isinstance(message, str) else None),
        http_status=http_status,
        code=str(number) if type(number) is int else f"HTTP_{http_status}",
        message=_line(message)
        if isinstance(message, str)
        else f"{len(body)} bytes that are not the broker's",
    )


def _kind(http_status: int, message: str | None) -> FailureKind:
    if http_status == 429:
        return FailureKind.RATE_LIMITED
    # 408: the server gave up waiting for bytes that it may have had; 2xx and 3xx are no refusals at all.
    if http_status == 408 or not 400 <= http_status < 500:
        return FailureKind.UNCLEAR
    if message is not None and _DUPLICATE.search(message):
        return FailureKind.DUPLICATE
    if http_status == 401 or (http_status == 403 and (message is None or _BAD_KEYS.search(message))):
        return FailureKind.UNAUTHORIZED
    if http_status == 404:
        # A proxy's or a wrong address' 404 proves nothing about an order.
        found = message is not None and _NOT_FOUND.search(message)
        return FailureKind.NOT_FOUND if found else FailureKind.UNCLEAR
    return FailureKind.REFUSED


def _line(message: str) -> str:
    return " ".join(message.split())[:_MESSAGE_LENGTH]
