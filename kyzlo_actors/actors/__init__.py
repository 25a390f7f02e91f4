"""The shells: processes that carry the cores, on Thespian."""
