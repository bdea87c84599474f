"""What a sample of rows says of each column: how full it is, how it reads, whether it repeats."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .product import CellError, read_date, read_number

AGREE = 0.95  # this share of a column's values must fit the part
CODES = re.compile(r"(^|[^a-z])(ean|gtin\d*|upc|isbn|mpn|sku|barcode|code|zip|phone)s?($|[^a-z])|id$")
_IMAGE_NAME = re.compile(r"image|img|picture|photo|thumb|图")
_PICTURE = re.compile(
    r"data:image/|.*\.(jpe?g|png|webp|gif|bmp|tiff?|avif)([?#].*)?$", re.IGNORECASE | re.DOTALL
)
URL = re.compile(r"[a-z]+://\S+$", re.IGNORECASE)
HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class Column:
    """What the sample says of one column."""

    name: str
    values: list[Any]  # one per filled cell, lists opened
    filled: float  # share of the rows
    rows: int

    @property
    def plain(self) -> str:
        return re.sub(r"[^a-z0-9\u3400-\u9fff]", "", self.name.lower())

    @property
    def distinct(self) -> int:
        return len({str(value) for value in self.values})

    @property
    def words(self) -> float:
        """Words in a value, on average; Chinese, which writes no spaces, counts two characters as a word."""
        total = sum(len(str(v).split()) + len(HAN.findall(str(v)[:500])) / 2 for v in self.values)
        return total / len(self.values)

    def share(self, fits: Any) -> float:
        return sum(1 for value in self.values if fits(value)) / len(self.values)

    def reads(self, reader: Any) -> bool:
        return self.share(lambda value: reads(reader, value)) >= AGREE

    @property
    def is_picture(self) -> bool:
        named = bool(_IMAGE_NAME.search(self.name.lower()))
        return self.share(lambda v: isinstance(v, (str, bytes, dict)) and _names_picture(v, named)) >= AGREE

    @property
    def is_number(self) -> bool:
        if all(isinstance(value, bool) for value in self.values) or CODES.search(self.name.lower()):
            return False
        return self.share(lambda v: not _leading_zero(v) and reads(read_number, v)) >= AGREE

    @property
    def is_date(self) -> bool:
        strings = self.share(lambda v: not isinstance(v, (int, float)) and len(str(v)) > 4)
        return strings >= AGREE and self.reads(read_date)

    @property
    def is_text(self) -> bool:
        return self.share(lambda v: isinstance(v, str) and not URL.match(v)) >= AGREE

    @property
    def repeats(self) -> bool:
        return self.distinct <= max(2, len(self.values) // 2)


def columns_in(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    filled: Counter[str] = Counter()
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            opened = [v for v in (value if isinstance(value, list) else [value]) if v not in (None, "", b"")]
            if opened:
                filled[name] += 1
                values.setdefault(name, []).extend(opened)
    return [Column(name, values[name], count / len(rows), count) for name, count in filled.items()]


def _names_picture(value: Any, named: bool) -> bool:
    if isinstance(value, dict):
        return named and bool({"bytes", "path", "url"} & set(value))
    if isinstance(value, bytes):
        return named
    return bool(_PICTURE.match(value)) or (named and bool(URL.match(value)))


def _leading_zero(value: Any) -> bool:
    return isinstance(value, str) and bool(re.match(r"0\d", value))


def reads(reader: Any, value: Any) -> bool:
    try:
        reader(value)
    except CellError:
        return isinstance(value, float)  # NaN stands in number columns
    return True
