"""The cores without processes: matching, backtest, replay and simulation."""
