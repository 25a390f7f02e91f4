"""The main process: latch, watchdog, emergency cancel, halt certificate."""
