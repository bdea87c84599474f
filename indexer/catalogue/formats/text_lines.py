"""The decoded text of a catalogue, by lines with their numbers or by blocks, and the byte offset of undecodable text."""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.catalogue.rows import Remark
from vitrine.errors import CatalogueError

from .containers import DAMAGE, damaged, open_catalogue
from .detected_encoding import detected_encoding
from .encodings import codec_name, mark_encoding, unmarked_utf_16

MAX_LINE_CHARACTERS = 64 << 20  # a longer line is rejected and never held in memory as a whole
_MAX_JOINED_LINES = 1000
_SAMPLE_BYTES = 4096
_BLOCK_CHARACTERS = 1 << 20
UNDECODED = re.compile(
    "[\udc80-\udcff]"
)  # bytes that are not of the encoding (the handler `surrogateescape`)
_UTF_16_OR_32 = re.compile("utf-(16|32)")


@dataclass(frozen=True)
class TextLine:
    """One line with its number from 1; `problem` is the reason why `text` is not the line as the file has it."""

    number: int
    text: str
    problem: str | None


class TextLines:
    """An iterator over the lines of a text file, packed or not.

    A line ends at LF, CR LF or CR, and at no other sign. Lines can be pushed back, so that a broken CSV record costs
    its first line only. Raises CatalogueError for an unknown encoding and for a packed file that cannot be read.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        self.path = path
        self._number = 0
        self.row_end: str | None = None  # the only line end that ends a line; None: each
        self._pushed_back: deque[TextLine] = deque()
        self.cut_off: str | None = None  # why `block` ended before the text did
        codec = codec_name(encoding) if encoding else "utf-8"
        self._opened = open_catalogue(path)
        try:
            start = self._opened.peek(_SAMPLE_BYTES)
            mark, marked = mark_encoding(start)
            self._offset = len(self._opened.read(mark))
        except DAMAGE as error:
            self.close()
            raise damaged(path, error) from error
        guessed = None if encoding or marked else unmarked_utf_16(start)
        detected = None if encoding or marked or guessed else detected_encoding(path)
        self.remark = Remark(detected.sentence) if detected else None
        self._encoding = marked or guessed or (detected.name if detected else codec)
        # Every byte takes part in a unit of two or four bytes, so an undecodable one cannot be kept apart.
        errors = "strict" if _UTF_16_OR_32.match(self._encoding) else "surrogateescape"
        self._text: io.TextIOBase = io.TextIOWrapper(
            self._opened, encoding=self._encoding, errors=errors, newline=""
        )

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def push_back(self, lines: Sequence[TextLine]) -> None:
        """Make the lines the next ones of the iteration."""
        self._pushed_back.extendleft(reversed(lines))

    def __iter__(self) -> Iterator[TextLine]:
        return self

    def __next__(self) -> TextLine:
        line = self._one_line()
        if line is None:
            raise StopIteration
        if self.row_end is None or self._is_whole(line):
            return line
        parts = [line]
        while len(parts) < _MAX_JOINED_LINES and (further := self._one_line()):
            parts.append(further)
            if self._is_whole(further):
                break
        problem = next((part.problem for part in parts if part.problem), None)
        return TextLine(line.number, "".join(part.text for part in parts), problem)

    def _is_whole(self, line: TextLine) -> bool:
        text = line.text
        return text.endswith(self.row_end or "") and not (self.row_end == "\r" and text.endswith("\n"))

    def _one_line(self) -> TextLine | None:
        if self._pushed_back:
            return self._pushed_back.popleft()
        self._number += 1
        try:
            return self._next_line()
        except DAMAGE as error:
            self._text = io.StringIO()  # ends the iteration
            return TextLine(self._number, "", f"the file is cut off here ({error}): write it again")

    def block(self) -> str:
        """Return the next million characters; the empty string at the end, and where a damaged file is cut off."""
        try:
            return self._read(_BLOCK_CHARACTERS, by_line=False)
        except DAMAGE as error:
            self.cut_off = str(error)
            return ""

    def undecoded(self, text: str, offset: int | None = None) -> str | None:
        """Return the reason when the text has bytes that are not of the encoding; `offset`: where it begins."""
        if text.isascii() or not (found := UNDECODED.search(text)):
            return None
        before = len(text[: found.start()].encode(self._encoding, "surrogateescape"))
        place = "" if offset is None else f" at offset {offset + before} of the file"
        return (
            f"byte 0x{ord(found.group()) - 0xDC00:02x}{place} is not {self._encoding}; save the catalogue as UTF-8 or"
            " name its encoding with --encoding"
        )

    def _next_line(self) -> TextLine | None:
        text = self._read(MAX_LINE_CHARACTERS, by_line=True)
        if not text:
            return None
        start = self._offset
        self._offset += self._bytes(text)
        if len(text) == MAX_LINE_CHARACTERS and not text.endswith(("\n", "\r")):
            while (rest := self._read(MAX_LINE_CHARACTERS, by_line=True)) and not rest.endswith(("\n", "\r")):
                self._offset += self._bytes(rest)
            self._offset += self._bytes(rest)
            limit = MAX_LINE_CHARACTERS >> 20
            return TextLine(self._number, "", f"the line is longer than {limit} million characters")
        if problem := self.undecoded(text, start):
            return TextLine(self._number, UNDECODED.sub("\ufffd", text), problem)
        return TextLine(self._number, text, None)

    def _read(self, characters: int, *, by_line: bool) -> str:
        try:
            return self._text.readline(characters) if by_line else self._text.read(characters)
        except UnicodeDecodeError as error:
            raise CatalogueError(
                f"{self.path} is not {self._encoding} near line {self._number}, in the block at byte"
                f" {error.start}; save it as UTF-8"
            ) from error

    def _bytes(self, text: str) -> int:
        return len(text) if text.isascii() else len(text.encode(self._encoding, "surrogateescape"))
