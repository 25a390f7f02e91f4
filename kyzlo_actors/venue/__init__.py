"""The paper venue: a server that speaks the broker's and the feed's protocols."""
