"""What the web server may say: its own accidents, not what a client did wrong (that is answered with 400)."""

from __future__ import annotations

import logging
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError

_LOG: Final = "kyzlo.venue"


def server_log() -> logging.Logger:
    """The logger for the web server. It may be asked for more than once."""
    log = logging.getLogger(_LOG)
    log.addFilter(_is_our_accident)
    return log


def _is_our_accident(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
