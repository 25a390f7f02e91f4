"""What is wrong with the settings, said in one clear line for each problem."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from kyzlo_actors.domain.errors import BadInput


class Words(str):
    """A description that stands in an error where a value would stand, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


MISSING: Final = Words("a missing value")


class SettingsProblems(BadInput):
    """Everything that is wrong, at once: `problems` holds one `BadInput` for each line of the message."""

    def __init__(self, problems: Sequence[BadInput]) -> None:
        super().__init__("settings", Words(f"{len(problems)} problems"), "")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def raise_problems(problems: Sequence[BadInput]) -> None:
    """Raise what there is to raise.

    Raises: BadInput: there is one problem. SettingsProblems: there are several.
    """
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise SettingsProblems(problems)


def masked(secret: str) -> Words:
    """A secret as errors and `config show` may print it: only its length."""
    return Words(f"••••({len(secret)} characters)")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A cure for a misspelt name: the nearest known one, else all of them."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    near = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    if near:
        return f"did you mean {by_folded[near[0]]}?"
    return f"known here: {', '.join(sorted(by_folded.values()))}"
