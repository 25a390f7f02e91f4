"""Lines of a JSON log as people read them."""

from __future__ import annotations

import orjson


def readable(line: str) -> str:
    """`12:34:56 ERROR broker: what happened (Exception: why)`; a line that is none of ours stays as it is."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    if not isinstance(fields, dict) or not {"ts", "level", "actor", "msg"} <= fields.keys():
        return line
    causes = str(fields.get("exception", "")).strip().splitlines()
    cause = f" ({causes[-1]})" if causes else ""
    return f"{str(fields['ts'])[11:19]} {fields['level']} {fields['actor']}: {fields['msg']}{cause}"
