"""Where certificates lie: numbered files, each with the hash of the one before it. Written, never changed.

Bounds: the newest 1,000 are kept; a certificate that is read has at most 4 MiB.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.guardian.certificate import (
    FIRST_PREVIOUS,
    CertificateFacts,
    certificate_fields,
    certificate_text,
    is_intact,
)
from kyzlo_actors.infrastructure.files import fsync_directory, write_durable

KEPT_CERTIFICATES: Final = 1_000
UNREADABLE: Final = "unreadable"
_NAME: Final = re.compile(r"(\d{8})-([a-z]+--?\d+)\.json")
_CERTIFICATE_BYTES: Final = 4 << 20


class CertificateStore:
    """`<directory>/<number>-<halt id>.json` (0600) and the same as text. The guardian is the only writer.

    What a certificate could not prove, a later one of the same halt may: the newest of a halt counts.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, facts: CertificateFacts) -> Path:
        """Write the next certificate, durably, and forget the oldest. Raises: Fatal: the file system refused."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            names = self._names()
            sequence = int(names[-1][:8]) + 1 if names else 1
            previous = self._hash_of(names[-1]) if names else FIRST_PREVIOUS
            fields = certificate_fields(facts, sequence=sequence, previous_sha256=previous)
            path = self._directory / f"{sequence:08d}-{facts.halt_id}.json"
            self._put(path.with_suffix(".txt"), certificate_text(fields).encode())
            self._put(path, orjson.dumps(fields, option=orjson.OPT_INDENT_2))
            fsync_directory(self._directory)
        except OSError as error:
            raise Fatal(f"the certificate of {facts.halt_id} cannot be written: {error}") from error
        self._forget_oldest()
        return path

    def newest(self, halt_id: str) -> dict[str, Any] | None:
        """The newest certificate of a halt, None when there is none that can be read."""
        for name in reversed(self._names()):
            if name[9:] == f"{halt_id}.json" and (fields := self._read(name)) is not None:
                return fields
        return None

    def broken_links(self) -> list[str]:
        """Names of certificates that were changed, cannot be read, or do not follow the one before them."""
        broken: list[str] = []
        previous: str | None = None
        for name in self._names():
            fields = self._read(name)
            follows = fields is not None and previous in (None, fields["previous_sha256"])
            if fields is None or not follows or not is_intact(fields):
                broken.append(name)
            previous = self._hash_of(name)
        return broken

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._directory) if _NAME.fullmatch(name))
        except FileNotFoundError:
            return []

    def _hash_of(self, name: str) -> str:
        fields = self._read(name)
        return UNREADABLE if fields is None else str(fields.get("sha256"))

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            with open(self._directory / name, "rb") as file:
                fields = orjson.loads(file.read(_CERTIFICATE_BYTES))
        except (OSError, orjson.JSONDecodeError):
            return None
        return fields if isinstance(fields, dict) and "sha256" in fields else None

    def _put(self, path: Path, data: bytes) -> None:
        # A name appears only with its content: whoever waits for it never reads half a certificate.
        draft = path.with_name(f".{path.name}.draft")
        write_durable(draft, data)
        os.rename(draft, path)

    def _forget_oldest(self) -> None:
        for name in self._names()[:-KEPT_CERTIFICATES]:
            for old in (self._directory / name, (self._directory / name).with_suffix(".txt")):
                with suppress(OSError):
                    old.unlink()
