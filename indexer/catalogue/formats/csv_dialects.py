"""How a CSV file is written: its delimiter, its quotes and escapes, and the lines before its header.

Nothing in a CSV file says so; each is decided from the file's first lines.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .table_columns import template_header

DELIMITERS = ",;\t|"
_RARE_DELIMITERS = "\x01^~¦"
_SEPARATOR_LINE = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)  # Excel's way to name the delimiter
_COMMENT = re.compile(r"\s*(#|//|--|;(?=\s))")
_LETTER_ESCAPES = {"n": "\ue00a", "t": "\ue009", "r": "\ue00d", "0": ""}  # placeholders: csv would end a row
_LINE_ENDS = str.maketrans({"\n": "\ue00a", "\r": "\ue00d"})
_PLACEHOLDERS = str.maketrans({"\ue00a": "\n", "\ue009": "\t", "\ue00d": "\r"})
_ESCAPED_QUOTE = re.compile(
    r'\\"(?![,;\t|\r\n]|$)'
)  # not one at the end of a cell that ends with a backslash
_NULL_SIGN = "N"
_MIN_BACKSLASHES = 2
_MIN_SHARE = 0.5
_LINES_ABOVE = 10  # among which the header of a template is looked for
_MAX_CELL_CHARACTERS = 4 << 20  # also bounds how far a quote that never closes is followed


def _same(text: str) -> str:
    return text


def _protect_letters(line: str) -> str:
    """Return the line with escaped letters replaced, and a second backslash before each letter that is none."""

    def replaced(match: re.Match[str]) -> str:
        sign = match.group(1)
        if sign in _LETTER_ESCAPES:
            return _LETTER_ESCAPES[sign]
        return f"\\\\{sign}" if sign.isalnum() else match.group()

    return re.sub(r"\\(.)", replaced, line)


def show_line_ends(cell: str) -> str:
    """Return the cell with line ends and tabs where placeholders stand."""
    return cell.translate(_PLACEHOLDERS)


def hide_line_ends(line: str, end: str) -> str:
    """Return the line with placeholders for the line ends before its own, `end`."""
    return line.removesuffix(end).translate(_LINE_ENDS) + end


def _with_line_end(line: str) -> str:
    return line.rstrip("\r\n") + "\n"


@dataclass(frozen=True)
class Dialect:
    """A way to write cells: settings of `csv.reader`, and what is done to lines before and to cells after it."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    before: Callable[[str], str] = _same
    after: Callable[[str], str] = _same
    one_line: bool = False  # a row never goes over a line end

    def record(self, lines: Iterable[str], delimiter: str) -> list[str] | None:
        """Return the cells of the first record; None at the end of the lines. Raises csv.Error."""
        csv.field_size_limit(_MAX_CELL_CHARACTERS)
        settings = {"strict": True, **self.settings}
        cells = next(csv.reader(map(self.before, lines), delimiter=delimiter, **settings), None)
        if self.one_line and cells and cells[-1].endswith("\n"):
            raise csv.Error("a quote is not closed")
        return cells if cells is None or self.after is _same else [self.after(cell) for cell in cells]


STANDARD = Dialect("standard")
SPACED = Dialect("a space after each delimiter", {"skipinitialspace": True})
BACKSLASHES = Dialect("backslash escapes", {"escapechar": "\\"}, _protect_letters, show_line_ends)
SINGLE_QUOTES = Dialect("single quotes", {"quotechar": "'"})
UNQUOTED = Dialect("no quotes", {"quoting": csv.QUOTE_NONE}, _with_line_end, one_line=True)
LOOSE = Dialect("a quote inside a quoted cell", {"strict": False}, _with_line_end, one_line=True)


def fallbacks(delimiter: str) -> tuple[Dialect, ...]:
    """Return the dialects in which a single row may be written that the file's own dialect cannot read.

    They count only where they give as many cells as there are columns.
    """
    return (SPACED, BACKSLASHES, UNQUOTED) if delimiter == "\t" else (SPACED, BACKSLASHES, LOOSE)


def _file_dialects(delimiter: str, header: str, text: str) -> tuple[Dialect, ...]:
    """Return the dialects that a file may have, the most likely first."""
    cells = [cell.strip() for cell in header.strip().split(delimiter)]
    if all(len(cell) > 1 and cell.startswith("'") and cell.endswith("'") for cell in cells):
        return (SINGLE_QUOTES,)
    both = (STANDARD, SPACED, BACKSLASHES)
    if _is_escaped(text, delimiter):
        return (BACKSLASHES, STANDARD, SPACED)
    return (*both, UNQUOTED) if delimiter == "\t" else both


def _is_escaped(text: str, delimiter: str) -> bool:
    """Return whether every backslash of the text escapes a sign that needs it, a quote or a backslash among them."""
    escaped = [match.group(1) for match in re.finditer(r"\\(.|$)", text, re.DOTALL)]
    doubled = re.search(r'[^"\\,;\t|\r\n]""[^",;\t|\r\n]', text)
    return bool(
        (_ESCAPED_QUOTE.search(text) or escaped.count("\\") > _MIN_BACKSLASHES)
        and not doubled
        and all(sign in f'\\"{delimiter}\r\n{_NULL_SIGN}' or sign in _LETTER_ESCAPES for sign in escaped)
    )


