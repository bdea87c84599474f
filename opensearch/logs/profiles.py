"""Shopper profiles: the latest clicks of each shopper, known by a keyed hash."""

from __future__ import annotations

from typing import NamedTuple


class Click(NamedTuple):
    """A product that a shopper clicked, and when (seconds since 1970)."""

    id: str
    at: float
