"""Parsers of single catalogue cells: text, numbers, keywords, images, dates, languages and availability.

A parser returns the cell's value, or None for an empty one, and raises CellError for a value that does not fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson

from vitrine.errors import CatalogueError

MAX_KEYWORD_CHARACTERS = 8000  # in UTF-8, longer ones can exceed the engine's limit of 32,766 bytes per term
MAX_IMAGES = 64  # of one product; a row with more is broken

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)
_YEAR = re.compile(r"(1[89]|20|21)\d\d")
_LANGUAGE_CODE = re.compile(r"[A-Za-z]{2,3}(?=$|[-_])")
_AVAILABLE = {"true", "yes", "y", "1", "t", "in stock", "in_stock", "instock", "available", "有货"}
_UNAVAILABLE = {
    "false", "no", "n", "0", "f", "out of stock", "out_of_stock", "outofstock", "unavailable", "无货",
}  # fmt: skip

CellParser = Callable[[Any], Any]


class CellError(CatalogueError):
    """A cell that does not fit its field; the product is indexed without it."""


def read_text(value: Any) -> str | None:
    """Return the text; the texts of a list are joined by commas."""
    if isinstance(value, list) and all(isinstance(part, (str, int, float)) for part in value):
        value = ", ".join(str(part) for part in value)
    if isinstance(value, (bool, dict, list, bytes)):
        raise CellError(f"{abbreviated(value)} is not text")
    return str(value).replace("\0", " ").strip() or None


def read_number(value: Any) -> float:
    """Return a finite number; a thousands comma or a unit makes the cell unreadable, so that nothing is guessed."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if not isinstance(value, (bool, int, float, Decimal)):
        raise CellError(f"{abbreviated(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise CellError("NaN or infinity is not a number that can be searched")
    return number


def read_keywords(value: Any) -> str | list[str] | None:
    """Return one keyword, or a list of distinct ones; CSV writes a list as JSON or with `|` between."""
    parts = value if isinstance(value, list) else _split(value)
    keywords = list(dict.fromkeys(word for part in parts if (word := read_keyword(part)) is not None))
    if isinstance(value, list) or len(keywords) > 1:
        return keywords or None
    return keywords[0] if keywords else None


def read_keyword(value: Any) -> str | None:
    """Return a single keyword; a list is an error."""
    if isinstance(value, float) and not math.isfinite(value):
        raise CellError("NaN or infinity is not a keyword")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        return None
    if isinstance(value, (dict, list, bytes)):
        raise CellError(f"{abbreviated(value)} is not a keyword")
    keyword = str(value).replace("\0", " ").strip()
    if len(keyword) > MAX_KEYWORD_CHARACTERS:
        raise CellError(f"a keyword of {len(keyword)} characters is too long: name its column under text")
    return keyword or None


def read_images(value: Any) -> list[str | bytes]:
    """Return the images of a cell: a string, bytes, the `{bytes, path}` of data sets, or a list of these."""
    images: list[str | bytes] = []
    for part in value if isinstance(value, list) else _split(value):
        image = part
        if isinstance(part, dict):
            image = part.get("bytes") or part.get("url") or part.get("path")
        if isinstance(image, str) and image.strip():
            images.append(image.strip())
        elif isinstance(image, bytes) and image:
            images.append(image)
        elif image not in (None, "", b""):
            raise CellError(f"{abbreviated(part)} is not an image: expected a path, URL, data URI or bytes")
    if len(images) > MAX_IMAGES:
        raise CellError(f"{len(images)} images are more than the {MAX_IMAGES} that a product may have")
    return list(dict.fromkeys(images))


def read_date(value: Any) -> str:
    """Return an ISO date or time as the engine reads it; a bare year becomes its first day."""
    if isinstance(value, (datetime, date)):
        moment = value
    else:
        text = str(value).strip()
        if isinstance(value, (bool, float)) or not isinstance(value, (str, int)):
            raise CellError(f"{abbreviated(value)} is not a date")
        if _YEAR.fullmatch(text):
            return f"{text}-01-01"
        try:
            moment = date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
        except ValueError as error:
            raise CellError(f"{abbreviated(value)} is not an ISO date such as 2026-01-31") from error
    if isinstance(moment, datetime):
        if moment.tzinfo:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return moment.isoformat(timespec="milliseconds") + "Z"
    return moment.isoformat()


def read_language(value: Any) -> str:
    """Return the language of a code without its region: `zh-CN`, `ZH_tw` and `zh` are all `zh`."""
    if not isinstance(value, str) or not (code := _LANGUAGE_CODE.match(value.strip())):
        raise CellError(f"{abbreviated(value)} is not a language code such as en or zh")
    return code.group().lower()


def read_available(value: Any) -> bool:
    """Return whether the product is available: yes or no in one of the common words, or a stock above zero."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower().rsplit("/", 1)[-1]  # schema.org writes https://schema.org/InStock
    if text in _AVAILABLE or text in _UNAVAILABLE:
        return text in _AVAILABLE
    return read_number(value) > 0


def abbreviated(value: Any) -> str:
    """Return the value's representation for an error message, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


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
