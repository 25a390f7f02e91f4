"""A mapping that is replaced, never changed, and cheap to replace even when it is large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# Copying 50,000 orders for each change costs a millisecond; a layer of this size costs some microseconds.
LAYER_LIMIT: Final = 256


class Layered(Mapping[K, V], Generic[K, V]):
    """A large base under a small layer of newer values; the layer sinks into the base when it is full.

    Bound: none of its own; whoever owns it drops what is no longer needed.
    """

    __slots__ = ("_base", "_layer", "_length")

    def __init__(self, base: Mapping[K, V]) -> None:
        self._base: Mapping[K, V] = base
        self._layer: dict[K, V] = {}
        self._length = len(base)

    @staticmethod
    def of(items: Mapping[K, V]) -> Layered[K, V]:
        """`items` as a layered mapping; itself when it is one already."""
        return items if isinstance(items, Layered) else Layered(items)

    def with_item(self, key: K, value: V) -> Layered[K, V]:
        """The same with `key` set to `value`; this one stays as it was."""
        layer = {**self._layer, key: value}
        if len(layer) >= LAYER_LIMIT:
            return Layered({**self._base, **layer})
        following: Layered[K, V] = Layered.__new__(Layered)
        following._base, following._layer = self._base, layer
        following._length = self._length + (key not in self)
        return following

    def __getitem__(self, key: K) -> V:
        return self._layer[key] if key in self._layer else self._base[key]

    def __contains__(self, key: object) -> bool:
        return key in self._layer or key in self._base

    def __iter__(self) -> Iterator[K]:
        yield from self._base
        yield from (key for key in self._layer if key not in self._base)

    def __len__(self) -> int:
        return self._length
