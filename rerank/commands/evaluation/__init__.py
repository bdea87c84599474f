"""The command `vitrine evaluate`: the runs that it reads or searches for, and the page that it writes."""
