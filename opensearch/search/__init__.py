"""Query bodies, filters and candidates."""
