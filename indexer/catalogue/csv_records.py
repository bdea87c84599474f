"""Catalogues in CSV and TSV: a header, then one product per record.

`csv.reader` cannot continue after a broken record: a quote that never closes swallows the rest of the file. Each record
is therefore parsed by a reader of its own, and after a fault all its lines but the first are read again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from vitrine.errors import CatalogueError

from .rows import SAMPLE_CHARACTERS, BadRow, CatalogueRow, CatalogueRows
from .text_lines import TextLine, TextLines

MAX_CELL_CHARACTERS = 4 << 20  # also bounds how far a quote that never closes is followed
_DELIMITERS = ",;\t|"


class _Header(NamedTuple):
    columns: list[str]
    delimiter: str


def read_csv(path: Path, encoding: str | None = None, *, delimiter: str | None = None) -> CatalogueRows:
    """Yield every record after the header; `delimiter` None: the one that the header has most often."""
    with closing(TextLines(path, encoding)) as lines:
        yield from _records(lines, _read_header(lines, delimiter))


def csv_columns(path: Path, encoding: str | None = None, *, delimiter: str | None = None) -> tuple[str, ...]:
    """Return the columns of the header."""
    with closing(TextLines(path, encoding)) as lines:
        return tuple(_read_header(lines, delimiter).columns)


def _read_header(lines: TextLines, delimiter: str | None) -> _Header:
    """Return the header in the first line that is not blank."""
    for line in lines:
        if line.problem:
            raise CatalogueError(f"the header of {lines.path} cannot be read: {line.problem}")
        if line.text.strip():
            break
    else:
        raise CatalogueError(f"{lines.path} has only blank lines; expected a header and one product per row")
    delimiter = delimiter or max(_DELIMITERS, key=line.text.count)
    columns = [name.strip() for name in next(csv.reader([line.text], delimiter=delimiter))]
    repeated = sorted({name for name in columns if name and columns.count(name) > 1})
    if repeated:
        raise CatalogueError(f"the header of {lines.path} names a column twice: {', '.join(repeated)}")
    return _Header(columns, delimiter)


def _records(lines: TextLines, header: _Header) -> CatalogueRows:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    record: list[TextLine] = []

    def record_lines() -> Iterator[str]:
        for line in lines:
            record.append(line)
            yield line.text

    while True:
        record.clear()
        try:
            cells = next(csv.reader(record_lines(), delimiter=header.delimiter, strict=True), None)
        except csv.Error as error:
            lines.push_back(record[1:])
            first = record[0]
            yield BadRow(first.number, f"the row is not CSV: {error}", first.text[:SAMPLE_CHARACTERS])
            continue
        problem = next((line.problem for line in record if line.problem), None)
        if problem:
            yield BadRow(record[0].number, problem, record[0].text[:SAMPLE_CHARACTERS] or None)
        elif cells is None:
            return
        elif cells:
            yield _row(header.columns, cells, record)


def _row(columns: list[str], cells: list[str], record: list[TextLine]) -> CatalogueRow | BadRow:
    number = record[0].number
    if len(cells) != len(columns):
        reason = f"the row has {len(cells)} cells and the header {len(columns)} columns"
        return BadRow(number, reason, "".join(line.text for line in record)[:SAMPLE_CHARACTERS])
    values = {column: cell for column, cell in zip(columns, cells, strict=True) if column and cell != ""}
    return CatalogueRow(number, values)
