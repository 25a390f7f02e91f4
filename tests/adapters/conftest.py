"""A venue for the adapters to talk to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.local_server import PaperVenue, paper_venue


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[PaperVenue]:
    with paper_venue(tmp_path) as running:
        yield running
