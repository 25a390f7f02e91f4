"""Risk rules: each looks at one thing and denies with a code and its numbers."""
