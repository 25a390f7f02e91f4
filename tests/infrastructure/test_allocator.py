"""Freed memory goes back: measured in a process of its own, because the setting is the process's."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from kyzlo_actors.infrastructure.allocator import keep_memory_small
if sys.argv[1] == "small":
    assert keep_memory_small()

def resident_kib():
    text = open("/proc/self/status").read()
    return int(text.split("RssAnon:")[1].split()[0])

before = resident_kib()
first = bytearray(1 << 20)
del first  # this is what raises glibc's own idea of large
blocks, pins = [], []
for number in range(20):
    blocks.append(b"%d" % number * 450_000)
    pins.append(bytes(2_000))  # something small behind each, which keeps the heap from shrinking
del blocks
print(resident_kib() - before)
"""


def kept_kib(how: str) -> int:
    """What such a process still holds after it has freed 20 blocks of 900 kB."""
    command = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    return int(done.stdout)


def test_large_blocks_are_given_back_whatever_lies_behind_them() -> None:
    assert kept_kib("small") < 2_048 < kept_kib("as ever")
