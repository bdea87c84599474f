"""Image towers measured on real photos outside their training data."""
