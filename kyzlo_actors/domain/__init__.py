"""Pure decisions and the words they are made of: no clock, no socket, no randomness."""
