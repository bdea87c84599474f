"""The character filters that every chain shares: one spelling of dashes, quotes, signs that mean something, and quantities.

They run in the engine on products and on queries alike, so `500 ml`, `500ML`, `0.5 l` and `0,5-Liter` are all the term
`500ml`. A number keeps its term when no unit follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .quantities import APOSTROPHES, DASHES, QUOTES, quantity_mappings, quantity_pattern, written_units

Filters = dict[str, dict[str, Any]]

_INVISIBLE = "\u00ad\u200b\u2060\ufeff"


def sign_filters() -> Filters:
    """Return the filters by name, in the order in which they run."""
    mappings = [f"{_escaped(text)} => {_escaped(replacement)}" for text, replacement in _mappings()]
    return {
        "vitrine_quantities": _replace(*quantity_pattern()),
        "vitrine_signs": {"type": "mapping", "mappings": mappings},
    }


def number_capture() -> dict[str, Any]:
    """Return the token filter that adds the number of a quantity, so that `shampoo 500` finds `500 ml`."""
    pattern = rf"^(\d+(?:\.\d+)?)(?:{'|'.join(written_units())})$"
    return {"type": "pattern_capture", "preserve_original": True, "patterns": [pattern]}


def sign_removal() -> dict[str, Any]:
    """Return the filter that turns signs into spaces, for a tokenizer that makes a term of each."""
    return _replace(r"['\u2019](?=\p{L})|[^\p{L}\p{N}\s']+|'", " ")


def _mappings() -> Iterator[tuple[str, str]]:
    yield from ((sign, "-") for sign in DASHES)
    yield from ((sign, "'") for sign in APOSTROPHES)
    yield from ((sign, '"') for sign in QUOTES)
    yield from ((sign, "") for sign in _INVISIBLE)
    yield from quantity_mappings()


def _escaped(text: str) -> str:
    """Return a text as a mapping reads it, which trims spaces."""
    return "".join(char if char.isalnum() and char.isascii() else f"\\u{ord(char):04x}" for char in text)


def _replace(pattern: str, replacement: str) -> dict[str, Any]:
    return {"type": "pattern_replace", "pattern": pattern, "replacement": replacement}
