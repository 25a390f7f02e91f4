"""KYZLO: a trading runtime in which every symbol is an actor that may crash at any instant."""
