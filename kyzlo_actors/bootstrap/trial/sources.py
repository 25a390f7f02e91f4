"""Which files a strategy is written in: its own package, and those of the classes that it derives from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

_OURS: Final = "kyzlo_actors"
# What every strategy stands on: checked by our own tests.
_BASES: Final = frozenset({"kyzlo_actors.domain.strategy.protocol", "kyzlo_actors.frames.strategy"})


def source_files(strategy: type) -> list[Path]:
    """Files that hold code of the strategy, its own first; only those that exist as source.

    Of its own package every module that is loaded; of other packages the modules of its base classes.
    """
    names = [kind.__module__ for kind in strategy.__mro__ if kind.__module__ not in _BASES]
    top = strategy.__module__.partition(".")[0]
    if top != _OURS:
        names += sorted(name for name in list(sys.modules) if name.startswith(f"{top}."))
    paths = []
    for name in dict.fromkeys(names):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and file.endswith(".py") and name.partition(".")[0] not in sys.stdlib_module_names:
            paths.append(Path(file))
    return paths
