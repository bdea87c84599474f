"""The commands that search, train, evaluate and serve."""
