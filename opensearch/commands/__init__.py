"""The commands `vitrine node`, `vitrine hook` and `vitrine doctor`."""
