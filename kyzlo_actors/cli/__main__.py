"""`python -m kyzlo_actors.cli`: the command line where no `kyzlo` is installed, and for our own child processes."""

from __future__ import annotations

from kyzlo_actors.cli.main import main

if __name__ == "__main__":
    main()
