"""Statistics of each column in a sample of rows: fill rate, type of its values, repetition."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .cells import CellError, CellParser, read_date, read_number

MIN_AGREEMENT = 0.95  # the share of a column's values that must be of a type for the column to be of it
CODE_NAME = re.compile(r"(^|[^a-z])(ean|gtin\d*|upc|isbn|mpn|sku|barcode|code|zip|phone)s?($|[^a-z])|id$")
URL = re.compile(r"[a-z]+://\S+$", re.IGNORECASE)
HAN = re.compile(r"[\u3400-\u9fff]")
_IMAGE_NAME = re.compile(r"image|img|picture|photo|thumb|图")
_IMAGE_VALUE = re.compile(
    r"data:image/|.*\.(jpe?g|png|webp|gif|bmp|tiff?|avif)([?#].*)?$", re.IGNORECASE | re.DOTALL
)
_HAN_SAMPLE_CHARACTERS = 500


@dataclass(frozen=True)
class ColumnStatistics:
    """One column of the sample: `values` has one entry per value, those of a list apart; empty cells are left out."""

    name: str
    values: list[Any]
    filled_rows: int
    fill_rate: float  # share of the sample's rows

    @property
    def normalized_name(self) -> str:
        """The name in lower case, letters, digits and Chinese signs alone."""
        return re.sub(r"[^a-z0-9\u3400-\u9fff]", "", self.name.lower())

    @property
    def distinct_values(self) -> int:
        """The number of distinct values of the sample."""
        return len({str(value) for value in self.values})

    @property
    def mean_words(self) -> float:
        """Words per value; Chinese, which writes no spaces, counts two characters as a word."""
        words = sum(len(str(value).split()) for value in self.values)
        han = sum(len(HAN.findall(str(value)[:_HAN_SAMPLE_CHARACTERS])) for value in self.values)
        return (words + han / 2) / len(self.values)

    def mostly(self, predicate: Callable[[Any], bool]) -> bool:
        """Return whether nearly all values satisfy the predicate."""
        return self.share(predicate) >= MIN_AGREEMENT

    def share(self, predicate: Callable[[Any], bool]) -> float:
        """Return the share of values for which the predicate is true."""
        return sum(1 for value in self.values if predicate(value)) / len(self.values)

    def mostly_parses(self, parse: CellParser) -> bool:
        """Return whether the parser accepts nearly all values."""
        return self.mostly(lambda value: parses(parse, value))

    @property
    def is_image(self) -> bool:
        """Whether most values name or hold an image."""
        image_name = bool(_IMAGE_NAME.search(self.name.lower()))
        return self.mostly(
            lambda value: isinstance(value, (str, bytes, dict)) and _is_image(value, image_name)
        )

    @property
    def is_number(self) -> bool:
        """Whether most values are numbers, and not codes or booleans."""
        if all(isinstance(value, bool) for value in self.values) or CODE_NAME.search(self.name.lower()):
            return False
        return self.mostly(lambda value: not _has_leading_zero(value) and parses(read_number, value))

    @property
    def is_date(self) -> bool:
        """Whether most values are dates."""
        # A number or a short string may also be a year, but is more often a quantity.
        long_strings = self.mostly(lambda value: not isinstance(value, (int, float)) and len(str(value)) > 4)
        return long_strings and self.mostly_parses(read_date)

    @property
    def is_text(self) -> bool:
        """Whether most values are strings, and not URLs."""
        return self.mostly(lambda value: isinstance(value, str) and not URL.match(value))

    @property
    def has_repeated_values(self) -> bool:
        """Whether values repeat as those of a keyword do."""
        return self.distinct_values <= max(2, len(self.values) // 2)


def column_statistics(rows: Sequence[Mapping[str, Any]]) -> list[ColumnStatistics]:
    """Return the statistics of every column that is filled in some row, in order of first appearance."""
    filled: Counter[str] = Counter()
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, cell in row.items():
            parts = cell if isinstance(cell, list) else [cell]
            filled_parts = [part for part in parts if part not in (None, "", b"")]
            if filled_parts:
                filled[name] += 1
                values.setdefault(name, []).extend(filled_parts)
    return [ColumnStatistics(name, values[name], count, count / len(rows)) for name, count in filled.items()]


def parses(parse: CellParser, value: Any) -> bool:
    """Return whether the parser accepts the value; NaN counts as accepted, because number columns contain it."""
    try:
        parse(value)
    except CellError:
        return isinstance(value, float)
    return True


def _is_image(value: Any, image_name: bool) -> bool:
    if isinstance(value, dict):
        return image_name and bool({"bytes", "path", "url"} & set(value))
    if isinstance(value, bytes):
        return image_name
    return bool(_IMAGE_VALUE.match(value)) or (image_name and bool(URL.match(value)))


def _has_leading_zero(value: Any) -> bool:
    return isinstance(value, str) and bool(re.match(r"0\d", value))
