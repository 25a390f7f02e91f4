"""Taking new settings: checked on a thread of its own, one check at a time; then the core decides."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, Final

from kyzlo_actors.guardian.admin_socket import Answer, Held
from kyzlo_actors.guardian.halt_events import SettingsChecked
from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.guardian.options import GuardianOptions
from kyzlo_actors.ports.clock import Clock

RENEWAL: Final = "renew"


class SettingsCheck:
    """`post` takes the outcome to the guardian's loop; the answer is held until the core has it."""

    def __init__(
        self, options: GuardianOptions, clock: Clock, post: Callable[[SettingsChecked], None]
    ) -> None:
        self._path = options.settings_path
        self._check = options.check_settings
        self._clock = clock
        self._post = post
        self._thread: Thread | None = None

    def begin(self, request: dict[str, Any]) -> Answer | Held:
        """Begin to check what stands in the settings file now, if it is the one that `request` names."""
        check = self._check
        if check is None or self._path is None:
            return _refusal("this guardian was started without a settings file")
        if request.get("settings") != str(self._path):
            return _refusal(f"the service was started with {self._path}, not with {request.get('settings')}")
        if self._thread is not None and self._thread.is_alive():
            return _refusal("other settings are being checked: try again when that is over")
        self._thread = Thread(target=self._run, args=(check,), name="settings-check", daemon=True)
        self._thread.start()
        return Held(RENEWAL)

    def _run(self, check: Callable[[], str]) -> None:
        self._post(SettingsChecked(problem=check(), at=Moment.of(self._clock)))


def _refusal(error: str) -> Answer:
    return {"ok": False, "error": error}
