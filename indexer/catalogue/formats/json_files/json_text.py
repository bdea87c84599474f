"""JSON values read one after the other from a text of any length, with a bounded part of it in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_VALUE_CHARACTERS = 64 << 20  # a longer value is rejected and never held in memory as a whole
_SPACE = re.compile(r"[ \t\n\r\ufeff]*")
_STRUCTURE = re.compile(r'["{}\[\]]')
_STRING_END = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER_SIGNS = "0123456789.eE+-"
_CUT_SIGNS = 12  # a fault so near to the end of the buffer may be a value that goes on, such as \ud83d\ude00
_DECODER = json.JSONDecoder()


class JsonValue(NamedTuple):
    """A value, the line that it begins in, its text, and the reason why it could not be read."""

    line: int
    value: Any
    text: str
    problem: str | None = None


class JsonText:
    """A position in a text that `read_block` returns in parts; the empty string is its end."""

    def __init__(self, read_block: Callable[[], str]) -> None:
        self._read_block = read_block
        self._text = ""
        self._at = 0
        self._ended = False
        self.line = 1

    def peek(self) -> str:
        """Return the next sign that is not white space; the empty string at the end."""
        while True:
            end = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            self._move(end)
            if end < len(self._text):
                return self._text[end]
            if not self._grow():
                return ""

    def take(self) -> None:
        """Move past the sign that `peek` returned."""
        self._move(self._at + 1)

    def ahead(self, characters: int) -> tuple[str, bool]:
        """Return so many characters from here on or all that there are, and whether they reach the text's end."""
        while len(self._text) - self._at < characters and self._grow():
            pass
        return self._text[self._at : self._at + characters], (
            self._ended and len(self._text) - self._at <= characters
        )

    def value(self) -> JsonValue:
        """Return the value that begins here and move past it; past a broken one by its brackets, or to the next line."""
        line = self.line
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _CUT_SIGNS
                if cut and len(self._text) - self._at < MAX_VALUE_CHARACTERS and self._grow():
                    continue
                return self._broken(line, f"{error.msg}")
            except (RecursionError, ValueError) as error:
                return self._broken(line, str(error))
            if (
                self._text[end - 1] in _NUMBER_SIGNS
                and not self._text[end:].strip(_NUMBER_SIGNS)
                and self._grow()
            ):
                continue  # the buffer ends in a number
            text = self._text[self._at : end]
            self._move(end)
            return JsonValue(line, value, text)

    def _broken(self, line: int, reason: str) -> JsonValue:
        start, end = self._at, self._end_of_broken()
        text = self._text[start:end]
        self._move(end)
        return JsonValue(line, None, text, reason)

    def _end_of_broken(self) -> int:
        """Return the end of a value that is not JSON: its closing bracket, else the end of its line."""
        depth, at = 0, self._at
        while found := _STRUCTURE.search(self._text, at):
            at = found.end()
            sign = found.group()
            if sign == '"':
                closed = _STRING_END.match(self._text, at)
                if closed is None:
                    break
                at = closed.end()
            else:
                depth += 1 if sign in "{[" else -1
                if depth <= 0:
                    return at
        line_end = self._text.find("\n", self._at)
        return line_end + 1 if line_end >= 0 else len(self._text)

    def _move(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end) or self._text.count("\r", self._at, end)
        self._at = end

    def _grow(self) -> bool:
        """Add at least as much text as is not yet read; return whether there was any."""
        rest = self._text[self._at :]
        parts, added = [rest], 0
        while not self._ended and added <= len(rest):
            block = self._read_block()
            self._ended = not block
            parts.append(block)
            added += len(block)
        self._text, self._at = "".join(parts), 0
        return added > 0
