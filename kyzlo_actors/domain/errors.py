"""Errors that say whose fault it is and whether trying again can help."""

from __future__ import annotations


class KyzloError(Exception):
    """Root of every error this project raises on purpose."""


class Recoverable(KyzloError):
    """Passing trouble outside of us: trying again later can help."""


class Fatal(KyzloError):
    """A defect or a broken promise: trying again cannot help, the process must end."""


class BadInput(KyzloError):
    """A person gave something unusable. `field`, `value` and `cure` go into one clear line (exit 2)."""

    def __init__(self, field: str, value: object, cure: str) -> None:
        super().__init__(f"{field}: {value!r} cannot be used; {cure}")
        self.field = field
        self.value = value
        self.cure = cure


class IllegalTransition(Fatal):
    """An order was asked to make a move that its status table does not allow; nothing changed."""
