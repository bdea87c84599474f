"""Rows of a UBI file: JSON lines or a JSON array, plain or gzip by content; every row is a record or says what is wrong."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import orjson

from vitrine.errors import LogFileError

ENDS_EARLY = "the file ends early: what follows is lost"
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Row:
    """One row of a log: its number from 1, its record, or the problem and the text that was found.

    `at` is the time as the source reads it (seconds since 1970), NaN where only the record has it.
    """

    number: int
    record: dict[str, Any] | None
    problem: str | None = None
    text: str = ""
    at: float = nan


def read_ubi_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file. Raises LogFileError for a file that cannot be opened or holds no JSON.

    A gzip file that ends early gives the rows before its end, and one with the problem.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP
            file.seek(0)
            with gzip.open(file) if zipped else file as content:
                yield from _rows(path, content)
    except OSError as error:
        raise LogFileError(
            f"{path} cannot be read: {error.strerror or error}; name a file of UBI records"
        ) from error


def _rows(path: Path, content: Iterable[bytes]) -> Iterator[Row]:
    lines = _lines(content)
    begun = ((n, line) for n, line in lines if line is None or line.removeprefix(_BOM).strip())
    number, text = next(begun, (0, b""))
    if text is None:
        yield Row(number, None, ENDS_EARLY)
    if not text:
        return
    start = text.removeprefix(_BOM).lstrip()
    if start[:1] == b"[":
        rest = b"".join(line for _, line in lines if line is not None)
        yield from _array(path, start + rest)
        return
    if start[:1] != b"{":
        raise LogFileError(
            f"{path} holds no JSON: its first line is {_shown(start)}. Expected one UBI record a line, such as "
            '{"query_id": ...}; convert a table to JSON lines first, for example with '
            "`duckdb -c \"copy (from 'FILE.csv') to 'FILE.jsonl'\"`"
        )
    yield _row(number, start)
    for number, line in lines:
        if line is None:
            yield Row(number, None, ENDS_EARLY)
        elif line.strip():
            yield _row(number, line)


def _lines(content: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield numbered lines; None stands for the place where a compressed file ends early."""
    number = 0
    try:
        for number, line in enumerate(content, start=1):
            yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield number + 1, None


def _array(path: Path, text: bytes) -> Iterator[Row]:
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise LogFileError(
            f"{path} begins like a JSON array and is none ({error}); write one record a line instead"
        ) from error
    for number, value in enumerate(values, start=1):
        yield _checked(number, value, orjson.dumps(value))


def _row(number: int, line: bytes) -> Row:
    try:
        return _checked(number, orjson.loads(line), line)
    except orjson.JSONDecodeError:
        return Row(number, None, "the line is no JSON", line.decode(errors="replace").rstrip("\r\n"))


def _checked(number: int, value: Any, text: bytes) -> Row:
    """Return a row; a line of an index dump stands for its `_source`."""
    if isinstance(value, dict) and isinstance(value.get("_source"), dict):
        value = value["_source"]
    if isinstance(value, dict):
        return Row(number, value)
    return Row(number, None, "the row is no JSON object", text.decode(errors="replace").rstrip("\r\n"))


def _shown(text: bytes) -> str:
    return repr(text[:60].decode(errors="replace").strip())
