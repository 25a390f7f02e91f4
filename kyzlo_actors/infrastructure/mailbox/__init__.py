"""The data plane: newest ticks and bar rings in shared memory, wake-ups, event messages, and the board."""
