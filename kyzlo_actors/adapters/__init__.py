"""The outside world behind the ports, one package for each kind of partner."""
