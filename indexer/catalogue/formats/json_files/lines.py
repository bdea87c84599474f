"""Catalogues in JSON with one object per line."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from typing import Any

import orjson

from indexer.catalogue.formats.text_lines import TextLine
from indexer.catalogue.rows import SAMPLE_CHARACTERS, BadRow, CatalogueRows

from .envelopes import Envelopes

_TYPE_NAMES: dict[type, str] = {list: "a list", str: "a string", type(None): "null"}


def line_rows(lines: Iterable[TextLine]) -> CatalogueRows:
    """Yield every line that is not blank as a row."""
    envelopes = Envelopes()
    for line in lines:
        sample = line.text[:SAMPLE_CHARACTERS] or None
        if line.problem:
            yield BadRow(line.number, line.problem, sample)
        elif line.text.strip():
            try:
                values = parse_json_line(line.text)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
                yield BadRow(line.number, f"the line is not JSON: {error}", sample)
                continue
            if not isinstance(values, dict):
                yield BadRow(
                    line.number, f"the line is {type_name(values)}; expected one object per line", sample
                )
            elif row := envelopes.row(line.number, values):
                yield row


def type_name(value: Any) -> str:
    """Return what a JSON value is, for an error message."""
    return _TYPE_NAMES.get(type(value), "a single value")


def parse_json_line(text: str) -> Any:
    """Return the value of a line of JSON, or of the Python dictionaries of older data sets; raises ValueError."""
    text = text.strip().removeprefix("\ufeff").removesuffix(",")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # The standard library also reads NaN and Infinity, which catalogues contain although JSON has neither.
        values = ast.literal_eval(text) if text.startswith(("{'", "{u'")) else json.loads(text)
        refuse_half_signs(values)
        return values


def refuse_half_signs(values: Any) -> None:
    """Raise TypeError for text with half of a surrogate pair, as the engine would refuse it."""
    orjson.dumps(values, default=str, option=orjson.OPT_NON_STR_KEYS)
