"""Index schema, versions, writing and reading documents."""
