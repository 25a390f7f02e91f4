"""Where journaled records go to stay."""
