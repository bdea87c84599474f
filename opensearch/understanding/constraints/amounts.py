"""Prices and measures with a bound, as shoppers write them: `under 50`, `100-200 yuan`, `100元以下`, `40 inch`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import inf

from vitrine.units import CURRENCY_SYMBOLS, UNIT_SPELLINGS

from . import phrases

# Letters of alphabets and digits make words; Chinese signs stand without spaces.
_START, _END = r"(?<![a-z0-9À-ɏЀ-ӿ.])", r"(?![a-z0-9À-ɏЀ-ӿ])"
# Larger numbers are no prices or measures; one of 309 digits is infinite, which JSON does not have.
_MAX_NUMBER = 1e15


@dataclass(frozen=True)
class Amount:
    """A number, and the currency or the unit beside it: the codes that a sign may stand for, the unit as typed."""

    value: float
    currency: tuple[str, ...] = ()
    unit: str | None = None


@dataclass(frozen=True)
class Range:
    """A range of amounts at line[start:end]; `explicit` where a phrase says so, not a unit alone."""

    start: int
    end: int
    low: float
    high: float
    currency: tuple[str, ...] = ()
    unit: str | None = None
    explicit: bool = True


def ranges_in(line: str) -> Iterator[Range]:
    """Yield the ranges of a line, from left to right, none over another."""
    place = 0
    while match := _pattern().search(line, place):
        found = _read(match)
        place = match.end() if found else match.start() + 1
        if found:
            yield found


def number_of_digits(text: str) -> float:
    """Return the number of digits with signs: the last sign is decimal unless exactly three digits follow it."""
    parts = re.split(r"[.,'’]", text)
    if len(parts) == 1:
        return float(text)
    one_sign = len(set(re.sub(r"\d", "", text))) == 1
    if len(parts[-1]) == 3 and parts[0] != "0" and one_sign:
        return float("".join(parts))
    return float(f"{''.join(parts[:-1])}.{parts[-1]}")


def _read(match: re.Match[str]) -> Range | None:
    """Return the range of a match; None where its numbers may count anything, or are too large to be amounts."""
    groups = match.groupdict()
    numbers = [text for name, text in groups.items() if text and name.endswith("_number")]
    if any(number_of_digits(text) > _MAX_NUMBER for text in numbers):
        return None
    place = (match.start(), match.end())
    if groups["low_number"]:
        low, high = _amount(groups, "low"), _amount(groups, "high")
        currency, unit = low.currency or high.currency, high.unit or low.unit
        if not (currency or unit or groups["between"]):
            return None
        least, most = sorted((low.value, high.value))
        return Range(*place, least, most, currency, unit) if groups["between"] or low.value == least else None
    if groups["alone_number"]:
        alone = _amount(groups, "alone")
        return Range(*place, alone.value, alone.value, unit=alone.unit, explicit=False)
    of_phrase = _amount(groups, "after" if groups["after_number"] else "before")
    needs_money = groups["most_of_money"] or groups["least_of_money"]
    needs_any = groups["less"] or groups["more"]
    if (needs_money and not of_phrase.currency) or (needs_any and not (of_phrase.currency or of_phrase.unit)):
        return None
    at_most = groups["most"] or groups["most_of_money"] or groups["less"]
    low_end, high_end = (-inf, of_phrase.value) if at_most else (of_phrase.value, inf)
    return Range(*place, low_end, high_end, of_phrase.currency, of_phrase.unit)


def _amount(groups: Mapping[str, str | None], name: str) -> Amount:
    sign = (groups.get(f"{name}_sign") or groups.get(f"{name}_currency") or "").strip().casefold()
    unit = (groups.get(f"{name}_unit") or "").strip(" -\t").casefold() or None
    codes = CURRENCY_SYMBOLS.get(sign) or phrases.CURRENCY_WORDS.get(sign) or ()
    return Amount(number_of_digits(groups[f"{name}_number"] or ""), codes, unit)


@cache
def _pattern() -> re.Pattern[str]:
    """Return the pattern of all ranges; its groups are named by what they hold."""
    currency = _any([*CURRENCY_SYMBOLS, *phrases.CURRENCY_WORDS])
    apart = _any(text for text in UNIT_SPELLINGS if text not in phrases.TOUCHING_UNITS)
    unit = rf"(?:\s?-?{apart}|{_any(phrases.TOUCHING_UNITS)})"

    def amount(name: str) -> str:
        return (
            rf"(?:(?P<{name}_sign>{currency})\s*)?(?P<{name}_number>\d+(?:[.,'’]\d+)*)"
            rf"(?:\s*(?P<{name}_currency>{currency})|(?P<{name}_unit>{unit}))?{_END}"
        )

    price = rf"(?:{_START}{_any(phrases.PRICE)}\s*:?\s*)?"
    before = "|".join(
        f"(?P<{name}>{_any(of_name)})"
        for name, of_name in (
            ("most", phrases.AT_MOST),
            ("least", phrases.AT_LEAST),
            ("most_of_money", phrases.AT_MOST_OF_MONEY),
            ("least_of_money", phrases.AT_LEAST_OF_MONEY),
        )
    )
    between = rf"(?:{_START}(?:(?P<between>{_any(phrases.BETWEEN)})|{_any(phrases.FROM)})\s*)?"
    ways = (
        rf"{price}{between}{_START}{amount('low')}\s*{_any(phrases.AND)}\s*{amount('high')}",
        rf"{price}{_START}(?:{before})(?![a-z])\s*{amount('before')}(?!\s*-?{_any(phrases.COUNTED)}(?![a-z]))",
        rf"{price}{_START}{amount('after')}\s*(?:(?P<less>{_any(phrases.OR_LESS)})|(?P<more>{_any(phrases.OR_MORE)})){_END}",
        rf"{_START}(?P<alone_number>\d+(?:[.,]\d+)*)(?P<alone_unit>{unit}){_END}",
    )
    return re.compile("|".join(f"(?:{way})" for way in ways), re.IGNORECASE)


def _any(texts: Iterable[str]) -> str:
    """Return the pattern of any of the phrases, the longest first."""
    ordered = sorted(set(texts), key=lambda text: (-len(text), text))
    return "(?:" + "|".join(re.escape(text).replace(r"\ ", r"\s+") for text in ordered) + ")"
