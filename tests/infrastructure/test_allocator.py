"""Freed memory goes back: measured in a process of its own, because the setting is the process's."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from kyzlo_actors.infrastructure.allocator import keep_memory_small
assert keep_memory_small()

def resident_kib():
    text = open("/proc/self/status").read()
    return int(text.split("RssAnon:")[1].split()[0])

before = resident_kib()
for size in (1, 2, 4, 8):  # each freed block would have raised glibc's threshold for the next
    block = bytearray(size << 20)
    del block
    kept = b"x" * 1_000  # something small behind it, which must not pin it
print(resident_kib() - before)
"""


def test_large_blocks_are_given_back_however_often_they_come() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=50, check=True
    )
    assert int(done.stdout) < 1_024
