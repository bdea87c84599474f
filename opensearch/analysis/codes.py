"""Codes of products, such as SKU, EAN and model number: their forms in the index, and the codes in a query. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vitrine.notation.units import UNITS

CODES = "codes"  # the field of a document
MAX_CODE = 64  # letters and digits; a longer text is no code that a shopper types
MIN_PREFIX, MAX_PREFIX = 4, 12  # characters of the prefixes that the index holds
_MAX_TOKENS = 5  # of a code that is typed with spaces
_MAX_LETTERS = 3  # of a word without digits in such a code

_SIGNS = re.compile(r"[\W_]+")
_UNITS = "|".join([*(re.escape(text) for unit in UNITS for text in unit.spellings), "p", "k", "x", "%", "th"])
# 500ml, 0.5 l; 1.249,00; 42; 80x200cm
_QUANTITY = re.compile(
    rf"\d+([.,]\d+)?[\s\-]?({_UNITS})|"
    r"\d{1,3}([.,]?\d{3})*[.,]\d{1,2}|\d{1,3}|\d+([x×*]\d+)+\w{0,4}",
    re.IGNORECASE,
)
_ISBN_10 = re.compile(r"\d{9}[\dx]")


@dataclass(frozen=True)
class QueryCodes:
    """The words of a query that may be codes, in the forms of the field `codes`.

    A product with a code of `certain` is what the shopper names. `possible` codes are short numbers or have no digit, so a
    product that has one is only likelier. `prefixes` are the beginnings of codes. `tokens` are the words as typed, which no
    correction may change. `alone`: the query has no other words than those of `certain`.
    """

    certain: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    alone: bool = False


def normalized_code(value: str) -> str:
    """Return a code in lower case without its signs; empty for a text that is no code."""
    code = _SIGNS.sub("", value.casefold())
    return code if len(code) <= MAX_CODE else ""


def code_forms(value: str) -> list[str]:
    """Return the forms under which a code is found: without signs, without leading zeros, and an ISBN-10 as ISBN-13.

    So EAN-13, UPC-12 and GTIN-14 of one product have a form in common.
    """
    code = normalized_code(value)
    forms = [code]
    if code.isdecimal():
        forms.append(code.lstrip("0"))
    if _ISBN_10.fullmatch(code) and _isbn_10_is_valid(code):
        forms.append(_isbn_13(code))
    return [form for form in dict.fromkeys(forms) if form]


def indexed_codes(values: Iterable[str]) -> list[str]:
    """Return the forms of a product's codes, each once."""
    return list(dict.fromkeys(form for value in values for form in code_forms(value)))


@lru_cache(maxsize=4096)
def query_codes(words: str) -> QueryCodes:
    """Return the words of a query that may be codes; `words` are those of `clean_words`."""
    tokens = [token for word in words.split() if (token := word.strip(".,;:!?()[]{}\"'"))]
    codes = [token for token in tokens if looks_like_code(token)]
    certain = [form for token in codes for form in code_forms(token)]
    possible: list[str] = []
    if len(tokens) <= _MAX_TOKENS and not (len(tokens) == 1 and codes):
        whole = code_forms("".join(tokens))
        if _is_spaced_code(tokens):
            certain += whole
        elif len(tokens) == 1 or any(char.isdecimal() for char in words):
            possible = whole
    prefixes = [code for code in map(normalized_code, codes) if len(tokens) == 1 and len(code) >= MIN_PREFIX]
    alone = bool(certain) and (len(codes) == len(tokens) or _is_spaced_code(tokens))
    once = [tuple(dict.fromkeys(part)) for part in (certain, possible, prefixes, codes)]
    return QueryCodes(once[0], once[1], once[2], once[3], alone)


def looks_like_code(token: str) -> bool:
    """Return whether a word looks like a code: letters and digits, or five digits, and no quantity, price or size."""
    code = normalized_code(token)
    digits = sum(char.isdecimal() for char in code)
    if not digits or not code.isascii():
        return False
    return len(code) >= (5 if len(code) == digits else 4) and not _QUANTITY.fullmatch(token)


def code_analysis() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the character filters and the analyzers of the field `codes`, for searches that are not ours."""
    filters = {
        "vitrine_code_signs": {"type": "pattern_replace", "pattern": r"[^\p{L}\p{N}]+", "replacement": ""}
    }
    analyzer = {
        "type": "custom",
        "char_filter": ["vitrine_code_signs"],
        "tokenizer": "keyword",
        "filter": ["lowercase"],
    }
    return filters, {"vitrine_code": analyzer}


def code_mapping() -> dict[str, Any]:
    """Return the mapping of the field `codes`."""
    return {
        "type": "text",
        "analyzer": "vitrine_code",
        "norms": False,
        "index_options": "docs",
        "index_prefixes": {"min_chars": MIN_PREFIX, "max_chars": MAX_PREFIX},
    }


def _is_spaced_code(tokens: list[str]) -> bool:
    """Return whether the words together look like one code: `kal 0815 20`, but not `iphone 12`."""
    short = all(len(token) <= _MAX_LETTERS or any(map(str.isdecimal, token)) for token in tokens)
    whole = "".join(tokens)
    has_digit = any(map(str.isdecimal, whole))
    return (
        short and has_digit and len(normalized_code(whole)) >= 4 and not _QUANTITY.fullmatch(" ".join(tokens))
    )


def _isbn_10_is_valid(code: str) -> bool:
    values = [10 if char == "x" else int(char) for char in code]
    return sum((10 - place) * value for place, value in enumerate(values)) % 11 == 0


def _isbn_13(code: str) -> str:
    body = "978" + code[:9]
    check = -sum(int(char) * (3 if place % 2 else 1) for place, char in enumerate(body)) % 10
    return f"{body}{check}"
