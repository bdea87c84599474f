"""Catalogue files as a stream of rows: JSONL, CSV (both optionally gzipped) and Parquet, one row at a time.

A row that cannot be read is a `BadRow` in the stream, so that it never stops the others.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from vitrine.errors import CatalogueError

LINE_BYTES = 64 << 20  # a longer line is rejected, not read into memory
CELL_CHARACTERS = 4 << 20  # of one CSV cell; where a quote never closes, this ends the search for its end
FORMATS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
EXPECTED = "expected .jsonl, .ndjson, .csv or .tsv (also .gz), or .parquet"


@dataclass(frozen=True)
class CatalogueRow:
    """One readable row: its line (Parquet: its row number), from 1, and its cells by column."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True)
class BadRow:
    """One unreadable row: why, and as much of it as could be kept."""

    line: int
    reason: str
    raw: str | None = None


def catalogue_format(path: Path) -> str:
    """The format by the file's name, without `.gz`; CatalogueError when there is no such file or format."""
    if not path.exists():
        raise CatalogueError(f"there is no file {path}; name a catalogue, {EXPECTED}")
    if path.is_dir():
        raise CatalogueError(f"{path} is a folder; name the catalogue file in it, {EXPECTED}")
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if not suffixes or suffixes[-1] not in FORMATS:
        raise CatalogueError(f"{path.name} is of no known format: {EXPECTED}")
    if path.stat().st_size == 0:
        raise CatalogueError(f"{path} is empty; expected one product a line or row")
    return suffixes[-1]


def read_rows(path: Path, encoding: str | None = None) -> Iterator[CatalogueRow | BadRow]:
    """Every row of a catalogue in file order; memory holds one row (Parquet: a thousand)."""
    kind = catalogue_format(path)
    if kind == ".parquet":
        yield from _parquet_rows(path)
        return
    with closing(_Lines(path, encoding)) as lines:
        yield from _csv_rows(lines, kind) if kind in (".csv", ".tsv") else _json_rows(lines)


def columns_of(path: Path, encoding: str | None = None) -> tuple[str, ...] | None:
    """The columns that the file itself declares; None for JSONL, where every row has its own."""
    kind = catalogue_format(path)
    if kind == ".parquet":
        return tuple(_parquet_file(path).schema_arrow.names)
    if kind in (".csv", ".tsv"):
        with closing(_Lines(path, encoding)) as lines:
            return tuple(_header(lines, kind)[0])
    return None


@dataclass(frozen=True)
class _Line:
    number: int
    text: str
    problem: str | None  # why the text is not what stands in the file


