"""The command line: `kyzlo …`."""
