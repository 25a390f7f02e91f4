"""The order book of record, a noun a file: each is functions over a draft of the next state."""
