"""The benchmark of personalisation on simulated shoppers."""
