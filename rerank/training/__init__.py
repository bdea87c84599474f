"""From logs to a trained ranker."""
