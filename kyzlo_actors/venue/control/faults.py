"""Faults in force: rules that say which order, event or reply is hit, how often, and what happens to it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.venue.control.fault_kinds import KINDS, FaultKind, FaultShape
from kyzlo_actors.venue.control.malformed import Malformed

MAX_RULES: Final = 1_000
_MAX_DELAY_MS: Final = 60_000
_MAX_COUNT: Final = 1_000_000
_UNKNOWN: Final = "no such fault; GET /_ctl/faults lists them"

Text = Annotated[str, Field(max_length=128)]


class _Request(BaseModel):
    """A rule as a person or a scenario writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    fault: str
    # None: as often as it can.
    count: Annotated[int, Field(ge=1, le=_MAX_COUNT)] | None = None
    # See `is_order`.
    order: Text = ""
    symbol: Text = ""
    event: Text = ""
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    skip: Annotated[int, Field(ge=0, le=_MAX_COUNT)] = 0
    ms: Annotated[int, Field(ge=0, le=_MAX_DELAY_MS)] = 0
    status: Literal[500, 502, 503, 504] = 500
    html: bool = False
    fields: Annotated[list[Text], Field(max_length=100)] = []
    kind: Malformed = "cut"


@dataclass(slots=True, kw_only=True)
class FaultRule:
    """One rule in force. `left` is how often it still strikes (None: for ever), `hits` how often it did.

    `skip` matches are spared first, then each match is hit with `probability`. `ms`, `status`, `html`, `fields`
    and `kind` say what happens, where the fault asks for it.
    """

    name: str
    left: int | None
    order: str
    symbol: str
    event: str
    probability: float
    skip: int
    ms: int
    status: int
    html: bool
    fields: tuple[str, ...]
    kind: Malformed
    rng: random.Random
    hits: int = 0

    @property
    def is_filtered(self) -> bool:
        """Whether it is for some orders, symbols or events only."""
        return bool(self.order or self.symbol or self.event)

    def matches(self, symbol: str, order_id: str, client_order_id: str, event: str) -> bool:
        """Whether it is meant for that."""
        named = is_order(self.order, order_id, client_order_id)
        return named and self.symbol in ("", symbol) and self.event in ("", event)

    def as_json(self) -> dict[str, object]:
        """The rule as it could be given again, and how often it struck."""
        kind = KINDS[self.name]
        shown = {name: getattr(self, name) for name in (*kind.where, *kind.how) if getattr(self, name)}
        if kind.shape is FaultShape.MS:
            shown["ms"] = self.ms
        chances = {"probability": self.probability, "skip": self.skip}
        return {"fault": self.name, "count": self.left, **shown, **chances, "hits": self.hits}


