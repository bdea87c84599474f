"""From products to documents in the index."""
