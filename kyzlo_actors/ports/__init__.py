"""What the house asks of the outside world, in the domain's words."""
