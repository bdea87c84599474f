"""Numbers as catalogues write them: a numeral with its sign, its digits, and a currency or a unit beside it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

PLAIN_NUMBER = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE | re.ASCII
)

_DIGITS = re.compile(r"\d(?:[\d.,'\u2019\u00b4`\u066b\u066c ]*\d)?|[.,]\d+")
_ROUND_SUM = re.compile(r"[.,:]\s?[-\u2013\u2014]+")  # 59,- of German and 59:- of Swedish price lists
_LEAD = re.compile(
    r"(?:from|ab|nur|only|now|price|preis|prix|precio|\u00e0 partir de|d\u00e8s|desde|vanaf|ca\.?|approx\.?|about|~)"
    r"\s*:?\s+",
    re.IGNORECASE,
)
_MINUS = "-\u2212\u2013"
_GROUP_SIGNS = "'\u2019\u00b4` "
_WESTERN_GROUPS = r"\d{1,3}(?:S\d{3})+"
_INDIAN_GROUPS = r"\d{1,2}(?:S\d{2})+S\d{3}"


@dataclass(frozen=True)
class Numeral:
    """A number's notation: the text before and after its digits, such as a currency or a unit."""

    negative: bool
    digits: str  # with the signs that group and part them
    before: str
    after: str


@dataclass(frozen=True)
class Signs:
    """The evidence that one numeral gives about the decimal sign of its column."""

    decimal: str | None = None  # only this sign can part the fraction
    ambiguous: str | None = None  # this sign parts the fraction or groups the digits


@lru_cache(maxsize=1 << 14)
def split_numeral(text: str) -> Numeral | None:
    """Return the parts of a text with one number and little else; None for any other text."""
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    text = _LEAD.sub("", text, count=1) if text[:1].isalpha() or text[:1] == "~" else text
    match = _DIGITS.search(text)
    if match is None or len(text) > 60:
        return None
    before, digits, after = text[: match.start()].strip(), match.group(), text[match.end() :].strip()
    after = _ROUND_SUM.sub("", after, count=1).rstrip("*").strip() if after else ""
    negative = False
    if before.startswith("(") and after.endswith(")"):  # accounting
        before, after, negative = before[1:].strip(), after[:-1].strip(), True
    for sign in (*_MINUS, "+"):
        if before.startswith(sign) or before.endswith(sign):
            negative = negative or sign != "+"
            before = before.strip(sign).strip()
            break
    if re.search(r"\d", before + after):
        return None
    return Numeral(negative, digits, before.rstrip(":").strip(), after)


def signs_of(digits: str) -> Signs | None:
    """Return what the digits tell of the decimal sign; None when they are no number in any notation."""
    grouped = any(sign in digits for sign in _GROUP_SIGNS)
    used = [sign for sign in ".," if sign in digits]
    fitting = [sign for sign in ".," if number_of(digits, sign) is not None]
    if not fitting:
        return None
    if not used or (len(fitting) == 2 and grouped):
        return Signs()
    if len(fitting) == 1:
        return Signs(decimal=fitting[0])
    return Signs(ambiguous=used[0])


def number_of(digits: str, decimal: str) -> float | None:
    """Return the number with this decimal sign; None when the digits are grouped in no known way."""
    whole, _, fraction = digits.partition(decimal)
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        return None
    if decimal in digits and not fraction:
        return None
    if not whole:
        return float(f"0.{fraction}") if fraction else None
    if not (whole.isascii() and whole.isdigit()):
        group = next((sign for sign in whole if not sign.isdigit()), "")
        sign = re.escape(group)
        if group == decimal or not any(
            re.fullmatch(form.replace("S", sign), whole) for form in (_WESTERN_GROUPS, _INDIAN_GROUPS)
        ):
            return None
        if whole.startswith("0"):
            return None
        whole = whole.replace(group, "")
    return float(f"{whole}.{fraction or 0}")
