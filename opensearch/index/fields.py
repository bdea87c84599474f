"""The field plan and the schema of an index, which are stored in the mapping's `_meta`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from .spaces import space_names, sub_queries

# Fields of a document that several modules name; the vector fields are the paths in `spaces.SPACES`.
SEARCH = "search"  # the words of the product, by language
IMAGES = "images"
HASHES = "hashes"  # of the content by space, and of the row
ROW_HASH = "row"


@dataclass(frozen=True)
class FieldPlan:
    """The catalogue column, or columns, of each product field; names as the catalogue spells them."""

    id: str = "id"
    title: str = "title"
    text: tuple[str, ...] = ()  # in the lexical sub-query, and embedded after the title
    # in the lexical sub-query only; a pattern such as `attr_*` names all its columns
    search: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    # the columns that the vector spaces besides text and image embed, by space
    vectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()  # for filters and facets, and in the lexical sub-query
    dates: tuple[str, ...] = ()
    language: str = "en"  # of a row whose language is neither stated nor detected
    language_field: str | None = None  # the column with the language code of a row
    group: str | None = None  # the column whose value the variants of one product share
    available: str | None = None
    created: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        values = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        return {**values, "vectors": {space: list(columns) for space, columns in self.vectors.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the plan of `to_dict`; entries of a later version are ignored."""
        names = {entry.name for entry in fields(cls)}
        plan: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in values.items()
            if key in names
        }
        vectors = values.get("vectors") or {}
        return cls(**{**plan, "vectors": {space: tuple(columns) for space, columns in vectors.items()}})


@dataclass(frozen=True)
class VectorField:
    """The encoders of a vector field: of the products, and of the queries that search it."""

    encoder: str  # name of the artifact
    query_encoder: str  # name of the text encoder of the queries
    dimension: int
    languages: tuple[str, ...] = ()  # of the query encoder; empty: any


@dataclass(frozen=True)
class IndexSchema:
    """The field plan and the vector fields of an index, and the settings learned on them.

    `vectors` holds the field of each vector space that the index has. `weights` are the learned sub-query weights for
    queries of words, `similarity_threshold` the calibrated cosine from which two images show one product. `vocabulary`
    is the name of the artifact with the words of the products.
    """

    plan: FieldPlan
    vectors: Mapping[str, VectorField] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None
    similarity_threshold: float | None = None
    vocabulary: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as JSON values, for the mapping's `_meta`."""
        return {
            "plan": self.plan.to_dict(),
            "vectors": {name: asdict(vector) for name, vector in self.vectors.items()},
            "weights": dict(self.weights) if self.weights else None,
            "similarity_threshold": self.similarity_threshold,
            "vocabulary": self.vocabulary,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the schema of `to_dict`'s values."""
        # the engine returns the keys of an object in an order of its own
        vectors = {
            name: VectorField(**{**vector, "languages": tuple(vector["languages"])})
            for name in space_names(values["vectors"])
            for vector in [values["vectors"][name]]
        }
        weights = values.get("weights")
        return cls(
            FieldPlan.from_dict(values["plan"]),
            vectors,
            {name: weights[name] for name in sub_queries() if name in weights} if weights else None,
            values.get("similarity_threshold"),
            values.get("vocabulary"),
        )
