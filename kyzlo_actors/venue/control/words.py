"""Short forms of the back door's commands: several words of one request that mean one thing together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kyzlo_actors.domain.errors import BadInput

# What goes along with the word, and the act both become.
_TOGETHER: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "fill": ("fill_order", {"qty": "qty", "price": "price"}),
    "event": ("emit_event", {"id": "order", "set": "set"}),
}
_SWITCHES: Final = {"refuse_ws": "refuse_stream_for_ever", "mute": "mute_stream"}


def as_commands(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values of the request in its order.

    `{"fill": id, "qty": 4}`, `{"event": name, "id": id, "set": {…}}` and `{"drop_ws": "abort"}` are written out.
    """
    partners = {name for word in _TOGETHER if word in body for name in _TOGETHER[word][1]}
    for name, value in body.items():
        if name in _TOGETHER:
            act, along = _TOGETHER[name]
            given = {to: body[key] for key, to in along.items() if key in body}
            yield act, {("order" if name == "fill" else name): value, **given}
        elif name == "drop_ws":
            yield ("abort_streams", True) if value == "abort" else ("close_streams", 1000)
        elif name not in partners:
            yield name, value


def config_commands(value: object) -> Iterator[tuple[str, Any]]:
    """What `cfg` says: `refuse_ws`, `mute`, `drop_after_post` (true or false), `rate` (a minute), `hits` ([]: none).

    Raises: BadInput: a word it does not know, or a value it cannot have.
    """
    if not isinstance(value, Mapping):
        raise BadInput("cfg", value, "give an object")
    for name, setting in value.items():
        if name in _SWITCHES and isinstance(setting, bool):
            yield _SWITCHES[name], setting
        elif name == "drop_after_post" and isinstance(setting, bool):
            yield name, int(setting)
        elif (name == "rate" and _is_rate(setting)) or (name == "hits" and setting == []):
            yield name, setting
        else:
            known = "refuse_ws, mute, drop_after_post: true or false; rate: 1 to 1000000; hits: []"
            raise BadInput(f"cfg.{name}", setting, known)


def _is_rate(setting: object) -> bool:
    return isinstance(setting, int) and not isinstance(setting, bool) and 0 < setting <= 1_000_000
