"""Business rules: what moves products after the ranker, and the query rules that a shop writes."""
