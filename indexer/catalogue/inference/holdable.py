"""Columns that an index cannot hold as fields because of the dots in their names."""

from __future__ import annotations

from collections.abc import Iterable

MAX_NAME_CHARACTERS = 200
_MAX_PARTS = 15  # the engine allows 20 objects in one another, and the document has some of its own


def is_field_name(name: str) -> bool:
    """Return whether the name can be that of a field: no part between its dots is empty, and it is not too long."""
    parts = name.split(".")
    return (
        all(part.strip() for part in parts) and len(parts) <= _MAX_PARTS and len(name) <= MAX_NAME_CHARACTERS
    )


def holdable(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that can be fields of one object together, in their order.

    Of `price` and `price.currency` the first in the order stays, because a dot would make the other one an object.
    """
    chosen: dict[str, None] = {}
    for name in names:
        below = any(other.startswith(f"{name}.") for other in chosen)
        above = any(name.startswith(f"{other}.") for other in chosen)
        if is_field_name(name) and not below and not above:
            chosen[name] = None
    return tuple(chosen)
