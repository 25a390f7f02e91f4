"""The hardened ActorSystem: every patch of Thespian 4.0.1 stands here, with its reason and a test.

Stock Thespian listens on 0.0.0.0, unpickles what anyone sends, survives its parents, and spins on SIGSEGV.
"""

from __future__ import annotations

import ctypes
import hmac
import logging
import os
import pickle
import signal
import socket
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from thespian.actors import ActorAddress, ActorSystem
from thespian.system import multiprocCommon, systemCommon
from thespian.system.transport import IPBase, TCPTransport, streamBuffer

from kyzlo_actors.domain.errors import Fatal

LOOPBACK: Final = "127.0.0.1"
START_ATTEMPTS: Final = 5
_MAC: Final = "sha256"
_MAC_BYTES: Final = 32
_PR_SET_PDEATHSIG: Final = 1
_QUIET: Final = {"version": 1, "root": {"handlers": [], "level": "WARNING"}}
_CRASH_SIGNALS: Final = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT)


class SignedPickle:
    """Pickle with an HMAC in front: a frame that was not made with our key is never unpickled."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def dumps(self, message: object) -> bytes:
        """The signed frame of a message."""
        body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        return hmac.digest(self._key, body, _MAC) + body

    def loads(self, frame: bytes) -> Any:
        """The message of a signed frame. Raises: pickle.UnpicklingError: it is not ours."""
        frame = bytes(frame)
        mac, body = frame[:_MAC_BYTES], frame[_MAC_BYTES:]
        if not hmac.compare_digest(mac, hmac.digest(self._key, body, _MAC)):
            raise pickle.UnpicklingError("frame with a wrong signature")
        return pickle.loads(body)


def patch_thespian(key: bytes, log_file: Path) -> None:
    """Make every ActorSystem that this process starts safe. To be called once, before `ActorSystem()`."""
    _bind_to_loopback()
    _tie_logger_to_admin()
    serializer = SignedPickle(key)
    TCPTransport.serializer = serializer
    # The acknowledgements are pickled once, at import: without new ones every shutdown takes 10 s.
    TCPTransport.ackMsg = streamBuffer.toSendBuffer(streamBuffer.ackPacket, serializer.dumps)
    TCPTransport.ackDataErrMsg = streamBuffer.toSendBuffer(streamBuffer.ackDataErrPacket, serializer.dumps)
    # Above 4,480 sends a second `send()` would sleep 100 ms.
    systemCommon.RATE_THROTTLE = 10**9
    # Thespian's own log is else in the temporary directory, readable by all, with message contents.
    os.environ["THESPLOG_FILE"] = str(log_file)


# What logging was before Thespian replaced it in its actors by a root that sends every record as a message: from
# a work thread that would use the actor's transport from two threads, and our rule is not to log through Thespian.
_ROOT_LOGGER: Final = logging.root
_LOG_MANAGER: Final = logging.Logger.manager


def take_back_logging() -> None:
    """Undo Thespian's replacement of the root logger in this actor."""
    logging.root = _ROOT_LOGGER
    logging.Logger.root = _ROOT_LOGGER
    logging.Logger.manager = _LOG_MANAGER


def _bind_to_loopback() -> None:
    os.environ["THESPIAN_BASE_IPADDR"] = LOOPBACK
    original = IPBase.IPActorAddress.__init__

    def bound_to_loopback(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.bindname = (LOOPBACK, self.bindname[1])

    IPBase.IPActorAddress.__init__ = bound_to_loopback


def _tie_logger_to_admin() -> None:
    """Thespian's logger is no actor: without this it outlives an Admin that is killed, and keeps its port."""
    original = multiprocCommon.startupASLogger

    def tied(*args: Any) -> None:
        _die_with_parent()
        original(*args)

    multiprocCommon.startupASLogger = tied
    # The Admin looks for it when it replaces a logger that died, and would die of not having it.
    multiprocCommon.MultiProcReplicator.logDefs = _QUIET


def harden_process() -> None:
    """First line of every actor: die of crash signals, and die with the parent.

    Thespian puts Python handlers on all signals; after SIGSEGV the faulting instruction would run for ever.
    PDEATHSIG follows the forking *thread*: only main threads may fork.
    """
    for number in _CRASH_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _die_with_parent()


def _die_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the line above


def start_actor_system() -> Any:
    """A hardened ActorSystem on a free loopback port.

    A taken port would silently *join* the system there; with our own key that fails, and another port is tried.
    Raises: Fatal: none of the attempts worked.
    """
    # Inherited by the whole tree: what it makes, Thespian's log with its message contents above all, is ours alone.
    umask = os.umask(0o077)
    try:
        return _start_on_free_port()
    finally:
        os.umask(umask)


def _start_on_free_port() -> Any:
    last: Exception | None = None
    for _ in range(START_ATTEMPTS):
        capabilities = {"Admin Port": _free_port(), "Admin Address": LOOPBACK}
        try:
            return ActorSystem("multiprocTCPBase", capabilities, logDefs=_QUIET)
        except Exception as error:  # Thespian raises what its transport meets
            last = error
    raise Fatal(f"the actor system does not start: {last}")


def ask(system: Any, target: ActorAddress, message: object, timeout_seconds: float) -> Any:
    """One question, one answer, or None. A private context: no late answer to an earlier question can come."""
    with system.private() as private:
        return private.ask(target, message, timedelta(seconds=timeout_seconds))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def main_thread_only(what: str) -> None:
    """Guard for everything that forks.

    Raises: Fatal: another thread than the main one is about to fork.
    """
    if threading.current_thread() is not threading.main_thread():
        raise Fatal(f"{what} may only be done by the main thread")
