"""One HTTP request and its whole reply, bounded in time and size; failures say whether anything was sent.

It lives here because adapters that must not know each other (broker, market data) need it.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx

from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.ports.clock import Clock

MAX_BODY_BYTES: Final = 32 << 20
# A server that drips a byte now and then never runs into the read timeout: this bounds the whole reply.
REPLY_SECONDS: Final = 15.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class NotSent(Recoverable):
    """No byte of the request left this machine's process."""


class Unanswered(Recoverable):
    """The request may have arrived; no complete reply came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A complete reply. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def load_tls() -> ssl.SSLContext:
    """The certificates we trust, read from the disk once: what must work when the disk does not is opened with them.

    Raises: OSError: they cannot be read.
    """
    return httpx.create_ssl_context()


def open_client(
    base_url: str, headers: Mapping[str, str], *, connections: int = 4, tls: ssl.SSLContext | None = None
) -> httpx.Client:
    """A client that keeps connections alive, follows no redirect and repeats nothing by itself.

    Without `tls` the trusted certificates are read from the disk now. Raises: OSError: they cannot be read.
    """
    return httpx.Client(
        base_url=base_url.rstrip("/"),
        headers=dict(headers),
        timeout=httpx.Timeout(connect=2.0, read=5.0, write=2.0, pool=1.0),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        follow_redirects=False,
        verify=True if tls is None else tls,
        # A proxy of the environment must not come between us and a server on this machine.
        trust_env=urlsplit(base_url).hostname not in _LOOPBACK,
    )


def exchange(
    client: httpx.Client,
    clock: Clock,
    method: str,
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> HttpReply:
    """Send one request and read its reply. Never repeats anything.

    Raises: NotSent or Unanswered, with the kind of failure only: library texts could hold secrets.
    """
    deadline_ns = clock.monotonic_ns() + int(REPLY_SECONDS * NS_PER_SECOND)
    try:
        with client.stream(method, path, params=params, content=content) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise Unanswered(f"{method}: the reply is larger than {MAX_BODY_BYTES} bytes")
                if clock.monotonic_ns() > deadline_ns:
                    raise Unanswered(f"{method}: the reply took longer than {REPLY_SECONDS:g} s")
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpReply(status=response.status_code, headers=headers, body=bytes(body))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL) as error:
        raise NotSent(f"{method}: {type(error).__name__}") from None
    except httpx.HTTPError as error:
        raise Unanswered(f"{method}: {type(error).__name__}") from None
