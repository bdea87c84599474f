"""Statistics of each column in a sample of rows: fill rate, type of its values, repetition."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from indexer.catalogue.notation import column_names
from indexer.catalogue.notation.cells import CellError, CellParser, read_date
from indexer.catalogue.notation.column_names import is_image_name, normalized, without_language
from indexer.catalogue.notation.languages import DetectedLanguage, catalogue_language
from indexer.catalogue.notation.lists import list_separator, split_cell, written_list
from indexer.catalogue.notation.number_columns import NumberEvidence, number_evidence
from indexer.catalogue.notation.pictures import PICTURE_KEYS, split_pictures
from opensearch.index.fields import DEFAULT_FORMAT
from vitrine.notation.cjk import HAN

MIN_AGREEMENT = 0.95  # the share of a column's values that must be of a type for the column to be of it
CODE_NAME = re.compile(
    r"(^|[^a-z])(ean|gtin\d*|upc|isbn|mpn|sku|barcode|code|zip|plz|phone|nr|ref|c\u00f3digo)s?($|[^a-z])|id$|nummer$|"
    r"编号|编码|货号|条码|条形码|邮编|电话"
)
_NAME_KEY = re.compile(r"\.(name|label|value|amount|text|title)$", re.IGNORECASE)
URL = re.compile(r"([a-z]+:)?//\S+$", re.IGNORECASE)
_HAN = re.compile(f"[{HAN}]")
_IMAGE_VALUE = re.compile(
    r"data:image/|.*\.(jpe?g|png|webp|gif|bmp|tiff?|avif|hei[cf])([?#].*)?$", re.IGNORECASE | re.DOTALL
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
        """The name in lower case, its letters and digits alone."""
        return normalized(self.name)

    @property
    def role_name(self) -> str:
        """The normalized name without a language at its end, as in `title_de`, or the key of an object's name."""
        return normalized(_NAME_KEY.sub("", without_language(self.name)))

    @property
    def distinct_values(self) -> int:
        """The number of distinct values of the sample."""
        return len({str(value) for value in self.values})

    @property
    def mean_words(self) -> float:
        """Words per value; Chinese, which writes no spaces, counts two characters as a word."""
        words = sum(len(str(value).split()) for value in self.values)
        han = sum(len(_HAN.findall(str(value)[:_HAN_SAMPLE_CHARACTERS])) for value in self.values)
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
        image_name = is_image_name(self.name)
        return self.mostly(
            lambda value: isinstance(value, (str, bytes, dict)) and _is_image(value, image_name)
        )

    @cached_property
    def number_evidence(self) -> NumberEvidence:
        """What the values show about the notation of numbers."""
        return number_evidence(self.name, self.values)

    @property
    def may_be_number(self) -> bool:
        """Whether name and type allow numbers: a code of digits is none."""
        return not all(isinstance(value, bool) for value in self.values) and not CODE_NAME.search(
            self.name.lower()
        )

    @cached_property
    def separator(self) -> str | None:
        """The sign that cuts the cells into lists, `|` left out, which always does."""
        return list_separator(self.name, self.values)

    def parts(self) -> ColumnStatistics:
        """Return the column with one value per value of its lists."""
        if not any(isinstance(value, str) and (self.separator or "|" in value) for value in self.values):
            return self
        values = [part for value in self.values for part in split_cell(value, self.separator) if part != ""]
        return replace(self, values=values)

    @property
    def is_iso_date(self) -> bool:
        """Whether most values are ISO 8601 dates."""
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


def column_statistics(
    rows: Sequence[Mapping[str, Any]], null: frozenset[str] = frozenset()
) -> list[ColumnStatistics]:
    """Return the statistics of every column that is filled in some row, in order of first appearance.

    `null` holds the words that stand for an empty cell, in lower case.
    """
    filled: Counter[str] = Counter()
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, cell in row.items():
            if not name.strip():  # no plan can name it
                continue
            parts = _parts(cell)
            filled_parts = [
                part for part in parts if part not in (None, "", b"") and not _is_null(part, null)
            ]
            if filled_parts:
                filled[name] += 1
                values.setdefault(name, []).extend(filled_parts)
    return [ColumnStatistics(name, values[name], count, count / len(rows)) for name, count in filled.items()]


def _parts(cell: Any) -> list[Any]:
    written = written_list(cell) if isinstance(cell, str) else None
    parts = written if written is not None else cell if isinstance(cell, list) else [cell]
    return [" > ".join(map(str, part)) if isinstance(part, list) else part for part in parts]


def _is_null(value: Any, null: frozenset[str]) -> bool:
    return isinstance(value, str) and (not value.strip() or value.strip().casefold() in null)


def parses(parse: CellParser, value: Any) -> bool:
    """Return whether the parser accepts the value; NaN counts as accepted, because number columns contain it."""
    try:
        parse(value, DEFAULT_FORMAT)
    except CellError:
        return isinstance(value, float)
    return True


def _is_image(value: Any, image_name: bool) -> bool:
    if isinstance(value, dict):
        return image_name and any(key in value for key in PICTURE_KEYS)
    if isinstance(value, bytes):
        return image_name
    if _IMAGE_VALUE.match(value):
        return True
    return image_name and all(
        isinstance(part, str) and URL.match(part.strip()) for part in split_pictures(value, None)
    )


def detected_language(columns: Sequence[ColumnStatistics]) -> DetectedLanguage:
    """Return the language of the titles and descriptions, or where no column is called so of all texts."""
    texts = [column for column in columns if column.is_text]
    named = [c for c in texts if c.role_name in (*column_names.TITLES, *column_names.TEXTS)]
    values = [str(value) for column in named or texts for value in column.values]
    return catalogue_language(values, [column.name for column in columns])
