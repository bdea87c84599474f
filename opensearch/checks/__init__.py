"""The engine's part of `vitrine doctor`."""
