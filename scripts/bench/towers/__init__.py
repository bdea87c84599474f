"""Image towers measured on real photos that they never saw."""
