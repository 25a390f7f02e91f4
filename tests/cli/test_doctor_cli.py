"""`kyzlo doctor` as a person or a script meets it: lines, JSON, exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kyzlo_actors.bootstrap.doctor import examination
from kyzlo_actors.bootstrap.doctor.finding import LATCH, SETTINGS, Finding, fail, ok, skipped, warn
from tests.cli.kyzlo import Kyzlo

READY = [ok("clock", "fine"), warn("disk", "little", "make room"), skipped("stream", "in use")]


def found(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    """What the examination will find."""

    def examine(*_: object, **__: object) -> Iterator[Finding]:
        yield from findings

    monkeypatch.setattr(examination, "examine", examine)


@pytest.mark.parametrize(
    ("findings", "code", "said"),
    [
        (READY, 0, "ready: 1 ok, 1 warn, 1 skipped"),
        ([*READY, fail("account", "no", "yes")], 1, "failed: 1 ok, 1 warn, 1 skipped, 1 fail"),
        ([fail(SETTINGS, "no", "yes")], 2, "settings unusable: 1 fail"),
        ([fail(LATCH, "no", "yes")], 3, "halted: 1 fail"),
    ],
)
def test_exit_codes(
    kyzlo: Kyzlo, monkeypatch: pytest.MonkeyPatch, findings: list[Finding], code: int, said: str
) -> None:
    found(monkeypatch, *findings)
    told = kyzlo("doctor")
    assert (told[0], told[1].splitlines()[-1], told[2]) == (code, said, "")
    code_too, out, _ = kyzlo("doctor", "--json")
    assert code_too == code
    report = json.loads(out)
    assert report["outcome"] == said.split(":")[0]
    assert [check["verdict"] for check in report["checks"]] == [str(one.verdict) for one in findings]


def test_one_line_a_check(kyzlo: Kyzlo, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, *READY)
    lines = kyzlo("doctor")[1].splitlines()
    assert lines[:3] == [
        "ok      clock              fine",
        "warn    disk               little → make room",
        "skipped stream             in use",
    ]


def test_missing_settings_are_a_finding_too(
    kyzlo: Kyzlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = kyzlo("doctor")
    assert (code, err) == (2, "")
    assert out.startswith("fail    settings") and "kyzlo init" in out
