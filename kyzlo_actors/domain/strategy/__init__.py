"""Strategies: the protocol in protocol.py, and those that ship with the house."""
