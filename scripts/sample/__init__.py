"""The project's own sample: a drawn catalogue, and simulated shoppers who search and click in it."""
