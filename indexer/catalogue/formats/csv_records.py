"""Catalogues in CSV and TSV: a header, then one product per record.

`csv.reader` cannot continue after a broken record: a quote that never closes swallows the rest of the file. Each record
is therefore parsed by a reader of its own, and after a fault all its lines but the first are read again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from indexer.catalogue.rows import SAMPLE_CHARACTERS, BadRow, CatalogueRows, SkippedRow
from vitrine.errors import CatalogueError

from .csv_dialects import (
    Dialect,
    Layout,
    fallbacks,
    find_layout,
    hide_line_ends,
    is_separator_line,
    show_line_ends,
)
from .table_columns import TableColumns
from .text_lines import TextLine, TextLines

_FORMULA_TEXT = re.compile(r'^="(.*)"$', re.DOTALL)  # ="00123" keeps its zeros in a spreadsheet
_SAMPLE_LINES = 200
_SAMPLE_TEXT = 1 << 20  # characters


def read_csv(path: Path, encoding: str | None = None, *, delimiter: str | None = None) -> CatalogueRows:
    """Yield every record after the header; `delimiter`: the expected one, None: by the first lines."""
    with closing(TextLines(path, encoding)) as lines:
        before, layout = _read_header(lines, delimiter)
        if lines.remark:
            yield lines.remark
        for line in before:
            if line.text.strip() and not is_separator_line(line.text):
                yield SkippedRow(line.number, "a line before the header")
        yield from _Records(lines, layout).rows()


def csv_columns(path: Path, encoding: str | None = None, *, delimiter: str | None = None) -> tuple[str, ...]:
    """Return the columns of the header."""
    with closing(TextLines(path, encoding)) as lines:
        return tuple(dict.fromkeys(TableColumns(_read_header(lines, delimiter)[1].columns).names))


def _read_header(lines: TextLines, delimiter: str | None) -> tuple[list[TextLine], Layout]:
    """Return the lines before the header and the layout; the lines after the header are the next ones."""
    sample: list[TextLine] = []
    characters = 0
    for line in islice(lines, _SAMPLE_LINES):
        sample.append(line)
        characters += len(line.text)
        if characters > _SAMPLE_TEXT:
            break
    layout = find_layout([line.text for line in sample], delimiter)
    if layout is None:
        raise CatalogueError(f"{lines.path} has only blank lines; expected a header and one product per row")
    header = sample[layout.header_line]
    if header.problem:
        raise CatalogueError(f"the header of {lines.path} cannot be read: {header.problem}")
    lines.row_end = layout.row_end
    lines.push_back(sample[layout.header_line + 1 :])
    return sample[: layout.header_line], layout


class _Records:
    """The records after a header."""

    def __init__(self, lines: TextLines, layout: Layout) -> None:
        self._lines = lines
        self._layout = layout
        self._columns = TableColumns(layout.columns)
        self._fallbacks = [way for way in fallbacks(layout.delimiter) if way is not layout.dialect]

    def rows(self) -> CatalogueRows:
        """Yield the rows; one that is not CSV costs its first line only."""
        while True:
            record: list[TextLine] = []
            cells, fault = self._record(record)
            if not record:
                break
            first = record[0]
            problem = next((line.problem for line in (record[:1] if fault else record) if line.problem), None)
            ragged = None if fault else self._columns.problem(cells)
            reason = problem or fault or ragged
            if reason and not problem and (other := self._otherwise(record)) is not None:
                cells = other
            elif reason:
                if fault:
                    self._lines.push_back(record[1:])
                yield BadRow(first.number, reason, first.text[:SAMPLE_CHARACTERS] or None)
                continue
            if row := self._columns.row(first.number, cells):
                yield row
        yield from self._columns.remarks()

    def _record(self, record: list[TextLine]) -> tuple[Sequence[str], str | None]:
        """Return the cells of the next record and why it is not CSV; `record` receives its lines."""
        try:
            return self._cells(self._layout.dialect, record), None
        except csv.Error as error:
            return (), f"the row is not CSV: {error}"

    def _otherwise(self, record: list[TextLine]) -> list[str] | None:
        """Return the cells of a faulty record in the first other dialect that gives as many as there are columns.

        The lines of the record that the dialect does not need are the next ones.
        """
        for dialect in self._fallbacks:
            self._lines.push_back(record)
            used: list[TextLine] = []
            try:
                cells = self._cells(dialect, used)
            except csv.Error:
                cells = []
            if len(cells) == len(self._columns.names):
                return cells
            self._lines.push_back(used)
            record[:] = [next(self._lines) for _ in record]
        return None

    def _cells(self, dialect: Dialect, record: list[TextLine]) -> list[str]:
        end = self._layout.row_end

        def texts() -> Iterator[str]:
            for line in self._lines:
                record.append(line)
                yield hide_line_ends(line.text, end) if end else line.text

        cells = dialect.record(texts(), self._layout.delimiter) or []
        cells = [_FORMULA_TEXT.sub(r"\1", cell) if cell.startswith('="') else cell for cell in cells]
        return [show_line_ends(cell) for cell in cells] if end else cells
