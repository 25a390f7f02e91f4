"""The one composition root: settings, plugins, wiring."""
