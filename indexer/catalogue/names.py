"""Names that a field plan or a catalogue does not have, for error messages: with the known names that are close."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown_name(name: str, known: Iterable[str], kind: str) -> str:
    """Return the problem that a table has no entry of this name."""
    return f"there is no {kind} {name!r}{suggestion(name, known)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the known names that are close to `name`, else the first twenty of all, for an error message."""
    names = list(known)
    lower_case = {candidate.lower(): candidate for candidate in names}
    matches = difflib.get_close_matches(name.lower(), list(lower_case), 3, 0.6)
    if matches:
        return f" (close: {', '.join(lower_case[match] for match in matches)})"
    return f" (there are: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''})" if names else ""
