"""The broker's side of the venue: Alpaca's REST interface, its `trade_updates`, and the desk behind them."""
