"""Market data feeds: trades in, ticks and bars out."""
