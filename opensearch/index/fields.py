"""What an index holds: the catalogue's field plan and the encoders of its vectors, kept in the mapping's `_meta`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Self


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
    search: tuple[
        str, ...
    ] = ()  # in the lexical sub-query only; a pattern such as `attr_*` names all its columns
    images: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()  # for filters and facets, and in the lexical sub-query
    dates: tuple[str, ...] = ()
    language: str = "en"  # of a row whose language is neither stated nor detected
    language_field: str | None = None  # the column with the language code of a row
    group: str | None = None  # the column whose value the variants of one product share
    available: str | None = None
    created: str | None = None
    null: tuple[str, ...] = ()  # words that stand for an empty cell in any column; case does not count
    columns: Mapping[str, ColumnFormat] = field(default_factory=dict)  # the notation of single columns

    @cached_property
    def _null_words(self) -> dict[str | None, frozenset[str]]:
        """Return the null words in lower case: those of all columns under None, and of each column with its own."""
        common = frozenset(word.strip().casefold() for word in self.null)
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
        values = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        return {**values, "columns": {name: column.to_dict() for name, column in self.columns.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        known = {entry.name for entry in fields(cls)}
        read: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known
        }
        formats = values.get("columns") or {}
        read["columns"] = {name: ColumnFormat.from_dict(column) for name, column in formats.items()}
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
