"""A slate: one answered query with the engine's order and the order that was shown, as the slate log holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Self

from vitrine.store import ArtifactSet

EXPLORE = "explore"  # the arm whose order is random, so that no position favours a product


@dataclass(frozen=True)
class Slate:
    """One answered window. `at` is in seconds since 1970, `shopper` a keyed hash, `features` a sample of served values.

    `viewed` counts the shown products on the pages that the shopper opened; None: all of them. `query` holds the words as
    they were typed, `searched` those that were ranked, without corrections and constraints; None where they are not known.
    """

    query_id: str
    alias: str
    at: float
    query: str
    shopper: str | None
    engine: tuple[str, ...]
    shown: tuple[str, ...]
    arm: str = "engine"
    artifacts: ArtifactSet | None = None
    degraded: str | None = None
    features: Mapping[str, Any] | None = None
    viewed: int | None = None
    searched: str | None = None

    @property
    def words(self) -> str:
        """The words that a ranker reads: those searched, else those typed."""
        return self.query if self.searched is None else self.searched

    @property
    def viewed_ids(self) -> tuple[str, ...]:
        """The ids on the pages that the shopper opened, in the order that was shown."""
        return self.shown[: self.viewed]

    @property
    def random(self) -> bool:
        """Whether the shown order was random."""
        return self.arm == EXPLORE

    @property
    def window(self) -> int:
        """The number of candidates."""
        return len(self.engine)

    def to_record(self) -> dict[str, Any]:
        """Return the slate as a document of the slate log."""
        return {
            "query_id": self.query_id,
            "alias": self.alias,
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds"),
            "query": self.query,
            "searched": self.searched,
            "shopper": self.shopper,
            "engine": list(self.engine),
            "shown": list(self.shown),
            "window": self.window,
            "arm": self.arm,
            "artifacts": asdict(self.artifacts) if self.artifacts else None,
            "degraded": self.degraded,
            "features": self.features,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], at: float) -> Self | None:
        """Return the slate of a record of the slate log; None when the record lacks an id, a time or shown products.

        `at` is the record's time as the engine reads it (seconds since 1970).
        """
        shown = tuple(str(i) for i in record.get("shown") or ())
        if not record.get("query_id") or not shown or not isfinite(at):
            return None
        artifacts = record.get("artifacts")
        return cls(
            query_id=str(record["query_id"]),
            alias=str(record.get("alias") or ""),
            at=at,
            query=str(record.get("query") or ""),
            shopper=record.get("shopper") or None,
            engine=tuple(str(i) for i in record.get("engine") or shown),
            shown=shown,
            arm=str(record.get("arm") or "engine"),
            artifacts=ArtifactSet(**artifacts) if artifacts else None,
            degraded=record.get("degraded"),
            features=record.get("features"),
            searched=record.get("searched"),
        )
