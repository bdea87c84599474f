"""The decoded lines of a text catalogue, with line numbers and the byte offset of undecodable text."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitrine.errors import CatalogueError

MAX_LINE_BYTES = 64 << 20  # a longer line is rejected and never held in memory as a whole
_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK_BYTES = 1 << 20


def open_catalogue(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """Return the file opened for reading bytes; gzip is recognized by content and unpacked."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
    return gzip.open(path) if packed else path.open("rb")


def count_lines(path: Path) -> int | None:
    """Return the number of line ends in a text file; None when the file cannot be unpacked to its end."""
    try:
        with open_catalogue(path) as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK_BYTES), b""))
    except (OSError, EOFError, zlib.error):
        return None


@dataclass(frozen=True)
class TextLine:
    """One line with its number from 1; `problem` is the reason why `text` is not the line as the file has it."""

    number: int
    text: str
    problem: str | None


class TextLines:
    """An iterator over the lines of a text file, gzipped or not.

    Lines can be pushed back, so that a broken CSV record costs its first line only. Raises CatalogueError for an
    unknown encoding and for a gzip header that cannot be read.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        self.path = path
        self._number = 0
        self._offset = 0
        self._pushed_back: list[TextLine] = []
        self._encoding = _codec_name(encoding) if encoding else "utf-8"
        self._opened = open_catalogue(path)
        self._bytes: gzip.GzipFile | io.BufferedReader | io.BytesIO = self._opened
        self._characters: io.TextIOWrapper | None = None
        try:
            self._skip_byte_order_mark()
        except CatalogueError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def push_back(self, lines: list[TextLine]) -> None:
        """Make the lines the next ones of the iteration."""
        self._pushed_back = [*lines, *self._pushed_back]

    def __iter__(self) -> Iterator[TextLine]:
        return self

    def __next__(self) -> TextLine:
        if self._pushed_back:
            return self._pushed_back.pop(0)
        self._number += 1
        try:
            line = self._character_line(self._characters) if self._characters else self._byte_line()
        except (OSError, EOFError, zlib.error) as error:
            self._bytes = io.BytesIO()  # ends the iteration
            self._characters = None
            return TextLine(self._number, "", f"the file is cut off here ({error}): write it again")
        if line is None:
            raise StopIteration
        return line

    def _skip_byte_order_mark(self) -> None:
        """Move past the byte order mark; text in UTF-16 or UTF-32 is decoded as one stream."""
        try:
            start = self._bytes.read(4)
            self._bytes.seek(0)
        except (OSError, EOFError, zlib.error) as error:
            raise CatalogueError(f"{self.path} cannot be unpacked ({error}); write it again") from error
        if start.startswith(codecs.BOM_UTF8):
            self._bytes.seek(len(codecs.BOM_UTF8))
            self._offset = len(codecs.BOM_UTF8)
        elif start in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
            self._encoding = "utf-32"
        elif start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            self._encoding = "utf-16"
        if self._encoding.startswith(("utf-16", "utf-32")):
            self._characters = io.TextIOWrapper(self._bytes, encoding=self._encoding, newline="\n")

    def _character_line(self, file: io.TextIOWrapper) -> TextLine | None:
        try:
            text = file.readline(MAX_LINE_BYTES)
        except UnicodeDecodeError as error:
            raise CatalogueError(
                f"{self.path} is not {self._encoding} near line {self._number}, in the block at byte"
                f" {error.start}; save it as UTF-8"
            ) from error
        return TextLine(self._number, text, None) if text else None

    def _byte_line(self) -> TextLine | None:
        data = self._bytes.readline(MAX_LINE_BYTES)
        if not data:
            return None
        start = self._offset
        self._offset += len(data)
        if len(data) == MAX_LINE_BYTES and not data.endswith(b"\n"):
            self._skip_to_line_end()
            return TextLine(self._number, "", f"the line is longer than {MAX_LINE_BYTES >> 20} MB")
        try:
            return TextLine(self._number, data.decode(self._encoding), None)
        except UnicodeDecodeError as error:
            problem = (
                f"byte 0x{data[error.start]:02x} at offset {start + error.start} of the file is not"
                f" {self._encoding}; save the catalogue as UTF-8 or name its encoding with --encoding"
            )
            return TextLine(self._number, data.decode(self._encoding, "replace"), problem)

    def _skip_to_line_end(self) -> None:
        while (rest := self._bytes.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            self._offset += len(rest)
        self._offset += len(rest)


def _codec_name(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise CatalogueError(f"encoding {encoding!r} is not known; name one such as latin-1") from error
