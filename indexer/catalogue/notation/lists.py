"""Lists in one cell: the separator of a column, decided from all its cells, and the parts of a cell."""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from .column_names import LISTS, normalized, without_language
from .text_cleaning import clean_text

SEPARATORS = (";", ",", "，", "、", "\n")  # `|` always separates
_CJK_COMMAS = "，、"  # catalogues mix them
PATH = re.compile(r"\S\s*(?:>|»|›|→)\s*\S")
_PATH_SIGN = re.compile(r"\s*(?:>|»|›|→)\s*|(?<=\w)/(?=\w)")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_POSTGRES_ARRAY = re.compile(r"\{(?!['\"]?[^,{}]*['\"]?\s*:)[^{}'\n]*\}")  # {a,"b c"}, and no object
_MAX_PART_WORDS = 5
_MAX_NAME_WORDS = 3  # per part of a list cut by semicolons whose parts do not repeat
_MIN_SHARED = 0.6  # the share of the parts that must stand in several cells


def split_cell(value: Any, separator: str | None) -> list[Any]:
    """Return the parts of a cell: of a list, of text that writes a list as JSON or Python does, or cut by a sign.

    Without a separator `|` cuts. A backslash before the separator makes it part of a value.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return [value]
    parsed = written_list(value)
    if parsed is not None:
        return parsed
    text = clean_text(value) if "&" in value or "<" in value else value  # the semicolon of &amp; cuts nothing
    if separator:
        signs = _CJK_COMMAS if separator in _CJK_COMMAS else separator
        parts = (
            re.split(rf"(?<!\\)[{re.escape(signs)}]", text) if len(separator) == 1 else text.split(separator)
        )
        return [part.replace(f"\\{separator}", separator).strip() for part in parts]
    if "|" in text and not text.startswith("data:"):
        return list(text.split("|"))
    return [text]


def written_list(text: str) -> list[Any] | None:
    """Return the list that a text writes as JSON, Python or numpy does; None for any other text."""
    text = text.strip()
    if _POSTGRES_ARRAY.fullmatch(text):
        return next(csv.reader([text[1:-1]]), [])
    if not (text.startswith("[") and text.endswith("]")) and not (
        text.startswith("{'") and text.endswith("'}")
    ):
        return None
    try:
        parsed = orjson.loads(text)
        return parsed if isinstance(parsed, list) else None
    except orjson.JSONDecodeError:
        pass
    if re.search(r"['\"]\s+['\"]", text):  # numpy writes no commas, and Python would join the strings
        return [single or double for single, double in _QUOTED.findall(text)]
    try:
        parsed = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return list(parsed) if isinstance(parsed, (list, tuple, set)) else None


def written_objects(text: str) -> Any:
    """Return the object, or the list of objects, that a text writes as JSON or Python does; any other text as it is."""
    is_list = text.lstrip().startswith("[")
    objects = written_list(text if is_list else f"[{text}]")
    if not objects or not all(isinstance(part, dict) for part in objects):
        return text
    return objects if is_list else objects[0]


def list_separator(name: str, values: Sequence[Any]) -> str | None:
    """Return the sign that cuts the cells of a column into the values of lists; None when the cells hold one value.

    A sign cuts when most parts stand in several cells, or when the column's name is that of a list; a semicolon also where
    it cuts half the cells into short parts. In a column of
    paths (A > B) each part must be a path or the beginning of one, because names in a path have commas too.
    """
    texts = list(
        dict.fromkeys(value for value in values if isinstance(value, str))
    )  # "Acme, Inc." of many products
    if not texts:
        return None
    named = normalized(without_language(name)) in LISTS
    for separator in SEPARATORS:
        cells = [split_cell(text, separator) for text in texts]
        cut = [parts for parts in cells if len(parts) > 1]
        if cut and _are_lists(separator, cells, cut, named):
            return separator
    return None


def _are_lists(separator: str, cells: list[list[str]], cut: list[list[str]], named: bool) -> bool:
    parts = [part for cell in cut for part in cell if part]
    words = sum(len(part.split()) for part in parts)
    if not parts or words > _MAX_PART_WORDS * len(parts):
        return False
    paths = {part for cell in cells for part in cell if _PATH_SIGN.search(part)}
    roots = {_PATH_SIGN.split(path)[0] for path in paths}
    for cell in cut:
        if any(part in paths for part in cell) and not all(
            part in paths or part in roots for part in cell if part
        ):
            return False
    if any(part in paths for part in parts):
        return True
    if named:
        return True
    if separator == ";":  # not a sign of names, unlike the comma
        return 2 * len(cut) >= len(cells) and words <= _MAX_NAME_WORDS * len(parts)
    standing = Counter(part for cell in cells for part in set(cell) if part)
    shared = sum(1 for part in parts if standing[part] > 1)
    return len(cut) > 1 and shared >= _MIN_SHARED * len(parts)
