"""Feature values of candidates and the tables that they come from."""
