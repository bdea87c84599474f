"""Catalogue files as a stream of rows, one at a time.

`READERS` has one entry per file suffix. To add a format, write a generator of rows and enter it under its file suffix.
A file whose content is that of a format is read as such, whatever its name. An unreadable row is a `BadRow` in the
stream, so that it never stops the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from indexer.catalogue.formats.containers import PACKINGS, count_lines
from indexer.catalogue.formats.csv_records import csv_columns, read_csv
from indexer.catalogue.formats.heads import (
    REFUSALS,
    Head,
    is_delimited,
    is_json,
    is_parquet,
    is_xlsx,
    is_xml,
    read_head,
)
from indexer.catalogue.formats.json_files.json_rows import count_json, read_json
from indexer.catalogue.formats.parquet_rows import count_parquet_rows, parquet_columns, read_parquet
from indexer.catalogue.formats.xlsx_rows import read_xlsx, xlsx_columns
from indexer.catalogue.formats.xml_rows import read_xml
from indexer.catalogue.shapes.shape import shaped_rows
from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError

from .flat_rows import flat_rows
from .rows import BadRow, CatalogueItem, CatalogueRow, CatalogueRows, Remark, ShapeRemark, SkippedRow
from .unused_columns import is_used

__all__ = [
    "READERS",
    "BadRow",
    "CatalogueItem",
    "CatalogueRow",
    "CatalogueRows",
    "Reader",
    "Remark",
    "ShapeRemark",
    "SkippedRow",
    "count_rows",
    "declared_columns",
    "read_rows",
    "reader_for",
]


def _no_count(path: Path) -> int | None:
    return None


@dataclass(frozen=True)
class Reader:
    """The functions that read one catalogue format.

    rows: yields the rows of a file, given its path and the encoding that the user named (None: the format's own)
    columns: returns the columns that the file declares; None where each row has its own columns
    count: returns the number of rows, which may be approximate, for the progress bar; None where it is not known
    content: whether a file's first bytes are of this format; None where only the file suffix can tell
    """

    rows: Callable[[Path, str | None], CatalogueRows]
    columns: Callable[[Path, str | None], tuple[str, ...] | None] | None = None
    count: Callable[[Path], int | None] = count_lines
    content: Callable[[Head], bool] | None = None


_JSON = Reader(read_json, count=count_json, content=is_json)
_CSV = Reader(read_csv, csv_columns, content=is_delimited)
_TABS = Reader(partial(read_csv, delimiter="\t"), partial(csv_columns, delimiter="\t"), content=is_delimited)
_XML = Reader(read_xml, count=_no_count, content=is_xml)

# In this order the formats are asked whether a file's content is theirs.
READERS: dict[str, Reader] = {
    ".parquet": Reader(read_parquet, parquet_columns, count_parquet_rows, is_parquet),
    ".xlsx": Reader(read_xlsx, xlsx_columns, _no_count, is_xlsx),
    ".xml": _XML,
    ".rss": _XML,
    ".atom": _XML,
    ".jsonl": _JSON,
    ".ndjson": _JSON,
    ".json": _JSON,
    ".csv": _CSV,
    ".txt": _CSV,
    ".tsv": _TABS,
    ".tab": _TABS,
}


def reader_for(path: Path, encoding: str | None = None) -> Reader:
    """Return the reader for the file's content, else for its suffix; that of a packing is left out.

    Raises CatalogueError when the file does not exist, is empty, is a folder, is of a kind that is not read or of none
    that is known.
    """
    packings = ", ".join(packing.suffix for packing in PACKINGS)
    expected = f"expected {', '.join(READERS)} (also packed: {packings}, .zip)"
    if not path.exists():
        raise CatalogueError(f"there is no file {path}; name a catalogue, {expected}")
    if path.is_dir():
        raise CatalogueError(f"{path} is a folder; name the catalogue file in it, {expected}")
    if path.stat().st_size == 0:
        raise CatalogueError(f"{path} is empty; expected one product per line or row")
    head = read_head(path, encoding)
    by_suffix = READERS.get(head.suffix)
    if by_suffix and by_suffix.content is None:
        return by_suffix
    if refusal := next((refusal for refusal in REFUSALS if refusal.matches(head)), None):
        raise CatalogueError(f"{path} is {refusal.kind}; {refusal.advice}")
    if by_suffix and by_suffix.content and by_suffix.content(head):
        return by_suffix
    by_content = next(
        (reader for reader in READERS.values() if reader.content and reader.content(head)), None
    )
    if reader := by_content or by_suffix:
        return reader
    raise CatalogueError(f"{path.name} is not in a known catalogue format: {expected}")


def read_rows(
    path: Path, encoding: str | None = None, shape: str | None = None, plan: FieldPlan | None = None
) -> CatalogueRows:
    """Yield every row of a catalogue in file order, objects opened; memory holds one row (Parquet: a thousand).

    `shape` is a name of `SHAPES`, `none`, or None: the shape that the columns have. With a plan whose id names the group
    of a shape, the variants of a group are one row; columns that a shape writes as others are kept where the plan names
    them.
    """
    source = partial(reader_for(path, encoding).rows, path, encoding)
    rows = shaped_rows(source, shape, plan)
    yield from flat_rows(rows, lambda column: is_used(column, plan)) if plan else flat_rows(rows)


def declared_columns(path: Path, encoding: str | None = None) -> tuple[str, ...] | None:
    """Return the columns that the file itself declares; None where each row has its own, as in JSON and XML."""
    columns = reader_for(path, encoding).columns
    return columns(path, encoding) if columns else None


def count_rows(path: Path) -> int | None:
    """Return the approximate number of rows; text formats also count blank lines and line ends inside a cell."""
    return reader_for(path).count(path)
