"""One catalogue row as a product: the columns that the field plan names, and the cells that could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from encoders.images.source import ImageSource
from indexer.catalogue.notation.cells import (
    CellError,
    CellParser,
    abbreviated,
    read_available,
    read_date,
    read_dates,
    read_images,
    read_keyword,
    read_keywords,
    read_language,
    read_numbers,
    read_text,
)
from indexer.catalogue.notation.languages import detect_product_language
from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError

MAX_ID_BYTES = 512  # the engine's limit for a document id


class RowError(CatalogueError):
    """A row that cannot become a product."""


@dataclass(frozen=True)
class DroppedCell:
    """A cell that was left out of its product, and the reason."""

    column: str
    reason: str
    is_null: bool = False  # a word that stands for an empty cell


@dataclass(frozen=True)
class Product:
    """One product; a value that the row does not have is absent or None, never zero."""

    id: str
    title: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)  # in the lexical sub-query only, not embedded
    images: tuple[ImageSource, ...] = ()
    # by vector space besides text and image: embedded, not in the document
    contents: dict[str, str] = field(default_factory=dict)
    # several: of variants, or both ends of a range
    numbers: dict[str, float | list[float]] = field(default_factory=dict)
    keywords: dict[str, str | list[str]] = field(default_factory=dict)
    dates: dict[str, str | list[str]] = field(default_factory=dict)
    codes: tuple[str, ...] = ()  # besides the id
    language: str = "en"
    group: str | None = None
    available: bool | None = None
    created: str | None = None


def read_product(values: Mapping[str, Any], plan: FieldPlan) -> tuple[Product, list[DroppedCell]]:
    """Return the product of a row and the cells that were left out; raises RowError when it has no usable id."""
    row = _Row(values, plan)
    title = row.cell(plan.title, read_text) or ""
    texts = row.cells(plan.text, read_text)
    contents = {
        space: "\n".join(row.cells(names, read_text).values()) for space, names in plan.vectors.items()
    }
    images = row.cells(plan.images, read_images).values()
    language = row.cell(plan.language_field, read_language)
    keywords = row.cells(plan.keywords, read_keywords)
    product = Product(
        id=read_id(values.get(plan.id), plan.id),
        title=title,
        texts=texts,
        extra=row.cells(tuple(column for column in values if is_extra(column, plan)), read_text),
        images=tuple(dict.fromkeys(image for cell in images for image in cell)),
        contents={space: content for space, content in contents.items() if content},
        numbers=row.cells(plan.numbers, read_numbers),
        keywords=keywords,
        codes=_codes(plan, keywords | row.cells(_unless(plan.codes, keywords), read_keywords)),
        dates=row.cells(plan.dates, read_dates),
        language=language or detect_product_language(" ".join([title, *texts.values()]), plan.language),
        group=row.cell(plan.group, read_keyword),
        available=row.cell(plan.available, read_available),
        created=row.cell(plan.created, read_date),
    )
    return product, list(dict.fromkeys(row.dropped))  # a column may have two roles


@dataclass
class _Row:
    """The cells of a row, read in the notation of their columns; those that cannot be are in `dropped`."""

    values: Mapping[str, Any]
    plan: FieldPlan
    dropped: list[DroppedCell] = field(default_factory=list)

    def cell(self, column: str | None, parse: CellParser) -> Any:
        """Return the value of a cell; None when it is empty or dropped."""
        value = self.values.get(column) if column else None
        if isinstance(value, list):
            value = [
                part for part in value if not (isinstance(part, str) and self.plan.is_null(column, part))
            ] or None
        if column is None or value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            if isinstance(value, str) and self.plan.is_null(column, value):
                reason = f"{abbreviated(value)} stands for an empty cell"
                self.dropped.append(DroppedCell(column, reason, is_null=True))
                return None
            return parse(value, self.plan.format_of(column))
        except CellError as error:
            self.dropped.append(DroppedCell(column, str(error)))
            return None

    def cells(self, columns: Iterable[str], parse: CellParser) -> dict[str, Any]:
        """Return the values of the cells that have one, by column."""
        parsed = {column: self.cell(column, parse) for column in columns}
        return {column: value for column, value in parsed.items() if value is not None}


def _codes(plan: FieldPlan, values: Mapping[str, str | list[str]]) -> tuple[str, ...]:
    columns = [values[column] for column in plan.codes if column in values]
    return tuple(code for codes in columns for code in ([codes] if isinstance(codes, str) else codes))


def _unless(columns: tuple[str, ...], read: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(column for column in columns if column not in read)


def is_extra(column: str, plan: FieldPlan) -> bool:
    """Return whether `plan.search` names the column, by name or by pattern, and title and text do not."""
    embedded = (plan.title, *plan.text)
    return column not in embedded and any(_matches(pattern, column) for pattern in plan.search)


@lru_cache(maxsize=1 << 16)
def _matches(pattern: str, column: str) -> bool:
    return column == pattern or ("*" in pattern and fnmatchcase(column, pattern.replace("[", "[[]")))


def read_id(value: Any, column: str) -> str:
    """Return the id as a string; raises RowError when it is missing or the engine does not accept it."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RowError(f"the row has no id in column {column!r}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise RowError(
            f"the id in column {column!r} is {abbreviated(value)}; expected text or a whole number"
        )
    name = str(value).strip()
    if len(name.encode()) > MAX_ID_BYTES:
        raise RowError(
            f"the id in column {column!r} has {len(name.encode())} bytes; expected at most {MAX_ID_BYTES}"
        )
    return name
