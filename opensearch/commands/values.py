"""Values of a status report as text."""

from __future__ import annotations


def plain(value: object) -> str:
    """Return a value for a reader: yes or no, a list with commas, `-` for None."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
