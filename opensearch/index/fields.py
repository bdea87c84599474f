"""What an index holds: the catalogue's field plan and the encoders of its vectors, kept in the mapping's `_meta`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class FieldPlan:
    """The catalogue column, or columns, of each product field; names as the catalogue spells them."""

    id: str = "id"
    title: str = "title"
    text: tuple[str, ...] = ()  # in the lexical sub-query, and embedded after the title
    search: tuple[str, ...] = ()  # in the lexical sub-query only; a pattern such as `attr_*` names all its columns
    images: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()  # for filters and facets, and in the lexical sub-query
    dates: tuple[str, ...] = ()
    language: str = "en"  # of a row whose language is neither stated nor detected
    language_field: str | None = None  # the column with the language code of a row
    group: str | None = None  # the column whose value the variants of one product share
    available: str | None = None
    created: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}
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
    """One index: its plan and its vector fields (None: the index has no such field)."""

    plan: FieldPlan
    text: VectorField | None
    image: VectorField | None
    weights: tuple[float, float, float] | None = (
        None  # of words, text and image for queries of words, where learned
    )
    similarity_threshold: float | None = (
        None  # the cosine from which two pictures are of one product, where calibrated
    )

    def to_dict(self) -> dict[str, Any]:
        return {
            "plan": self.plan.to_dict(),
            "text": asdict(self.text) if self.text else None,
            "image": asdict(self.image) if self.image else None,
            "weights": list(self.weights) if self.weights else None,
            "floor": self.similarity_threshold,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        def vector(value: Mapping[str, Any] | None) -> VectorField | None:
            return VectorField(**{**value, "languages": tuple(value["languages"])}) if value else None

        weights = values.get("weights")
        return cls(
            FieldPlan.from_dict(values["plan"]),
            vector(values["text"]),
            vector(values["image"]),
            (weights[0], weights[1], weights[2]) if weights else None,
            values.get("floor"),
        )
