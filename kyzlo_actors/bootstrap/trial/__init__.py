"""`kyzlo strategy check`: a strategy is read, and played in a process of its own, before it may trade."""
