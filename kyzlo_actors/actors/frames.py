"""Frames out of a mailbox: what cannot be decoded is counted, told loudly, and dropped.

Dropped, not fatal like every other surprise: the mailbox lies in our own 0700 directory, so such a frame is a defect
of a peer or of a version, and one broken sender must not keep a healthy actor in a crash loop.
"""

from __future__ import annotations

import logging
from typing import Final

from kyzlo_actors.actors.wire import Envelope, decode_envelope
from kyzlo_actors.infrastructure.codec import Undecodable, UnknownType

_SHOWN_CHARACTERS: Final = 200


class Frames:
    """The decoder of one mailbox; `dropped` counts what it could not use."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self.dropped = 0

    def decode(self, payload: bytes) -> Envelope | None:
        """The envelope, or None for a frame that is not one of ours."""
        try:
            return decode_envelope(payload)
        except (UnknownType, Undecodable) as error:
            self.dropped += 1
            # The 1st, 2nd, 4th, 8th …: a flood of garbage must not become a flood of log lines.
            if self.dropped & (self.dropped - 1) == 0:
                reason = str(error)[:_SHOWN_CHARACTERS]
                text = "a frame of %d bytes cannot be decoded and is dropped (%d so far): %s"
                self._log.critical(text, len(payload), self.dropped, reason)
            return None
