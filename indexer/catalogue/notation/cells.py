"""Parsers of single catalogue cells: text, numbers, keywords, images, dates, languages and availability.

A parser takes the cell and the notation of its column. It returns the cell's value, or None for an empty one, and
raises CellError for a value that does not fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from opensearch.index.fields import DEFAULT_FORMAT, ColumnFormat
from vitrine.errors import CatalogueError

from .dates import parse_date
from .lists import split_cell, written_list
from .number_columns import currencies_beside, read_numeral
from .numerals import PLAIN_NUMBER, is_free, split_range
from .pictures import picture_addresses, split_pictures
from .text_cleaning import clean_text
from .yes_no import stock_by_beginning, yes_or_no

MAX_KEYWORD_CHARACTERS = 8000  # in UTF-8, longer ones can exceed the engine's limit of 32,766 bytes per term
MAX_IMAGES = 64  # of one product; a row with more is broken

_YEAR = re.compile(r"(1[89]|20|21)\d\d")
_STOCK_WORDS = re.compile(
    r"(?P<before>[^\d(]*)[(\s]*(?P<stock>\d{1,9})[)\s]*(?P<after>[^\d]*)"
)  # 12 in stock
_AT_LEAST = re.compile(
    r"(?:[>≥~]|more than|über|mehr als|plus de|más de|oltre)?\s*(?P<stock>\d{1,9})\s*\+?", re.IGNORECASE
)
_LANGUAGE_CODE = re.compile(r"[A-Za-z]{2,3}(?=$|[-_])")
Value = TypeVar("Value", float, str)
CellParser = Callable[[Any, ColumnFormat], Any]


class CellError(CatalogueError):
    """A cell that does not fit its field; the product is indexed without it."""


def read_text(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> str | None:
    """Return the readable text, without markup; the texts of a list are joined by commas."""
    parts = written_list(value) if isinstance(value, str) and value.startswith(("[", "{'")) else value
    if isinstance(parts, list) and all(isinstance(part, (str, int, float)) for part in parts):
        value = ", ".join(str(part) for part in parts)
    if isinstance(value, (bool, dict, list, bytes)):
        raise CellError(f"{abbreviated(value)} is not text")
    return clean_text(str(value)) or None


def read_numbers(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> float | list[float]:
    """Return one number, or the distinct ones of a list in their order; a range such as "10 - 20" gives both ends."""
    parts = written_list(value) if isinstance(value, str) else value
    if parts is None and (ends := split_range(value.strip())):
        parts = list(ends)
    if not isinstance(parts, list):
        return read_number(value, notation)
    numbers = [read_number(part, notation) for part in parts if part not in (None, "")]
    if parts is not value and len(numbers) == 2 and numbers[0] > numbers[1]:
        raise CellError(f"{abbreviated(value)} is not a range of numbers from low to high")
    return _one_or_list(numbers, value)


def _one_or_list(values: list[Value], cell: Any) -> Value | list[Value]:
    distinct = list(dict.fromkeys(values))
    if not distinct:
        raise CellError(f"{abbreviated(cell)} has no value")
    return distinct if len(distinct) > 1 else distinct[0]


def read_number(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> float:
    """Return a finite number in the notation's unit.

    Without a notation, a thousands sign or a unit makes the cell unreadable, so that nothing is guessed.
    """
    if isinstance(value, str):
        value = _number_in(value.strip(), notation)
    if not isinstance(value, (bool, int, float, Decimal)):
        raise CellError(f"{abbreviated(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise CellError("NaN or infinity is not a number that can be searched")
    return number


def _number_in(text: str, notation: ColumnFormat) -> float:
    if is_free(text):
        return 0.0
    is_noted = notation.decimal or notation.currency or notation.unit
    number = read_numeral(text, notation) if is_noted else None
    if number is None and notation.decimal != "," and PLAIN_NUMBER.fullmatch(text):
        number = float(text)
    if number is None:
        stated = [
            f"decimal sign {notation.decimal!r}" if notation.decimal else None,
            notation.currency,
            notation.unit,
        ]
        expected = ", ".join(part for part in stated if part)
        other = currencies_beside(text)
        if notation.currency and other and notation.currency not in other:
            raise CellError(f"{abbreviated(text)} is in {other[0]}, and the column holds {notation.currency}")
        reason = f"{abbreviated(text)} is not a number"
        raise CellError(f"{reason} in the column's notation ({expected})" if expected else reason)
    return number


def read_keywords(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> str | list[str] | None:
    """Return one keyword, or a list of distinct ones; a list in a list is a path, written `A > B`.

    Text is a list when it writes one as JSON or Python does, or has the notation's separator, else `|`.
    """
    parts = [_path(part) for part in split_cell(value, notation.separator)]
    keywords = list(dict.fromkeys(word for part in parts if (word := read_keyword(part)) is not None))
    if isinstance(value, list) or len(keywords) > 1:
        return keywords or None
    return keywords[0] if keywords else None


def _path(part: Any) -> Any:
    steps = isinstance(part, list) and all(isinstance(step, (str, int)) for step in part)
    return " > ".join(str(step).strip() for step in part) if steps else part


def read_keyword(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> str | None:
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
    keyword = clean_text(str(value))
    if len(keyword) > MAX_KEYWORD_CHARACTERS:
        raise CellError(f"a keyword of {len(keyword)} characters is too long: name its column under text")
    return keyword or None


def read_images(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> list[str | bytes]:
    """Return the images of a cell: addresses, bytes, an object that has one under a usual key, or a list of these."""
    images: list[str | bytes] = []
    texts = [value] if isinstance(value, str) else picture_addresses(value)
    parts = [
        p for text in texts for p in (_addresses_in(text, notation) if isinstance(text, str) else [text])
    ]
    for image in parts:
        if isinstance(image, str) and image.strip():
            images.append(image.strip())
        elif isinstance(image, bytes) and image:
            images.append(image)
        elif image not in (None, "", b""):
            raise CellError(f"{abbreviated(image)} is not an image: expected a path, URL, data URI or bytes")
    if len(images) > MAX_IMAGES:
        raise CellError(f"{len(images)} images are more than the {MAX_IMAGES} that a product may have")
    return list(dict.fromkeys(images))


def _addresses_in(text: str, notation: ColumnFormat) -> list[Any]:
    """Return the addresses of a text, which may write a list of objects."""
    return picture_addresses(split_pictures(text.strip(), notation.separator))


def read_dates(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> str | list[str]:
    """Return one date or time as `read_date` does, or the distinct ones of a list."""
    parts = written_list(value) if isinstance(value, str) else value
    if not isinstance(parts, list):
        return read_date(value, notation)
    return _one_or_list([read_date(part, notation) for part in parts if part not in (None, "")], value)


def read_date(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> str:
    """Return an ISO date or time as the engine reads it; a bare year becomes its first day.

    The notation's formats come first, then ISO 8601.
    """
    if isinstance(value, (datetime, date)):
        moment = value
    elif notation.date_format and (parsed := parse_date(value, notation.date_format)) is not None:
        moment = parsed
    else:
        text = str(value).strip()
        if isinstance(value, (bool, float)) or not isinstance(value, (str, int)):
            raise CellError(f"{abbreviated(value)} is not a date")
        if _YEAR.fullmatch(text):
            return f"{text}-01-01"
        try:
            moment = date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
        except ValueError as error:
            formats = "".join(f" and not in the form {form}" for form in notation.date_format)
            raise CellError(f"{abbreviated(value)} is not an ISO date such as 2026-01-31{formats}") from error
    if isinstance(moment, datetime):
        if moment.tzinfo:
            try:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            except OverflowError as error:  # .NET writes 0001-01-01T00:00:00+01:00 for no date
                raise CellError(
                    f"{abbreviated(value)} is not a date of the years 1 to 9999 in UTC"
                ) from error
        return moment.isoformat(timespec="milliseconds") + "Z"
    return moment.isoformat()


def read_language(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> str:
    """Return the language of a code without its region: `zh-CN`, `ZH_tw` and `zh` are all `zh`."""
    if not isinstance(value, str) or not (code := _LANGUAGE_CODE.match(value.strip())):
        raise CellError(f"{abbreviated(value)} is not a language code such as en or zh")
    return code.group().lower()


def read_available(value: Any, notation: ColumnFormat = DEFAULT_FORMAT) -> bool:
    """Return whether the product is available: yes or no in a common language, or a stock above zero."""
    answer = yes_or_no(value)
    if answer is not None:
        return answer
    if isinstance(value, str) and (match := _STOCK_WORDS.fullmatch(value.strip())):
        answer = yes_or_no(match["before"] + match["after"])
        if answer is not None:
            return answer and int(match["stock"]) > 0
    if isinstance(value, str) and (match := _AT_LEAST.fullmatch(value.strip())):
        return int(match["stock"]) > 0
    try:
        return read_number(value, notation) > 0
    except CellError as error:
        answer = stock_by_beginning(str(value))
        if answer is not None:
            return answer
        raise CellError(f"{abbreviated(value)} is neither a word for yes or no nor a stock") from error


def abbreviated(value: Any) -> str:
    """Return the value's representation for an error message, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
