"""Brokers: orders out, order events in."""
