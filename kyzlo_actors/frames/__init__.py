"""Strategies over DataFrames of closed bars: the only room that knows pandas."""