class Faults:
    """What goes wrong at present. `seed` decides the draws of rules with a probability."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._serial = 0
        self._rules: dict[str, list[FaultRule]] = {}

    # ---------------------------------------------------------------- what is in force

    def strike(
        self,
        name: str,
        *,
        symbol: str = "",
        order_id: str = "",
        client_order_id: str = "",
        event: str = "",
    ) -> FaultRule | None:
        """The first rule of that name that hits this, or None; uses up one of its strokes."""
        for rule in self._rules.get(name, ()):
            if not rule.matches(symbol, order_id, client_order_id, event):
                continue
            if rule.skip:
                rule.skip -= 1
            elif rule.probability >= 1 or rule.rng.random() < rule.probability:
                self._use(rule)
                return rule
        return None

    def strikes(self, name: str) -> bool:
        """Whether a rule of that name hits now; uses up one stroke."""
        return self.strike(name) is not None

    def is_on(self, name: str) -> bool:
        """Whether there is any rule of that name; uses up nothing."""
        return name in self._rules

    @property
    def hold_fills(self) -> bool:
        """Nothing fills."""
        return self.is_on("hold_fills")

    # ---------------------------------------------------------------- changing it

    def set(self, name: str, value: object) -> None:
        """The short form: a count, milliseconds or a switch replace the rules of that name; an object adds a rule.

        Raises: BadInput: no such fault, or a value it cannot have; nothing changed.
        """
        kind = _known(name, value)
        if isinstance(value, Mapping):
            self.add({"fault": name, **value})
        elif kind.shape is FaultShape.SWITCH:
            if not isinstance(value, bool):
                raise BadInput(name, value, "give true or false, or a rule")
            self._replace(name, {} if value else None)
        else:
            top = _MAX_DELAY_MS if kind.shape is FaultShape.MS else _MAX_COUNT
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= top:
                raise BadInput(name, value, f"give a whole number from 0 to {top}, or a rule")
            key = "ms" if kind.shape is FaultShape.MS else "count"
            self._replace(name, {key: value} if value else None)

    def add(self, request: Mapping[str, Any]) -> None:
        """Add a rule `{"fault": name, ...}`; a counted fault strikes once if `count` is not given.

        Raises: BadInput: it cannot be used, or there are `MAX_RULES` already; nothing changed.
        """
        kind = _known(str(request.get("fault")), request)
        try:
            read = _Request.model_validate(dict(request))
        except ValidationError as fault:
            first = fault.errors()[0]
            path = ".".join(str(part) for part in first["loc"])
            fields = ", ".join(_fields(kind))
            raise BadInput(
                f"{kind.name}.{path}", first["input"], f"{first['msg']}; fields: {fields}"
            ) from fault
        for given in sorted(read.model_fields_set - {"fault", *_fields(kind)}):
            raise BadInput(f"{kind.name}.{given}", request[given], f"it has only {', '.join(_fields(kind))}")
        if sum(map(len, self._rules.values())) >= MAX_RULES:
            raise BadInput("faults", kind.name, f"{MAX_RULES} rules are the most; clear some first")
        self._rules.setdefault(kind.name, []).append(self._rule(kind, read))

    def apply(self, request: Mapping[str, Any]) -> None:
        """A rule `{"fault": name, ...}`, or short forms by name, as a scenario lists them.

        Raises: BadInput: it cannot be used.
        """
        if "fault" in request:
            self.add(request)
            return
        for name, value in request.items():
            self.set(name, value)

    def clear(self, name: str | None = None) -> None:
        """End the rules of that name, or all of them.

        Raises: BadInput: no such fault.
        """
        if name is None:
            self._rules.clear()
            return
        _known(name, name)
        self._rules.pop(name, None)

    # ---------------------------------------------------------------- showing it

    def as_json(self) -> dict[str, object]:
        """By name: strokes left (None: for ever), milliseconds, or whether it is on."""
        return {name: self._figure(kind) for name, kind in KINDS.items()}

    def rules_json(self) -> list[dict[str, object]]:
        """Every rule in force."""
        return [rule.as_json() for rules in self._rules.values() for rule in rules]

    # ---------------------------------------------------------------- inside

    def _use(self, rule: FaultRule) -> None:
        rule.hits += 1
        if rule.left is None:
            return
        rule.left -= 1
        if not rule.left:
            rules = [other for other in self._rules[rule.name] if other is not rule]
            if rules:
                self._rules[rule.name] = rules
            else:
                del self._rules[rule.name]

    def _replace(self, name: str, values: Mapping[str, Any] | None) -> None:
        self._rules.pop(name, None)
        if values is not None:
            self.add({"fault": name, **values})

    def _rule(self, kind: FaultKind, read: _Request) -> FaultRule:
        self._serial += 1
        counted = kind.shape is FaultShape.COUNT and "count" not in read.model_fields_set
        return FaultRule(
            name=kind.name,
            left=1 if counted else read.count,
            order=read.order,
            symbol=read.symbol,
            event=read.event,
            probability=read.probability,
            skip=read.skip,
            ms=read.ms,
            status=read.status,
            html=read.html,
            fields=tuple(read.fields),
            kind=read.kind,
            rng=random.Random(f"{self._seed}:{kind.name}:{self._serial}"),
        )

    def _figure(self, kind: FaultKind) -> object:
        rules = self._rules.get(kind.name, [])
        if kind.shape is FaultShape.SWITCH:
            return bool(rules)
        if kind.shape is FaultShape.MS:
            return max((rule.ms for rule in rules), default=0)
        lefts = [rule.left for rule in rules]
        return None if None in lefts else sum(left for left in lefts if left is not None)


def is_order(wanted: str, order_id: str, client_order_id: str) -> bool:
    """Whether `wanted` is the order's id or client_order_id; `kyzlo.*` is how one begins, "" is any order."""
    if wanted.endswith("*"):
        return order_id.startswith(wanted[:-1]) or client_order_id.startswith(wanted[:-1])
    return wanted in ("", order_id, client_order_id)


def _known(name: str, value: object) -> FaultKind:
    if name not in KINDS:
        raise BadInput(name, value, _UNKNOWN)
    return KINDS[name]


def _fields(kind: FaultKind) -> tuple[str, ...]:
    ms = ("ms",) if kind.shape is FaultShape.MS else ()
    return (*kind.where, "probability", "skip", "count", *kind.how, *ms)
