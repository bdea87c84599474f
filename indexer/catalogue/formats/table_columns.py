"""The columns of a table and the cells of its rows by column, as CSV files and workbooks share them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from indexer.catalogue.rows import CatalogueRow, Remark, SkippedRow

# One value per product: of two columns with such a name the first filled one counts.
_SINGLE = re.compile(r"(product|item|article)?[\s_-]*(id|sku|title|name|handle)", re.IGNORECASE)
_MARK = "\ufeff"
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_DATA = re.compile(r"[+-]?\d+[.,]\d{1,2}( ?[A-Z\u20ac$\u00a3]{1,3})?|https?://\S+|\d{4}-\d\d-\d\d.*")
_TEMPLATE = re.compile("TemplateType=|settings=")
_TEMPLATE_ROWS = 6
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]*([\[#.:][\w\[\]#.:=]*)?")  # item_sku, bullet_point1


class TableColumns:
    """The header of a table: a column without a name is called after its position, and a name may stand twice."""

    def __init__(self, cells: Sequence[Any]) -> None:
        self.header = ["" if cell is None else str(cell).strip() for cell in cells]
        names = [_field_name(name) for name in self.header]
        self.names = [name or f"column {position}" for position, name in enumerate(names, start=1)]
        self._short_rows = self._first_short_row = 0
        self.repeated = len(set(self.names)) < len(self.names)

    def problem(self, cells: Sequence[Any]) -> str | None:
        """Return why the cells are not a row of the table; None when they are.

        Missing cells at the end are empty, and further cells must be.
        """
        count = len(self.names)
        if len(cells) <= count or not any(cell not in (None, "") for cell in cells[count:]):
            return None
        return f"the row has {len(cells)} cells and the header {count} columns"

    def row(self, line: int, cells: Sequence[Any]) -> CatalogueRow | SkippedRow | None:
        """Return the row of cells that have no problem; None when all of them are empty."""
        if cells and isinstance(cells[0], str) and cells[0].startswith(_MARK):
            cells = [cells[0].removeprefix(_MARK), *cells[1:]]  # of a file that was appended to another
        if self._is_header(cells):
            return SkippedRow(line, "the header once more")
        values = self.values(cells)
        if values and len(cells) < len(self.names):
            self._short_rows += 1
            self._first_short_row = self._first_short_row or line
        return CatalogueRow(line, values) if values else None

    def remarks(self) -> Iterator[Remark]:
        """Yield what the user should know of the header and of the rows that were read."""
        yield from self.header_remarks()
        if self._short_rows:
            yield Remark(
                f"rows with fewer cells than the header, read as if the last ones were empty: {self._short_rows:,}"
                f" (the first in line {self._first_short_row})"
            )

    def header_remarks(self) -> Iterator[Remark]:
        """Yield what the user should know of the header."""
        if data := self._data_in_header():
            yield Remark(
                f"the first line is read as the header, and {data!r} in it looks like a product's cell: if the file has no"
                " header, write a line of column names above it"
            )

    def _data_in_header(self) -> str | None:
        numbers = [name for name in self.header if _NUMBER.fullmatch(name)]
        data = next((name for name in self.header if _DATA.fullmatch(name)), None)
        return data or (numbers[0] if 2 * len(numbers) > len(self.header) else None)

    def values(self, cells: Sequence[Any]) -> dict[str, Any]:
        """Return the cells that are not empty by column."""
        filled = [
            (name, cell)
            for name, cell in zip(self.names, cells, strict=False)
            if cell is not None and (cell != "" or not isinstance(cell, str))
        ]
        return _joined(filled) if self.repeated else dict(filled)

    def _is_header(self, cells: Sequence[Any]) -> bool:
        if not cells or str(cells[0]).strip() != self.header[0]:
            return False
        texts = ["" if cell is None else str(cell).strip() for cell in cells[: len(self.header)]]
        return texts == self.header and len(texts) > 1


def _field_name(name: str) -> str:
    """Return a column's name without the dots that no field of an index can have: `Art.-Nr.`, `Tags (x,y,z...)`."""
    return re.sub(r"\.{2,}", "\u2026", name).strip(".").strip() if "." in name else name


def template_header(rows: Sequence[Sequence[Any]]) -> int | None:
    """Return the position of the header in Amazon's flat file: the last row of attribute names; None for other tables."""
    if not rows or not rows[0] or not _TEMPLATE.match(str(rows[0][0] or "")):
        return None
    named = [
        position
        for position, row in enumerate(rows[:_TEMPLATE_ROWS])
        if len(cells := [str(cell) for cell in row if cell not in (None, "")]) > 1
        and all(_ATTRIBUTE.fullmatch(cell) for cell in cells)
    ]
    return named[-1] if named else None


def _joined(filled: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the cells by column; different values of columns with one name become a list."""
    values: dict[str, Any] = {}
    for name, cell in filled:
        if name not in values:
            values[name] = cell
        elif not _SINGLE.fullmatch(name):
            parts = values[name] if isinstance(values[name], list) else [values[name]]
            if cell not in parts:
                values[name] = [*parts, cell]
    return values
