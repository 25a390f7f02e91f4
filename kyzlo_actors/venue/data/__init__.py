"""Alpaca's market-data stream."""