class _Lines:
    """The decoded lines of a text file, gzipped or not, with numbers and the byte offset of what is not text.

    Lines can be handed back, so that a broken CSV record costs its first line only.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        self.path = path
        self._number = 0
        self._offset = 0
        self._returned: list[_Line] = []
        self._raw = path.open("rb")
        packed = self._raw.read(2) == b"\x1f\x8b"
        self._raw.seek(0)
        self._file: gzip.GzipFile | io.BufferedReader | io.BytesIO = (
            gzip.GzipFile(fileobj=self._raw) if packed else self._raw
        )
        self._encoding = "utf-8"
        self._wide: io.TextIOWrapper | None = None
        try:
            if encoding:
                self._encoding = self._known(encoding)
            self._skip_mark()
        except CatalogueError:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()
        self._raw.close()

    def _known(self, encoding: str) -> str:
        try:
            return codecs.lookup(encoding).name
        except LookupError as error:
            raise CatalogueError(f"encoding {encoding!r} is not known; name one such as latin-1") from error

    def _skip_mark(self) -> None:
        """Reads the byte order mark; UTF-16 and UTF-32 are decoded as one stream."""
        try:
            start = self._file.read(4)
            self._file.seek(0)
        except (OSError, EOFError, zlib.error) as error:
            raise CatalogueError(f"{self.path} cannot be unpacked ({error}); write it again") from error
        if start.startswith(codecs.BOM_UTF8):
            self._file.seek(3)
            self._offset = 3
        elif start in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
            self._encoding = "utf-32"
        elif start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            self._encoding = "utf-16"
        if self._encoding.startswith(("utf-16", "utf-32")):
            self._wide = io.TextIOWrapper(self._file, encoding=self._encoding, newline="\n")

    def hand_back(self, lines: list[_Line]) -> None:
        self._returned = [*lines, *self._returned]

    def __iter__(self) -> Iterator[_Line]:
        return self

    def __next__(self) -> _Line:
        if self._returned:
            return self._returned.pop(0)
        self._number += 1
        try:
            line = self._wide_line(self._wide) if self._wide else self._byte_line()
        except (OSError, EOFError, zlib.error) as error:
            self._file = io.BytesIO()  # nothing can follow
            self._wide = None
            return _Line(self._number, "", f"the file breaks off here ({error}): write it again")
        if line is None:
            raise StopIteration
        return line

    def _wide_line(self, file: io.TextIOWrapper) -> _Line | None:
        try:
            text = file.readline(LINE_BYTES)
        except UnicodeDecodeError as error:
            raise CatalogueError(
                f"{self.path} stops being {self._encoding} near line {self._number}, in the block at byte"
                f" {error.start}; save it as UTF-8"
            ) from error
        return _Line(self._number, text, None) if text else None

    def _byte_line(self) -> _Line | None:
        data = self._file.readline(LINE_BYTES)
        if not data:
            return None
        start = self._offset
        self._offset += len(data)
        if len(data) == LINE_BYTES and not data.endswith(b"\n"):
            while (more := self._file.readline(LINE_BYTES)) and not more.endswith(b"\n"):
                self._offset += len(more)
            self._offset += len(more)
            return _Line(self._number, "", f"the line is longer than {LINE_BYTES >> 20} MB")
        try:
            return _Line(self._number, data.decode(self._encoding), None)
        except UnicodeDecodeError as error:
            problem = (
                f"byte 0x{data[error.start]:02x} at offset {start + error.start} of the file is not"
                f" {self._encoding}; save the catalogue as UTF-8 or name its encoding with --encoding"
            )
            return _Line(self._number, data.decode(self._encoding, "replace"), problem)


def _json_rows(lines: _Lines) -> Iterator[CatalogueRow | BadRow]:
    for line in lines:
        if line.problem:
            yield BadRow(line.number, line.problem, line.text[:2000] or None)
        elif line.text.strip():
            yield _json_row(line)


def _json_row(line: _Line) -> CatalogueRow | BadRow:
    try:
        values = _json_values(line.text)
    except (ValueError, TypeError, RecursionError) as error:
        return BadRow(line.number, f"the line is not JSON: {error}", line.text[:2000])
    if not isinstance(values, dict):
        found = {list: "a list", str: "a string", type(None): "null"}.get(type(values), "a bare value")
        return BadRow(line.number, f"the line holds {found}; expected one object a line", line.text[:2000])
    return CatalogueRow(line.number, values)


def _json_values(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        values = json.loads(text)  # also reads NaN and Infinity, which catalogues hold although JSON does not
        orjson.dumps(
            values, option=orjson.OPT_NON_STR_KEYS
        )  # refuses half a surrogate pair, as the engine would
        return values


def _header(lines: _Lines, kind: str) -> tuple[list[str], str]:
    """The column names and the delimiter, from the first line that is not blank."""
    for line in lines:
        if line.problem:
            raise CatalogueError(f"the header of {lines.path} cannot be read: {line.problem}")
        if line.text.strip():
            break
    else:
        raise CatalogueError(f"{lines.path} holds only blank lines; expected a header and one product a row")
    delimiter = "\t" if kind == ".tsv" else max(",;\t|", key=line.text.count)
    names = [name.strip() for name in next(csv.reader([line.text], delimiter=delimiter))]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise CatalogueError(f"the header of {lines.path} names a column twice: {', '.join(twice)}")
    return names, delimiter


def _csv_rows(lines: _Lines, kind: str) -> Iterator[CatalogueRow | BadRow]:
    names, delimiter = _header(lines, kind)
    csv.field_size_limit(CELL_CHARACTERS)
    record: list[_Line] = []

    def texts() -> Iterator[str]:
        for line in lines:
            record.append(line)
            yield line.text

    while True:
        record.clear()
        try:
            cells = next(csv.reader(texts(), delimiter=delimiter, strict=True), None)
        except csv.Error as error:
            lines.hand_back(record[1:])
            yield BadRow(record[0].number, f"the row is not CSV: {error}", record[0].text[:2000])
            continue
        problem = next((line.problem for line in record if line.problem), None)
        if problem:
            yield BadRow(record[0].number, problem, record[0].text[:2000] or None)
        elif cells is None:
            return
        elif cells:
            yield _csv_row(names, cells, record)


def _csv_row(names: list[str], cells: list[str], record: list[_Line]) -> CatalogueRow | BadRow:
    if len(cells) != len(names):
        reason = f"the row has {len(cells)} cells and the header {len(names)} columns"
        return BadRow(record[0].number, reason, "".join(line.text for line in record)[:2000])
    return CatalogueRow(record[0].number, {n: c for n, c in zip(names, cells, strict=True) if n and c != ""})


def parquet_rows(path: Path) -> int:
    """The number of rows that a Parquet file declares."""
    return int(_parquet_file(path).metadata.num_rows)


def _parquet_file(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise CatalogueError(f"{path} is not a whole Parquet file ({error}); write it again") from error


def _parquet_rows(path: Path) -> Iterator[CatalogueRow | BadRow]:
    import pyarrow as pa

    line = 0
    try:
        with _parquet_file(path) as file:
            for batch in file.iter_batches(batch_size=1000):
                for values in batch.to_pylist():
                    line += 1
                    yield CatalogueRow(
                        line, {name: value for name, value in values.items() if value is not None}
                    )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield BadRow(line + 1, f"the file breaks off here ({error}): write it again")
