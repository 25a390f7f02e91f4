"""Is everything ready to trade? Checks over readings, and the one who takes the readings."""
