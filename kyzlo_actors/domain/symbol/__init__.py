"""One symbol's wish, orders and position, a noun a file: each is functions over a draft of the next state."""
