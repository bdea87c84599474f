"""The field plan and the schema of an index, which are stored in the mapping's `_meta`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Self

from opensearch.analysis.chains import DEFAULT_CHAINS, in_order

from .spaces import space_names, sub_queries

# Fields of a document that several modules name; the vector fields are the paths in `spaces.SPACES`.
SEARCH = "search"  # the words of the product, by language
IMAGES = "images"
HASHES = "hashes"  # of the content by space, and of the row
ROW_HASH = "row"


@dataclass(frozen=True)
class ColumnFormat:
    """The notation of one column's cells; what is None or empty has the default of the cell's type."""

    decimal: str | None = None  # "." or ","; the other sign, spaces and apostrophes then group the digits
    # ISO 4217 code that the cells may name; a cell in another currency is left out
    currency: str | None = None
    unit: str | None = None  # unit of the numbers in the index, such as kg
    separator: str | None = None  # cuts a cell into the values of a list
    date_format: tuple[str, ...] = ()  # strptime formats, or epoch_second or epoch_millis
    null: tuple[str, ...] = ()  # words that stand for an empty cell, besides those of the plan

    def to_dict(self) -> dict[str, Any]:
        """Return the stated values as JSON values."""
        values = asdict(self).items()
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values if value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the format of `to_dict`; entries of a later version are ignored."""
        names = {entry.name for entry in fields(cls)}
        known: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in names
        }
        return cls(**known)


DEFAULT_FORMAT = ColumnFormat()


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
    codes: tuple[
        str, ...
    ] = ()  # besides the id: SKU, EAN, model number; found exactly and by their beginning
    dates: tuple[str, ...] = ()
    language: str = "en"  # of a row whose language is neither stated nor detected
    language_field: str | None = None  # the column with the language code of a row
    group: str | None = None  # the column whose value the variants of one product share
    available: str | None = None
    created: str | None = None
    price: str | None = None  # the number column with what a product costs today
    # words that stand for an empty cell in any column, case does not count; None: not stated, so that they are decided
    null: tuple[str, ...] | None = None
    columns: Mapping[str, ColumnFormat] = field(default_factory=dict)  # the notation of single columns
    joined: tuple[str, ...] = ()  # columns of other files; a load without those files keeps their values

    @cached_property
    def _null_words(self) -> dict[str | None, frozenset[str]]:
        """Return the null words in lower case: those of all columns under None, and of each column with its own."""
        common = frozenset(word.strip().casefold() for word in self.null or ())
        own = {
            name: frozenset(word.strip().casefold() for word in c.null) for name, c in self.columns.items()
        }
        return {None: common, **{name: words | common for name, words in own.items() if words}}

    def is_null(self, column: str | None, text: str) -> bool:
        """Return whether the text stands for an empty cell in the column."""
        words = self._null_words.get(column) or self._null_words[None]
        return bool(words) and text.strip().casefold() in words

    def format_of(self, column: str | None) -> ColumnFormat:
        """Return the notation of the column's cells."""
        return self.columns.get(column, DEFAULT_FORMAT) if column else DEFAULT_FORMAT

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        values = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        return {
            **values,
            "vectors": {space: list(columns) for space, columns in self.vectors.items()},
            "columns": {name: notation.to_dict() for name, notation in self.columns.items()},
        }

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
        plan["vectors"] = {space: tuple(columns) for space, columns in vectors.items()}
        notations = values.get("columns") or {}
        plan["columns"] = {name: ColumnFormat.from_dict(notation) for name, notation in notations.items()}
        return cls(**plan)


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
    is the name of the artifact with the words of the products. `floors` are the learned cosines from which a neighbour
    matches a query: of words by vector space, and of an image (`photo`). `chains` names the analysis chain of each language
    that has a field under `search`; the words of other languages are in `any`.
    """

    plan: FieldPlan
    vectors: Mapping[str, VectorField] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None
    similarity_threshold: float | None = None
    vocabulary: str | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    chains: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_CHAINS))

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as JSON values, for the mapping's `_meta`."""
        return {
            "plan": self.plan.to_dict(),
            "vectors": {name: asdict(vector) for name, vector in self.vectors.items()},
            "weights": dict(self.weights) if self.weights else None,
            "similarity_threshold": self.similarity_threshold,
            "vocabulary": self.vocabulary,
            "floors": dict(self.floors),
            "chains": dict(self.chains),
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
            values.get("floors") or {},
            in_order(values.get("chains") or DEFAULT_CHAINS),
        )
