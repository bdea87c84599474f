"""Catalogues in an Excel workbook (.xlsx): the first sheet that has rows, read one row at a time."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import time, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

from indexer.catalogue.rows import BadRow, CatalogueRows, Remark, SkippedRow
from vitrine.errors import CatalogueError

from .containers import open_seekable
from .table_columns import TableColumns, template_header

MAX_UNPACKED_BYTES = 8 << 30  # a workbook that unpacks to more is not read
_SAMPLE_ROWS = 20
_FORMULA_ALONE = re.compile(rb"</f>\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_BLOCK_BYTES = 1 << 20
_OVERLAP = 60  # bytes that such an end of a cell may have
_ERROR_CELLS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})
_ADVICE = "open it in a spreadsheet program and save it as CSV in UTF-8"


def read_xlsx(path: Path, encoding: str | None = None) -> CatalogueRows:
    """Yield the rows of the first sheet with rows. A workbook names its own encoding, so `encoding` has no effect."""
    with _open(path) as workbook:
        sheet, rows = _first_table(workbook, path)
        if formulas := _formulas_without_value(workbook[sheet]):
            yield Remark(
                f"cells with a formula whose value the workbook does not hold, read as empty: {formulas:,}; open it in a"
                " spreadsheet program and save it again"
            )
        others = [name for name in workbook.sheetnames if name != sheet]
        if others:
            yield Remark(f"the products are those of the sheet {sheet!r}; left out: {', '.join(others)}")
        yield from _table_rows(rows)


def xlsx_columns(path: Path, encoding: str | None = None) -> tuple[str, ...]:
    """Return the columns of the header of the first sheet with rows."""
    with _open(path) as workbook:
        _, rows = _first_table(workbook, path)
        header, _, _ = _split_header(rows)
        return tuple(dict.fromkeys(TableColumns(header).names))


def _table_rows(rows: Iterator[Sequence[Any]]) -> CatalogueRows:
    header, before, rest = _split_header(rows)
    columns = TableColumns(_trimmed(header))
    for line in before:
        yield SkippedRow(line, "a line before the header")
    line = len(before) + 1
    while True:
        try:
            line, cells = next(rest)
        except StopIteration:
            break
        except Exception as error:  # openpyxl has no common class for what it finds in a damaged sheet
            yield BadRow(
                line + 1,
                f"the sheet is damaged here ({_reason(error)}), and no row after it is read; {_ADVICE}",
            )
            return
        values = [_value(cell) for cell in cells]
        problem = columns.problem(values)
        row = BadRow(line, problem) if problem else columns.row(line, values)
        if row:
            yield row
    yield from columns.header_remarks()


def _split_header(
    rows: Iterator[Sequence[Any]],
) -> tuple[Sequence[Any], list[int], Iterator[tuple[int, Sequence[Any]]]]:
    """Return the header, the lines of the titles above it, and the rows below it, each with its line."""
    numbered = enumerate(rows, start=1)
    sample = [(line, cells) for line, cells in islice(numbered, _SAMPLE_ROWS) if _filled(cells)]
    position = template_header([cells for _, cells in sample])
    if position is None:
        position = _lines_of_title([_filled(cells) for _, cells in sample])
    before = [line for line, _ in sample[:position]]
    return sample[position][1], before, chain(sample[position + 1 :], numbered)


def _lines_of_title(widths: Sequence[int]) -> int:
    """Return the number of rows above the header, by the filled cells of each: a title has one."""
    above = 0
    while above + 2 < len(widths) and widths[above] == 1 and min(widths[above + 1 : above + 3]) > 1:
        above += 1
    return above


def _filled(cells: Sequence[Any]) -> int:
    return sum(1 for cell in cells if cell is not None and str(cell).strip())


def _trimmed(cells: Sequence[Any]) -> Sequence[Any]:
    """Return the header without its empty cells at the end, which a sheet that was once wider has."""
    width = max((n for n, cell in enumerate(cells, start=1) if cell is not None), default=0)
    return cells[:width]


def _value(cell: Any) -> Any:
    if isinstance(cell, str) and cell in _ERROR_CELLS:
        return None
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return str(cell) if isinstance(cell, (time, timedelta)) else cell


def _first_table(workbook: Any, path: Path) -> tuple[str, Iterator[Sequence[Any]]]:
    for sheet in workbook.worksheets:
        sheet.reset_dimensions()  # what other programs write there is often wrong
        rows = sheet.iter_rows(values_only=True)
        try:
            first = list(islice(rows, _SAMPLE_ROWS))
        except Exception as error:
            raise _incomplete(path, error) from error
        if any(_filled(cells) for cells in first):
            return sheet.title, chain(first, rows)
    raise CatalogueError(
        f"{path} is a workbook with no filled sheet; expected a header and one product per row"
    )


def _formulas_without_value(sheet: Any) -> int:
    """Return the number of cells that programs wrote as formulas and no spreadsheet program has computed."""
    count, rest = 0, b""
    with sheet.parent._archive.open(sheet._worksheet_path) as file:
        while block := file.read(_BLOCK_BYTES):
            text = rest + block
            found = list(_FORMULA_ALONE.finditer(text))
            count += len(found)
            rest = text[max(found[-1].end() if found else 0, len(text) - _OVERLAP) :]
    return count


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    from openpyxl import load_workbook

    with open_seekable(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="openpyxl")  # of styles and extensions, which no row has
        try:
            with zipfile.ZipFile(file) as archive:
                size = sum(info.file_size for info in archive.infolist())
            if size > MAX_UNPACKED_BYTES:
                raise CatalogueError(f"{path} unpacks to {size >> 30} GB; {_ADVICE}")
            workbook = load_workbook(file, read_only=True, data_only=True)
        except CatalogueError:
            raise
        except Exception as error:  # openpyxl has no common class for what it finds in a damaged workbook
            raise _incomplete(path, error) from error
        try:
            yield workbook
        finally:
            workbook.close()


def _incomplete(path: Path, error: Exception) -> CatalogueError:
    return CatalogueError(f"{path} is not a complete workbook ({_reason(error)}); {_ADVICE}")


def _reason(error: Exception) -> str:
    return str(error).strip("'\"") or type(error).__name__
