"""The vocabulary of an index: what its products say, as an artifact."""
