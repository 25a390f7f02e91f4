"""Log lines for people."""

from __future__ import annotations

import pytest

from kyzlo_actors.cli.log_lines import readable


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"ts":"2026-11-22T19:47:53.01+00:00","level":"ERROR","actor":"broker","logger":"kyzlo","msg":"m"}',
            "19:47:53 ERROR broker: m",
        ),
        (
            '{"ts":"2026-11-22T19:47:53","level":"ERROR","actor":"a","msg":"m","exception":"T:\\n x\\nE: why\\n"}',
            "19:47:53 ERROR a: m (E: why)",
        ),
        ("plain words", "plain words"),
        ('{"ts":1}', '{"ts":1}'),
        ("[1]", "[1]"),
    ],
)
def test_readable(line: str, said: str) -> None:
    assert readable(line) == said
