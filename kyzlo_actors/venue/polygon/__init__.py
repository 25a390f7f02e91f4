"""Polygon's side of the venue: websocket and REST."""