@dataclass(frozen=True)
class Layout:
    """Where a CSV file's header stands and how its cells are written."""

    header_line: int  # position among the sample's lines
    columns: list[str]
    delimiter: str
    dialect: Dialect
    share: float  # of the sample's rows with as many cells as columns
    row_end: str | None = None  # the only line end that ends a row; None: each


def is_separator_line(line: str) -> bool:
    """Return whether the line is Excel's `sep=;`, which names the delimiter."""
    return bool(_SEPARATOR_LINE.fullmatch(line))


def find_layout(lines: Sequence[str], delimiter: str | None = None) -> Layout | None:
    """Return the layout of a file by its first lines; None when they are all blank or comments.

    `delimiter`: the expected one, which another replaces where it fits better.
    """
    named = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    candidates = named.group(1) if named else f"{delimiter or ''}{DELIMITERS}{_RARE_DELIMITERS}"
    start = 1 if named else 0
    found = _best_layout(lines, start, candidates)
    if found is None or found.share == 1:
        return found
    # A row may end as the header does and at no other line end: those are then in its cells.
    end = re.sub(r".*?(\r?\n?)$", r"\1", lines[found.header_line], flags=re.DOTALL)
    below = found.header_line + 1
    whole = [hide_line_ends(line, end) for line in _joined_lines(lines[below:], end)]
    joined = _best_layout([*lines[:below], *whole], start, candidates)
    return replace(joined, row_end=end) if joined and joined.share > found.share else found


def _joined_lines(lines: Iterable[str], end: str) -> Iterator[str]:
    """Yield the lines, joined where one does not end with `end`."""
    parts: list[str] = []
    for line in lines:
        parts.append(line)
        if line.endswith(end) and not (end == "\r" and line.endswith("\n")):
            yield "".join(parts)
            parts.clear()
    if parts:
        yield "".join(parts)


def _best_layout(lines: Sequence[str], start: int, candidates: str) -> Layout | None:
    layouts = (_layout(lines, start, candidate) for candidate in candidates)
    return max(filter(None, layouts), key=_rating, default=None)


def _rating(layout: Layout) -> tuple[bool, int, float, int]:
    """Return what the better layout has more of: rows that fit, at first roughly, few lines above, columns."""
    return layout.share >= _MIN_SHARE, -layout.header_line, layout.share, len(layout.columns)


def _layout(lines: Sequence[str], start: int, delimiter: str) -> Layout | None:
    """Return the layout that the delimiter gives, in the dialect that most rows fit."""
    header = _header_line(lines, start, delimiter)
    if header is None:
        return None
    found = []
    for dialect in _file_dialects(delimiter, lines[header], "".join(lines)):
        columns = _cells(dialect, [_uncommented(lines[header])], delimiter)
        if columns:
            width = len(columns)
            share = _fitting(lines[header + 1 :], dialect, delimiter, width) if width > 1 else 0.0
            found.append(Layout(header, columns, delimiter, dialect, share))
    return max(found, key=lambda layout: layout.share, default=None)


def _header_line(lines: Sequence[str], start: int, delimiter: str) -> int | None:
    """Return the position of the header: the first line that is not blank, a comment or a title above the table."""
    filled = [n for n in range(start, len(lines)) if lines[n].strip().strip(delimiter)]
    cells_above = [_cells(STANDARD, [lines[n]], delimiter) or [] for n in filled[:_LINES_ABOVE]]
    if (position := template_header(cells_above)) is not None:
        return filled[position]
    for position, n in enumerate(filled):
        below = filled[position + 1 : position + 4]
        cells = _filled_cells(lines[n], delimiter)
        widths = [_filled_cells(lines[m], delimiter) for m in below]
        if _COMMENT.match(lines[n]) and not _is_marked_header(lines[n], cells, widths):
            continue
        is_title = cells == 1 and len(widths) > 1 and min(widths) > 1
        if not is_title:
            return n
    return None


def _is_marked_header(line: str, cells: int, widths: Sequence[int]) -> bool:
    """Return whether a line that begins like a comment is a header such as `#id,title`."""
    return cells > 1 and not re.match(r"\s*(#|//|--)\s", line) and widths[:1] == [cells]


def _uncommented(line: str) -> str:
    return line.lstrip("#") if re.match(r"#\S", line) else line


def _filled_cells(line: str, delimiter: str) -> int:
    cells = _cells(STANDARD, [line], delimiter) or line.split(delimiter)
    return sum(1 for cell in cells if cell.strip())


def _cells(dialect: Dialect, lines: Iterable[str], delimiter: str) -> list[str] | None:
    try:
        return dialect.record(lines, delimiter)
    except csv.Error:
        return None


def _fitting(lines: Sequence[str], dialect: Dialect, delimiter: str, columns: int) -> float:
    """Return the share of the sample's records with as many cells as columns; the last one may be cut."""
    rest: Iterator[str] = iter(lines)
    fitting = records = 0
    while True:
        try:
            cells = dialect.record(rest, delimiter)
        except csv.Error:
            first = next(rest, None)  # None: the sample may end inside this record
            cells = None if first is None else ["?"] * (columns + 1)
        if cells is None:
            return fitting / records if records else 1.0
        if any(cell.strip() for cell in cells):
            records += 1
            fitting += len(cells) == columns
