"""Machinery without decisions: clock, journal, mailboxes, codec, latch, logs."""
