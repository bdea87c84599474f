"""The sample shop: a generated catalogue, and simulated shoppers who search and click in it."""
