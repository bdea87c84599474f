"""What one catalogue row says of a product, part by part of the field plan, and what could not be read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import orjson

from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError

ID_BYTES = 512  # the engine's limit of a document id
KEYWORD_CHARACTERS = 8000  # a longer one may pass the engine's 32,766 bytes of a term
PICTURES = 64  # of one product; more is a broken row, not a gallery

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)
_YEAR = re.compile(r"(1[89]|20|21)\d\d")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+")
_TRUE = {"true", "yes", "y", "1", "t", "in stock", "in_stock", "instock", "available", "有货"}
_FALSE = {"false", "no", "n", "0", "f", "out of stock", "out_of_stock", "outofstock", "unavailable", "无货"}

ImageSource = str | bytes  # a path, URL or data URI as the catalogue spells it; bytes: the picture itself


class RowError(CatalogueError):
    """A row that cannot become a product."""


class CellError(CatalogueError):
    """A cell that does not fit its part; the product goes on without it."""


@dataclass(frozen=True)
class Dropped:
    """A cell that was left out, and why."""

    column: str
    reason: str


@dataclass(frozen=True)
class Product:
    """One product; what a row does not say is absent or None, never zero."""

    id: str
    title: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)  # searched by their words, not embedded
    images: tuple[ImageSource, ...] = ()
    # by vector space besides text and image: embedded, not in the document
    contents: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    keywords: dict[str, str | list[str]] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)
    language: str = "en"
    group: str | None = None
    available: bool | None = None
    created: str | None = None


def read_product(values: Mapping[str, Any], plan: FieldPlan) -> tuple[Product, list[Dropped]]:
    """The product of a row and the cells left out of it; RowError when it has no usable id."""
    dropped: list[Dropped] = []

    def cell(column: str | None, reader: Any) -> Any:
        value = values.get(column) if column else None
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            return reader(value)
        except CellError as error:
            dropped.append(Dropped(str(column), str(error)))
            return None

    def cells(columns: tuple[str, ...], reader: Any) -> dict[str, Any]:
        found = {column: cell(column, reader) for column in columns}
        return {column: value for column, value in found.items() if value is not None}

    title = cell(plan.title, read_text) or ""
    texts = cells(plan.text, read_text)
    contents = {
        space: "\n".join(cells(columns, read_text).values()) for space, columns in plan.vectors.items()
    }
    extra = cells(tuple(column for column in values if is_extra(column, plan)), read_text)
    product = Product(
        id=read_id(values.get(plan.id), plan.id),
        title=title,
        texts=texts,
        extra=extra,
        images=tuple(p for pictures in cells(plan.images, read_pictures).values() for p in pictures),
        contents={space: content for space, content in contents.items() if content},
        numbers=cells(plan.numbers, read_number),
        keywords=cells(plan.keywords, read_keywords),
        dates=cells(plan.dates, read_date),
        language=cell(plan.language_field, read_language)
        or language_of(" ".join([title, *texts.values()]), plan.language),
        group=cell(plan.group, _one_keyword),
        available=cell(plan.available, read_available),
        created=cell(plan.created, read_date),
    )
    return product, dropped


def is_extra(column: str, plan: FieldPlan) -> bool:
    """Whether `plan.search` names the column, itself or by a pattern, and no part of the text does."""
    return any(_fits(pattern, column) for pattern in plan.search) and column not in (plan.title, *plan.text)


@lru_cache(maxsize=1 << 16)
def _fits(pattern: str, column: str) -> bool:
    return column == pattern or ("*" in pattern and fnmatchcase(column, pattern.replace("[", "[[]")))


def read_id(value: Any, column: str) -> str:
    """The id as a string; RowError where there is none that the engine can take."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RowError(f"the row has no id in column {column!r}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise RowError(f"the id in column {column!r} is {_shown(value)}; expected text or a whole number")
    name = str(value).strip()
    if len(name.encode()) > ID_BYTES:
        raise RowError(f"the id in column {column!r} has {len(name.encode())} bytes; at most {ID_BYTES} fit")
    return name


