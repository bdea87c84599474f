"""The commands `vitrine index`, `delete` and `encoder`."""
