"""Messages and records to JSON and back: `{"type": "<ClassName>", ...fields}`.

Unknown fields are ignored and missing ones take their defaults, so that an older journal stays readable.
Bounds: none of its own; mailbox and journal limit the size. Floats that are no number (NaN, infinities) are
null in JSON and come back as NaN, because one odd price must not make a journal unreadable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import orjson
from cattrs.preconf.orjson import OrjsonConverter, make_converter

from kyzlo_actors.domain.errors import Fatal

TAG: Final = "type"


class UnknownType(Fatal):
    """A type that this codec was not told about: by the sender's mistake, or of a newer version."""


class Undecodable(Fatal):
    """Bytes or fields that are no valid message."""


class Codec:
    """Knows `types` (dataclasses) by their class names; what they are made of needs no mention.

    Fields may be Decimal (a string in JSON), enums of strings, int (64 bits), float, bool, str, other
    dataclasses, tuples, dicts with string keys, optional, and unions of dataclasses (these carry their own
    "type"). Raises: Fatal: two types of one name, or a field named "type".
    """

    def __init__(self, types: Iterable[type]) -> None:
        self._converter = _converter()
        self._types: dict[str, type] = {}
        self._encoders: dict[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {}
        self._decoders: dict[str, tuple[type, Callable[[Any, Any], Any]]] = {}
        for each in types:
            self._add(each)

    def prepare(self) -> Codec:
        """Make every converter now (some milliseconds a type) instead of when it is first needed."""
        for each in self._types.values():
            self._encoder(each)
            self._decoder(each.__name__)
        return self

    def encode(self, obj: object) -> bytes:
        """The JSON of `obj`. Raises: UnknownType."""
        return orjson.dumps(self.to_dict(obj))

    def decode(self, data: bytes) -> object:
        """The object that `data` describes.

        Raises: UnknownType; Undecodable: not JSON, or fields are unusable.
        """
        try:
            plain = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise Undecodable(f"not JSON: {error}") from error
        return self.from_dict(plain)

    def to_dict(self, obj: object) -> dict[str, Any]:
        """`obj` as plain data that JSON can say. Raises: UnknownType."""
        known = self._encoders.get(type(obj)) or self._encoder(type(obj))
        if known is None:
            raise UnknownType(f"no codec for {type(obj).__name__}")
        name, encode = known
        return {TAG: name, **encode(obj)}

    def from_dict(self, plain: object) -> object:
        """The object that plain data describes. Raises: UnknownType, Undecodable."""
        if not isinstance(plain, dict) or TAG not in plain:
            raise Undecodable(f'an object with a "{TAG}" is expected, not {type(plain).__name__}')
        name = plain[TAG]
        known = (self._decoders.get(name) or self._decoder(name)) if isinstance(name, str) else None
        if known is None:
            raise UnknownType(f"no codec for {plain[TAG]!r}")
        target, decode = known
        try:
            return decode(plain, target)
        # What cattrs lets through from constructors of fields: absent keys, wrong shapes, bad numbers.
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise Undecodable(f"{plain[TAG]}: {type(error).__name__}: {error}") from error

    def _add(self, added: type) -> None:
        name = added.__name__
        if self._types.setdefault(name, added) is not added:
            raise Fatal(f"two types are named {name}")
        if not is_dataclass(added) or any(field.name == TAG for field in fields(added)):
            raise Fatal(f'{name} must be a dataclass without a field named "{TAG}"')

    def _encoder(self, known: type) -> tuple[str, Callable[[Any], dict[str, Any]]] | None:
        if self._types.get(known.__name__) is not known:
            return None
        made = (known.__name__, self._converter.get_unstructure_hook(known))
        return self._encoders.setdefault(known, made)

    def _decoder(self, name: str) -> tuple[type, Callable[[Any, Any], Any]] | None:
        known = self._types.get(name)
        if known is None:
            return None
        return self._decoders.setdefault(name, (known, self._converter.get_structure_hook(known)))


def _converter() -> OrjsonConverter:
    # Plain errors instead of collected ones: half the time, and `Undecodable` says enough.
    converter = make_converter(detailed_validation=False)
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_structure_hook(float, _float)
    # By class, or a StrEnum would pass as the `str` it also is and stay an enum in plain data.
    converter.register_unstructure_hook(StrEnum, lambda value: value.value)
    converter.register_unstructure_hook_factory(
        _is_dataclass_union, lambda _: _union_encoder(converter.unstructure)
    )
    converter.register_structure_hook_factory(
        _is_dataclass_union, lambda union: _union_decoder(union, converter.structure)
    )
    return converter


def _decimal(value: Any, _: type) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is no decimal number") from error


def _float(value: Any, _: type) -> float:
    return math.nan if value is None else float(value)


def _is_dataclass_union(candidate: Any) -> bool:
    """Whether it is a union of two or more dataclasses (and perhaps None); a mere `X | None` needs no tag."""
    if get_origin(candidate) not in (Union, UnionType):
        return False
    members = [member for member in get_args(candidate) if member is not NoneType]
    return len(members) > 1 and all(is_dataclass(member) for member in members)


def _union_encoder(unstructure: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def encode(value: Any) -> Any:
        return None if value is None else {TAG: type(value).__name__, **unstructure(value)}

    return encode


def _union_decoder(union: Any, structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    members = {member.__name__: member for member in get_args(union) if member is not NoneType}
    is_optional = NoneType in get_args(union)

    def decode(value: Any, _: Any) -> Any:
        if value is None and is_optional:
            return None
        member = members.get(value[TAG])
        if member is None:
            raise UnknownType(f"{value[TAG]!r} is none of {', '.join(members)}")
        return structure(value, member)

    return decode
