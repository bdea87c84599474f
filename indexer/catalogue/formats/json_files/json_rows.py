"""Catalogues in JSON: objects one after the other, a list of them, or a document that has such a list in it.

Which of these a file is, its first characters tell and not its name. A broken object costs itself only, which is why the
objects are read one at a time by the standard library's decoder and not by a parser of events, which ends at a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from indexer.catalogue.formats.containers import count_lines
from indexer.catalogue.formats.text_lines import UNDECODED, TextLines
from indexer.catalogue.rows import SAMPLE_CHARACTERS, BadRow, CatalogueItem, CatalogueRows, Remark

from .envelopes import Envelopes
from .json_text import JsonText, JsonValue
from .lines import line_rows, parse_json_line, refuse_half_signs, type_name
from .paths import ANY_KEY, products_path

_HEAD_CHARACTERS = 256 << 10
_MAX_BAD_ROWS_TOGETHER = 100  # consecutive unreadable values after which the rest of a document is given up


def read_json(path: Path, encoding: str | None = None) -> CatalogueRows:
    """Yield every object of a JSON file as a row."""
    with closing(TextLines(path, encoding)) as lines:
        if lines.remark:
            yield lines.remark
        text = JsonText(lines.block)
        head, _ = text.ahead(_HEAD_CHARACTERS)
        by_line = _is_one_object_per_line(head)
        if not by_line:
            yield from _Document(text, lines).rows()
    if by_line:
        with closing(TextLines(path, encoding)) as lines:
            yield from line_rows(lines)


def count_json(path: Path) -> int | None:
    """Return the number of lines where each is an object, else None."""
    with closing(TextLines(path, None)) as lines:
        head, _ = JsonText(lines.block).ahead(_HEAD_CHARACTERS)
    return count_lines(path) if _is_one_object_per_line(head) else None


def _is_one_object_per_line(head: str) -> bool:
    """Return whether lines are objects: one of the first two lines is an object, and the first has no list of them."""
    if head.lstrip(" \t\r\n\ufeff,")[:1] == "[":
        return False
    filled = [line for line in re.split(r"[\r\n]+", head) if line.strip()][:2]
    for line in filled:
        try:
            values = parse_json_line(UNDECODED.sub("\ufffd", line))
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(values, dict):
            return line is not filled[0] or products_path(line.strip()) is None
    # Neither line is an object alone: a document over several lines begins with a bracket.
    return head.lstrip()[:1] != "{"


class _Document:
    """The rows of JSON text that is not one object per line."""

    def __init__(self, text: JsonText, lines: TextLines) -> None:
        self._text = text
        self._lines = lines
        self._envelopes = Envelopes()
        self._bad = 0

    def rows(self) -> Iterator[CatalogueItem]:
        """Yield the rows of every value of the text."""
        while sign := self._text.peek():
            if sign == ",":
                self._text.take()
            elif sign == "[":
                yield from self._list()
            elif sign == "{" and (path := products_path(self._text.ahead(_HEAD_CHARACTERS)[0])):
                yield from self._object(path)
            else:
                yield from self._row(self._text.value())
            if self._bad > _MAX_BAD_ROWS_TOGETHER:
                yield BadRow(self._text.line, "nothing after this line is JSON; write the file again")
                return
        if self._lines.cut_off:
            yield BadRow(self._text.line, f"the file is cut off here ({self._lines.cut_off}): write it again")

    def _list(self) -> Iterator[CatalogueItem]:
        self._text.take()
        while (sign := self._text.peek()) != "]":
            if not sign:
                if not self._lines.cut_off:
                    yield BadRow(self._text.line, "the file is cut off here, in a list: write it again")
                return
            if sign == ",":
                self._text.take()
                continue
            yield from self._row(self._text.value())
            if self._bad > _MAX_BAD_ROWS_TOGETHER:
                return
        self._text.take()

    def _object(self, path: tuple[str, ...]) -> Iterator[CatalogueItem]:
        """Yield the rows below the path, and name the other lists and objects of the document."""
        self._text.take()
        left_out: list[str] = []
        while (sign := self._text.peek()) != "}":
            if not sign:
                if not self._lines.cut_off:
                    yield BadRow(self._text.line, "the file is cut off here, in an object: write it again")
                return
            if sign != '"':
                self._text.take()
                continue
            key = self._text.value().value
            if self._text.peek() == ":":
                self._text.take()
            sign = self._text.peek()
            if path[0] == ANY_KEY:
                yield from self._row(self._text.value(), key)
            elif key == path[0] and len(path) > 1 and sign == "{":
                yield from self._object(path[1:])
            elif key == path[0] and sign == "[":
                yield from self._list()
            else:
                other = self._text.value()
                if isinstance(other.value, (dict, list)) and other.value:
                    left_out.append(str(key))
            if self._bad > _MAX_BAD_ROWS_TOGETHER:
                return
        self._text.take()
        if left_out:
            yield Remark(f"the products are those of {path[0]!r}; left out: {', '.join(left_out)}")

    def _row(self, value: JsonValue, key: str | None = None) -> Iterator[CatalogueItem]:
        values, problem = value.value, value.problem
        if problem is None and "\\ud" in value.text.lower():
            try:
                refuse_half_signs(values)
            except TypeError as error:
                problem = str(error)
        if undecoded := self._lines.undecoded(value.text):
            problem = undecoded
        elif problem:
            problem = f"the object is not JSON: {problem}"
        elif not isinstance(values, dict):
            problem = f"the value is {type_name(values)}; expected an object"
        if problem:
            self._bad += 1
            yield BadRow(value.line, problem, value.text[:SAMPLE_CHARACTERS] or None)
            return
        self._bad = 0
        if key is not None:
            values = {"key" if "id" in values else "id": key, **values}
        if row := self._envelopes.row(value.line, values):
            yield row
