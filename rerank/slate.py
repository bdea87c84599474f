"""A slate: one answered query with the engine's order and the order that was shown, as the slate log holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from vitrine.store import ArtifactSet


@dataclass(frozen=True)
class Slate:
    """One answered window. `at` is in seconds since 1970, `shopper` a keyed hash, `features` a sample of served values."""

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
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the slate that `to_record` wrote."""
        artifacts = record.get("artifacts")
        return cls(
            query_id=record["query_id"],
            alias=record["alias"],
            at=datetime.fromisoformat(record["at"]).timestamp(),
            query=record["query"],
            shopper=record["shopper"],
            engine=tuple(record["engine"]),
            shown=tuple(record["shown"]),
            arm=record["arm"],
            artifacts=ArtifactSet(**artifacts) if artifacts else None,
            degraded=record.get("degraded"),
            features=record.get("features"),
        )
