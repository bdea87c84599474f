"""The `vitrine` command line, and what all packages share: errors, settings, store, logging."""
