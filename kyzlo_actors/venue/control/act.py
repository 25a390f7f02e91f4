"""One act of the back door: its name, what it takes, one line of help, and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kyzlo_actors.domain.errors import BadInput

Name = Annotated[str, Field(min_length=1, max_length=128)]
CloseCode = Annotated[int, Field(strict=True, ge=1000, le=4999)]


class Arguments(BaseModel):
    """What an act takes when it takes more than one thing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """`takes` is a type: an `Arguments`, or what pydantic reads by itself."""

    name: str
    help: str
    takes: Any
    run: Callable[[Any], Awaitable[None] | None]

    async def do(self, value: object) -> None:
        """Read `value` and act.

        Raises: BadInput: it cannot be used; nothing was done.
        """
        try:
            read = TypeAdapter(self.takes).validate_python(value)
        except ValidationError as fault:
            first = fault.errors()[0]
            place = ".".join(str(part) for part in (self.name, *first["loc"]))
            raise BadInput(place, first["input"], f"{first['msg']}; {self.help}") from fault
        done = self.run(read)
        if done is not None:
            await done

    def as_json(self) -> dict[str, object]:
        """For the list of all acts."""
        shown: dict[str, object] = {"help": self.help}
        if isinstance(self.takes, type) and issubclass(self.takes, Arguments):
            shown["fields"] = list(self.takes.model_fields)
        return shown


def table(acts: list[Act]) -> Mapping[str, Act]:
    """The acts by name."""
    return {act.name: act for act in acts}
