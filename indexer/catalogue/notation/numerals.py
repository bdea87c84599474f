"""Numbers as catalogues write them: a numeral with its sign, its digits, and a currency or a unit beside it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from vitrine.notation.numerals import number_of
from vitrine.notation.units import currencies_of, unit_of

PLAIN_NUMBER = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE | re.ASCII
)

_DIGITS = re.compile(r"\d(?:[\d.,'\u2019\u00b4`\u066b\u066c ]*\d)?|[.,]\d+")
_ROUND_SUM = re.compile(
    r"[.,:/]\s?[-\u2013\u2014]+"
)  # 59,- of German, 59:- of Swedish and 59/- of Indian price lists
_LEAD = re.compile(
    r"(?:from|ab|nur|only|now|price|preis|prix|precio|prezzo|prijs|cena|\u00e0 partir de|d\u00e8s|desde|a partir de|"
    r"vanaf|da|od|de|von|entre|zwischen|between|tra|ca\.?|approx\.?|about|~)\s*:?\s+|(?:~|\u7d04|\u7ea6|\u552e\u4ef7|\u4ef7\u683c)[:\uff1a]?\s*",
    re.IGNORECASE,
)
# what follows a price: its tax, "each", and the sign of "from" in Chinese and Japanese; what follows a rating: its scale
_TAIL = re.compile(
    r"[\s,(]*\b(?:(?:incl|inkl|excl|exkl|inc|zzgl|plus|including|excluding)\b.*|(?:gross|net|brutto|netto|ttc|ht|vat|"
    r"mwst\.?|ust\.?|each|ea\.?|iva inclu[a-z]*|i\.v\.a\..*)\b[).]*)$|\s*\+\s*(?:vat|mwst\.?|tva|iva)$|"
    r"[\u8d77\u4e0a\u4ece\u301c~]$|\s*\*+$|\s*\(?(?:\u7a0e\u8fbc|\u7a0e\u629c|\u7a0e\u5225|\u542b\u7a0e|\u4e0d\u542b\u7a0e)\u307f?\)?$|"
    r"\s*(?:out of|von|sur|de|su|van)\s+\d{1,3}\s*(?:stars?|sternen?|\u00e9toiles?|estrellas?|stelle|sterren)$",
    re.IGNORECASE,
)
_PER = re.compile(
    r"\s*(?:/|\b(?:per|pro|je|par|por)\b)\s*(?P<count>\d+)?\s*(?P<unit>[^\d\s/][^\d/]{0,14})$", re.IGNORECASE
)
_RANGE = re.compile(
    r"(?<=[\w€$£¥.])\s*(?:-|\u2013|\u2014|~|\uff5e|至|到|\b(?:to|bis|à|a|tot|do|and|und|et|y|e)\b)\s*(?=\D{0,5}\d)",
    re.IGNORECASE,
)
_EURO_INSIDE = re.compile(r"(?<=\d)\s?\u20ac\s?(?=\d\d$)")  # 12€50
_MINUS = "-\u2212\u2013"
_GROUP_SIGNS = "'\u2019\u00b4` "

_FREE = frozenset({
    "free", "free of charge", "for free", "gratis", "kostenlos", "umsonst", "gratuit", "gratuito", "gr\u00e1tis",
    "darmowy", "\u514d\u8d39", "\u514d\u8cbb", "\u7121\u6599", "\ubb34\ub8cc",
    "\u0431\u0435\u0441\u043f\u043b\u0430\u0442\u043d\u043e",
})  # fmt: skip


def is_free(text: str) -> bool:
    """Return whether a text is a word for a price of zero."""
    return text.strip().strip("!").casefold() in _FREE


@dataclass(frozen=True)
class Numeral:
    """A number's notation: the text before and after its digits, such as a currency or a unit."""

    negative: bool
    digits: str  # with the signs that group and part them
    before: str
    after: str
    per: str = ""  # of a price per unit, such as the kg in "12.90 EUR/kg"
    per_count: int = 1  # the 100 in "1.29 EUR / 100 g"


@dataclass(frozen=True)
class Signs:
    """The evidence that one numeral gives about the decimal sign of its column."""

    decimal: str | None = None  # only this sign can part the fraction
    ambiguous: str | None = None  # this sign parts the fraction or groups the digits


@lru_cache(maxsize=1 << 14)
def split_numeral(text: str) -> Numeral | None:
    """Return the parts of a text with one number and little else; None for any other text."""
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    if len(text) > 60:
        return None
    text = _LEAD.sub("", text, count=1) if text[:1].isalpha() or text[:1] == "~" else text
    text = _TAIL.sub("", text, count=1) if not text[-1:].isdigit() else text
    text = _EURO_INSIDE.sub(",", text) + "\u20ac" if _EURO_INSIDE.search(text) else text
    text, per, per_count = _without_unit_of_price(text)
    match = _DIGITS.search(text)
    if match is None:
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
    return Numeral(negative, digits, before.rstrip(":").strip(), after, per, per_count)


def _without_unit_of_price(text: str) -> tuple[str, str, int]:
    """Return the text without the unit that a price is for, then the unit and its count; the unit is often empty."""
    match = _PER.search(text)
    rest = text[: match.start()] if match else text
    if match is None or not unit_of(match["unit"]) or not currencies_of(_DIGITS.sub("", rest)):
        return text, "", 1
    count = int(match["count"] or 1)
    return (rest, match["unit"].strip(), count) if count else (text, "", 1)  # of nothing there is no price


@lru_cache(maxsize=1 << 12)
def split_range(text: str) -> tuple[str, str] | None:
    """Return the two ends of a range of numbers such as "10 - 20 EUR", each with its currency; None for other text."""
    parts = _RANGE.split(text.strip())
    if len(text) > 60 or len(parts) != 2:
        return None
    low, high = (split_numeral(part) for part in parts)
    if low is None or high is None or low.negative or high.negative:
        return None
    first, second = parts
    if not (low.before or low.after):
        first = f"{high.before} {first} {high.after}".strip()
    if not (high.before or high.after):
        second = f"{low.before} {second} {low.after}".strip()
    return first, second


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
