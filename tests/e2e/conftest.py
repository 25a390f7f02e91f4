"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.systemd_box.box import BoxUnavailable, SystemdBox


@pytest.fixture(scope="module")
def systemd_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdBox]:
    """A booted machine with a real systemd, one for each test file.

    Where none can run the tests are skipped, and say why; in CI as root that is a failure, not a skip.
    """
    box = SystemdBox(tmp_path_factory.mktemp("box"))
    try:
        box.up()
    except BoxUnavailable as reason:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"no systemd box in CI: {reason}")
        pytest.skip(f"no systemd box: {reason}")
    try:
        yield box
    finally:
        box.down()
