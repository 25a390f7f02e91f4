"""Risk: the rules of the portfolio gate, and how often a crashed actor may be restarted."""
