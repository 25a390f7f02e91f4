"""The settings model's errors in our own words: field, value (never a secret), cure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kyzlo_actors.bootstrap.problems import MISSING, Words, did_you_mean, masked
from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.settings_tables import SymbolTable
from kyzlo_actors.domain.errors import BadInput

# Kinds of the model's errors and their cures; braces are filled from the error's context.
_CURES: Final = {
    "greater_than": "give a number above {gt}",
    "greater_than_equal": "give a number of at least {ge}",
    "less_than": "give a number below {lt}",
    "less_than_equal": "give a number of at most {le}",
    "int_from_float": "give a whole number",
    "int_parsing": "give a whole number",
    "int_type": "give a whole number",
    "float_parsing": "give a number",
    "float_type": "give a number",
    "decimal_parsing": "give a number",
    "decimal_type": "give a number",
    "finite_number": "give a finite number",
    "decimal_max_digits": "give at most {max_digits} digits",
    "decimal_max_places": "give at most {decimal_places} digits after the point",
    "decimal_whole_digits": "give at most {whole_digits} digits before the point",
    "literal_error": "give {expected}",
    "string_type": "give text in quotes",
    "path_type": "give a path in quotes",
    "model_type": "write it as a table in [brackets]",
    "dict_type": "write it as a table in [brackets]",
    "mapping_type": "write it as a table in [brackets]",
    "too_short": "configure at least one symbol: [symbols.AAPL]",
    "too_long": "configure at most {max_length} symbols",
}


def translate(error: ValidationError, origins: Mapping[str, str]) -> list[BadInput]:
    """One problem for each error of the model, in its order."""
    return [_problem(details, origins) for details in error.errors(include_url=False)]


def _problem(details: ErrorDetails, origins: Mapping[str, str]) -> BadInput:
    path = [str(part) for part in details["loc"] if part != "[key]"]
    field = ".".join(path) or "settings"
    if details["type"] == "missing":
        return BadInput(field, MISSING, _where_to_give(path))
    if details["type"] == "extra_forbidden":
        # Its value stays unsaid: a misspelt name may well hold a key.
        return BadInput(field, Words("an unknown field"), did_you_mean(path[-1], _known_beside(path)))
    origin = origins.get(field)
    cure = _cure(details) + (f" (it is from {origin})" if origin else "")
    return BadInput(field, _shown(field, details["input"]), cure)


def _cure(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if details["type"] == "value_error":
        return str(context["error"])
    template = _CURES.get(details["type"])
    return details["msg"].lower() if template is None else template.format(**context)


def _shown(field: str, value: Any) -> Any:
    about = TOP_LEVEL_NAMES.get(field)
    if about is not None and about.secret:
        return masked(str(value))
    if isinstance(value, Mapping | list | BaseModel):
        return Words("this table" if isinstance(value, Mapping | BaseModel) else "a list")
    if isinstance(value, str) and ("@" in value or "?" in value):
        return Words("an address with something secret in it")
    return value


def _where_to_give(path: list[str]) -> str:
    about = TOP_LEVEL_NAMES.get(path[0])
    if about is not None:
        place = "secrets.toml" if about.secret else "settings.toml"
        return f"export it, or write it in {place}"
    if path == ["symbols"]:
        return "configure at least one symbol: [symbols.AAPL]"
    return f"write it in settings.toml under [{'.'.join(path[:-1])}]"


def _known_beside(path: list[str]) -> list[str]:
    if len(path) == 1:
        tables = [name for name, field in Settings.model_fields.items() if field.alias is None]
        return [*TOP_LEVEL_NAMES, *tables]
    if path[0] == "symbols":
        return list(SymbolTable.model_fields)
    table = Settings.model_fields[path[0]].annotation
    return list(table.model_fields) if isinstance(table, type) and issubclass(table, BaseModel) else []
