"""What an index holds: the catalogue's field plan and the encoders of its vectors, kept in the mapping's `_meta`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True)
class FieldPlan:
    """Which catalogue column plays which part; column names as the catalogue spells them."""

    id: str = "id"
    title: str = "title"
    text: tuple[str, ...] = ()  # searched and embedded after the title
    search: tuple[str, ...] = ()  # searched by their words, not embedded; `attr_*` means all such columns
    images: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()  # filters and facets, searched too
    dates: tuple[str, ...] = ()
    language: str = "en"  # of every row that names none itself
    language_field: str | None = None
    group: str | None = None
    available: str | None = None
    created: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        known = {entry.name for entry in fields(cls)}
        read: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known
        }
        return cls(**read)


@dataclass(frozen=True)
class VectorField:
    """Who made a vector field and who makes the query vectors that search it."""

    encoder: str  # an artifact name made of the encoder's content
    query_encoder: str  # the text encoder whose vectors of words search this field
    dimension: int
    languages: tuple[str, ...] = ()  # of the query encoder; empty: any


@dataclass(frozen=True)
class IndexSchema:
    """What an index was made with: its field plan, its vector fields and what was learned on them.

    `vectors` holds the field of each vector space that the index has. `weights` are the learned sub-query weights for
    queries of words, `similarity_threshold` the calibrated cosine from which two images show one product.
    """

    plan: FieldPlan
    vectors: Mapping[str, VectorField] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None
    similarity_threshold: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "plan": self.plan.to_dict(),
            "vectors": {name: asdict(vector) for name, vector in self.vectors.items()},
            "weights": dict(self.weights) if self.weights else None,
            "similarity_threshold": self.similarity_threshold,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        vectors = {
            name: VectorField(**{**vector, "languages": tuple(vector["languages"])})
            for name, vector in values["vectors"].items()
        }
        return cls(
            FieldPlan.from_dict(values["plan"]),
            vectors,
            values.get("weights"),
            values.get("similarity_threshold"),
        )
