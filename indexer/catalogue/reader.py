"""Catalogue files as a stream of rows, one at a time.

`READERS` has one entry per file suffix. To add a format, write a generator of rows and enter it under its file suffix.
An unreadable row is a `BadRow` in the stream, so that it never stops the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vitrine.errors import CatalogueError

from .csv_records import csv_columns, read_csv
from .flat_rows import flat_rows
from .json_lines import read_json_lines
from .parquet_rows import count_parquet_rows, parquet_columns, read_parquet
from .rows import BadRow, CatalogueRow, CatalogueRows
from .text_lines import count_lines

__all__ = [
    "READERS",
    "BadRow",
    "CatalogueRow",
    "CatalogueRows",
    "Reader",
    "count_rows",
    "declared_columns",
    "read_rows",
    "reader_for",
]


@dataclass(frozen=True)
class Reader:
    """The functions that read one catalogue format.

    rows: yields the rows of a file, given its path and the encoding that the user named (None: the format's own)
    columns: returns the columns that the file declares; None where each row has its own columns
    count: returns the number of rows, which may be approximate, for the progress bar; None where it is not known
    """

    rows: Callable[[Path, str | None], CatalogueRows]
    columns: Callable[[Path, str | None], tuple[str, ...] | None] | None = None
    count: Callable[[Path], int | None] = count_lines


READERS: dict[str, Reader] = {
    ".jsonl": Reader(read_json_lines),
    ".ndjson": Reader(read_json_lines),
    ".csv": Reader(read_csv, csv_columns),
    ".tsv": Reader(partial(read_csv, delimiter="\t"), partial(csv_columns, delimiter="\t")),
    ".parquet": Reader(read_parquet, parquet_columns, count_parquet_rows),
}


def reader_for(path: Path) -> Reader:
    """Return the reader for the file's suffix, a final `.gz` left out.

    Raises CatalogueError when the file does not exist, is empty, is a folder or has an unknown suffix.
    """
    expected = f"expected {', '.join(READERS)} (text formats also with .gz)"
    if not path.exists():
        raise CatalogueError(f"there is no file {path}; name a catalogue, {expected}")
    if path.is_dir():
        raise CatalogueError(f"{path} is a folder; name the catalogue file in it, {expected}")
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if not suffixes or suffixes[-1] not in READERS:
        raise CatalogueError(f"{path.name} is not in a known catalogue format: {expected}")
    if path.stat().st_size == 0:
        raise CatalogueError(f"{path} is empty; expected one product per line or row")
    return READERS[suffixes[-1]]


def read_rows(path: Path, encoding: str | None = None) -> CatalogueRows:
    """Yield every row of a catalogue in file order, objects opened; memory holds one row (Parquet: a thousand)."""
    yield from flat_rows(reader_for(path).rows(path, encoding))


def declared_columns(path: Path, encoding: str | None = None) -> tuple[str, ...] | None:
    """Return the columns that the file itself declares; None where each row has its own, as in JSONL."""
    columns = reader_for(path).columns
    return columns(path, encoding) if columns else None


def count_rows(path: Path) -> int | None:
    """Return the approximate number of rows; text formats also count blank lines and line ends inside a cell."""
    return reader_for(path).count(path)
