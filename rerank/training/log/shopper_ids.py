"""The shopper of a log record: the one place where an id of the shop becomes a keyed hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from rerank.shoppers import sealed, shopper_hash

# The fields that name a shopper, the most lasting first; the session stands for a shopper whom the log does not name.
SHOPPER_FIELDS = ("client_id", "user_id", "session_id")


class RawShopper(NamedTuple):
    """An id as the log has it, never stored, and the place of its field among those that name a shopper."""

    rank: int
    id: str


def raw_shopper(record: Mapping[str, Any]) -> RawShopper | None:
    """Return the id of the shopper in a UBI query or event; None when it names none."""
    for rank, name in enumerate(SHOPPER_FIELDS):
        value = record.get(name)
        if value not in (None, ""):
            return RawShopper(rank, str(value))
    return None


class ShopperHashes:
    """Keyed hashes of a log's shoppers. `ours` are the shoppers of the slate log, which are hashes already.

    Another text of 32 hexadecimal digits is no hash by its form: an MD5 or a UUID looks alike. It is one when it has the
    check of our key, or when the slate log has it.
    """

    def __init__(self, ours: Iterable[str] = ()) -> None:
        self._ours = {shopper: sealed(shopper) for shopper in ours}
        self._hash = lru_cache(maxsize=None)(shopper_hash)

    def of(self, raw: RawShopper | None) -> str | None:
        """Return the keyed hash of a raw id."""
        return None if raw is None else self.of_id(raw.id)

    def of_id(self, raw_id: str) -> str:
        """Return the keyed hash of an id; that of a hash of ours is itself."""
        return self._ours.get(raw_id) or self._hash(raw_id)

    def of_slate(self, shopper: str | None) -> str | None:
        """Return the keyed hash in a record of the slate log."""
        return None if shopper is None else self._ours.setdefault(shopper, sealed(shopper))
