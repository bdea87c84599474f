"""Catalogues in CSV and TSV: a header, then one product per record.

`csv.reader` cannot continue after a broken record: a quote that never closes swallows the rest of the file. Each record
is therefore parsed by a reader of its own, and after a fault all its lines but the first are read again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from indexer.catalogue.rows import SAMPLE_CHARACTERS, BadRow, CatalogueRows, SkippedRow
from vitrine.errors import CatalogueError

from .csv_dialects import Layout, fallbacks, find_layout, is_separator_line
from .table_columns import TableColumns
from .text_lines import TextLine, TextLines

_SAMPLE_LINES = 200
_SAMPLE_TEXT = 1 << 20  # characters


def read_csv(path: Path, encoding: str | None = None, *, delimiter: str | None = None) -> CatalogueRows:
    """Yield every record after the header; `delimiter`: the expected one, None: by the first lines."""
    with closing(TextLines(path, encoding)) as lines:
        before, layout = _read_header(lines, delimiter)
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
                return
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

    def _record(self, record: list[TextLine]) -> tuple[Sequence[str], str | None]:
        """Return the cells of the next record and why it is not CSV; `record` receives its lines."""
        try:
            return self._layout.dialect.record(self._texts(record), self._layout.delimiter) or (), None
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
                cells = dialect.record(self._texts(used), self._layout.delimiter) or []
            except csv.Error:
                cells = []
            if len(cells) == len(self._columns.names):
                return cells
            self._lines.push_back(used)
            record[:] = [next(self._lines) for _ in range(max(len(record), len(used)))]
        return None

    def _texts(self, record: list[TextLine]) -> Iterator[str]:
        """Yield the texts of the next lines; `record` receives the lines."""
        for line in self._lines:
            record.append(line)
            yield line.text
