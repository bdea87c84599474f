"""The trained form of the ranker (torch)."""