def read_text(value: Any) -> str | None:
    """Text, or the texts of a list as one."""
    if isinstance(value, list) and all(isinstance(part, (str, int, float)) for part in value):
        value = ", ".join(str(part) for part in value)
    if isinstance(value, (bool, dict, list, bytes)):
        raise CellError(f"{_shown(value)} is not text")
    return str(value).replace("\0", " ").strip() or None


def read_number(value: Any) -> float:
    """A finite number; what only looks like one (a thousands comma, a unit) is left out, never guessed."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if not isinstance(value, (bool, int, float, Decimal)):
        raise CellError(f"{_shown(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise CellError("NaN or infinity is not a number that can be searched")
    return number


def read_keywords(value: Any) -> str | list[str] | None:
    """One keyword, or a list of them; CSV writes a list as JSON or with `|` between."""
    parts = value if isinstance(value, list) else _split(value)
    words = list(dict.fromkeys(word for part in parts if (word := _one_keyword(part)) is not None))
    if isinstance(value, list) or len(words) > 1:
        return words or None
    return words[0] if words else None


def read_pictures(value: Any) -> list[ImageSource]:
    """The pictures a cell names: one or a list of strings, bytes, or the `{bytes, path}` of data sets."""
    found: list[ImageSource] = []
    for part in value if isinstance(value, list) else _split(value):
        picture = (
            (part.get("bytes") or part.get("url") or part.get("path")) if isinstance(part, dict) else part
        )
        if isinstance(picture, str) and picture.strip():
            found.append(picture.strip())
        elif isinstance(picture, bytes) and picture:
            found.append(picture)
        elif picture not in (None, "", b""):
            raise CellError(f"{_shown(part)} does not name a picture")
    if len(found) > PICTURES:
        raise CellError(f"{len(found)} pictures are more than the {PICTURES} that one product may have")
    return list(dict.fromkeys(found))


def read_date(value: Any) -> str:
    """An ISO date or time as the engine reads it; a bare year is its first day."""
    if isinstance(value, (datetime, date)):
        moment = value
    else:
        text = str(value).strip()
        if isinstance(value, (bool, float)) or not isinstance(value, (str, int)):
            raise CellError(f"{_shown(value)} is not a date")
        if _YEAR.fullmatch(text):
            return f"{text}-01-01"
        try:
            moment = date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
        except ValueError as error:
            raise CellError(f"{_shown(value)} is not an ISO date such as 2026-01-31") from error
    if isinstance(moment, datetime):
        if moment.tzinfo:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return moment.isoformat(timespec="milliseconds") + "Z"
    return moment.isoformat()


def read_language(value: Any) -> str:
    """`zh-CN`, `ZH_tw` and `zh` are all `zh`."""
    if not isinstance(value, str) or not (code := re.match(r"[A-Za-z]{2,3}(?=$|[-_])", value.strip())):
        raise CellError(f"{_shown(value)} is not a language code such as en or zh")
    return code.group().lower()


def read_available(value: Any) -> bool:
    """Yes or no in the words that shops use, or a stock above zero."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower().rsplit("/", 1)[-1]  # schema.org writes https://schema.org/InStock
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return read_number(value) > 0


def language_of(text: str, default: str) -> str:
    """`zh` where Chinese characters carry the text, else the catalogue's own language."""
    text = text[:2000]
    han = len(_HAN.findall(text))
    if han >= 2 and not _KANA_HANGUL.search(text) and 2 * han >= len(_WORD.findall(text)):
        return "zh"
    return default


def _one_keyword(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        raise CellError("NaN or infinity is not a keyword")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        return None
    if isinstance(value, (dict, list, bytes)):
        raise CellError(f"{_shown(value)} is not a keyword")
    word = str(value).replace("\0", " ").strip()
    if len(word) > KEYWORD_CHARACTERS:
        raise CellError(f"a keyword of {len(word)} characters is too long: name its column under text")
    return word or None


def _split(value: Any) -> list[Any]:
    if isinstance(value, str) and value.startswith("["):
        try:
            parsed = orjson.loads(value)
        except orjson.JSONDecodeError:
            return [value]
        return parsed if isinstance(parsed, list) else [value]
    if isinstance(value, str) and "|" in value and not value.startswith("data:"):
        return value.split("|")
    return [value]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
