"""One catalogue row as a product: the columns that the field plan names, and the cells that could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from indexer.catalogue.notation.cells import (
    CellError,
    CellParser,
    abbreviated,
    read_available,
    read_date,
    read_images,
    read_keyword,
    read_keywords,
    read_language,
    read_number,
    read_text,
)
from indexer.catalogue.notation.languages import detect_product_language
from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError

MAX_ID_BYTES = 512  # the engine's limit for a document id

ImageSource = str | bytes  # a path, URL or data URI as the catalogue spells it; bytes: the image file itself


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
    numbers: dict[str, float] = field(default_factory=dict)
    keywords: dict[str, str | list[str]] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)
    codes: tuple[str, ...] = ()  # besides the id
    language: str = "en"
    group: str | None = None
    available: bool | None = None
    created: str | None = None


def read_product(values: Mapping[str, Any], plan: FieldPlan) -> tuple[Product, list[DroppedCell]]:
    """Return the product of a row and the cells that were left out; raises RowError when it has no usable id."""
    dropped: list[DroppedCell] = []

    def cell(column: str | None, parse: CellParser) -> Any:
        value = values.get(column) if column else None
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if isinstance(value, str) and plan.is_null(column, value):
            dropped.append(
                DroppedCell(str(column), f"{abbreviated(value)} stands for an empty cell", is_null=True)
            )
            return None
        try:
            return parse(value, plan.format_of(column))
        except CellError as error:
            dropped.append(DroppedCell(str(column), str(error)))
            return None

    def cells(columns: tuple[str, ...], parse: CellParser) -> dict[str, Any]:
        parsed = {column: cell(column, parse) for column in columns}
        return {column: value for column, value in parsed.items() if value is not None}

    title = cell(plan.title, read_text) or ""
    texts = cells(plan.text, read_text)
    contents = {
        space: "\n".join(cells(columns, read_text).values()) for space, columns in plan.vectors.items()
    }
    extra = cells(tuple(column for column in values if is_extra(column, plan)), read_text)
    keywords = cells(plan.keywords, read_keywords)
    language = cell(plan.language_field, read_language)
    product = Product(
        id=read_id(values.get(plan.id), plan.id),
        title=title,
        texts=texts,
        extra=extra,
        images=tuple(image for images in cells(plan.images, read_images).values() for image in images),
        contents={space: content for space, content in contents.items() if content},
        numbers=cells(plan.numbers, read_number),
        keywords=keywords,
        dates=cells(plan.dates, read_date),
        codes=_codes(plan, keywords | cells(_unless(plan.codes, keywords), read_keywords)),
        language=language or detect_product_language(" ".join([title, *texts.values()]), plan.language),
        group=cell(plan.group, read_keyword),
        available=cell(plan.available, read_available),
        created=cell(plan.created, read_date),
    )
    return product, dropped


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
