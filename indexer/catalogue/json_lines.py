"""Catalogues in JSONL: one JSON object per line."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from .rows import SAMPLE_CHARACTERS, BadRow, CatalogueRow, CatalogueRows
from .text_lines import TextLine, TextLines

_TYPE_NAMES: dict[type, str] = {list: "a list", str: "a string", type(None): "null"}


def read_json_lines(path: Path, encoding: str | None = None) -> CatalogueRows:
    """Yield every line that is not blank as a row."""
    with closing(TextLines(path, encoding)) as lines:
        for line in lines:
            if line.problem:
                yield BadRow(line.number, line.problem, line.text[:SAMPLE_CHARACTERS] or None)
            elif line.text.strip():
                yield _row(line)


def _row(line: TextLine) -> CatalogueRow | BadRow:
    sample = line.text[:SAMPLE_CHARACTERS]
    try:
        values = _parse(line.text)
    except (ValueError, TypeError, RecursionError) as error:
        return BadRow(line.number, f"the line is not JSON: {error}", sample)
    if not isinstance(values, dict):
        type_name = _TYPE_NAMES.get(type(values), "a single value")
        return BadRow(line.number, f"the line is {type_name}; expected one object per line", sample)
    return CatalogueRow(line.number, values)


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # The standard library also reads NaN and Infinity, which catalogues contain although JSON has neither.
        values = json.loads(text)
        # orjson refuses half of a surrogate pair, as the engine would.
        orjson.dumps(values, option=orjson.OPT_NON_STR_KEYS)
        return values
