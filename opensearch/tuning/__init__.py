"""Sub-query weights learned from known-item queries."""
