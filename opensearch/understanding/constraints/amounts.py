"""Prices and measures with a bound, as shoppers write them: `under 50`, `100-200 yuan`, `100元以下`, `40 inch`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import inf

from vitrine.notation.numerals import number_as_typed
from vitrine.notation.units import CURRENCY_SYMBOLS, UNIT_SPELLINGS

from . import phrases

# Letters of alphabets and digits make words; Chinese signs stand without spaces.
_START, _END = r"(?<![a-z0-9À-ɏЀ-ӿ.])", r"(?![a-z0-9À-ɏЀ-ӿ])"
# A number inside a code, a fraction, a range or a size of several sides is no amount: AB-12, 1/2, 24-70, 80 x 200.
_ALONE_START = _START + r"(?<!\w[\-/–])(?<!\d[×*])(?<!\d\s[x×*]\s)"
_ALONE_END = _END + r"(?!\s?[×*/\-–x]\s?\d)"
_QUOTED = re.compile(r'(?<!\S)"([^"]+)"(?!\S)')
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
    """A range of amounts at line[start:end]; `explicit` where a phrase or a currency says so, not a unit alone."""

    start: int
    end: int
    low: float
    high: float
    currency: tuple[str, ...] = ()
    unit: str | None = None
    explicit: bool = True


@dataclass(frozen=True)
class NumberContext:
    """What the catalogue says of words beside a number.

    `names_number`: a word says what the number after it is, such as a size. `together`: titles hold both words.
    """

    names_number: Callable[[str], bool] = lambda word: False
    together: Callable[[str, str], bool] = lambda first, second: False


def ranges_in(line: str, context: NumberContext = NumberContext()) -> Iterator[Range]:
    """Yield the ranges of a line, from left to right, none over another."""
    line = _QUOTED.sub(r" \1 ", line)  # the sign of inches; the places stay
    place = 0
    while match := _pattern().search(line, place):
        found = _read(match, context)
        place = match.end() if found else match.start() + 1
        if found:
            yield found


def _read(match: re.Match[str], context: NumberContext) -> Range | None:
    """Return the range of a match; None where its numbers may count anything, or are too large to be amounts."""
    groups = match.groupdict()
    numbers = [number_as_typed(text) for name, text in groups.items() if text and name.endswith("_number")]
    if any(number is None or number > _MAX_NUMBER for number in numbers):
        return None
    place = (match.start(), match.end())
    before = _word_before(match)
    if groups["low_number"]:
        low, high = _amount(groups, "low"), _amount(groups, "high")
        currency, unit = low.currency or high.currency, high.unit or low.unit
        if not (currency or unit or groups["between"]):
            return None
        of_size = currency and not (low.currency or groups["between"]) and context.names_number(before)
        if of_size:  # size 42 up to 80 euros
            return None
        least, most = sorted((low.value, high.value))
        explicit = bool(currency or groups["between"])
        as_written = groups["between"] or low.value == least
        return Range(*place, least, most, currency, unit, explicit) if as_written else None
    if groups["alone_number"]:
        alone = _amount(groups, "alone")
        return Range(*place, alone.value, alone.value, unit=alone.unit, explicit=False)
    of_phrase = _amount(groups, "after" if groups["after_number"] else "before")
    needs_money = groups["most_of_money"] or groups["least_of_money"]
    needs_any = groups["less_of_money"] or groups["more"]
    may_be_age = not (of_phrase.currency or of_phrase.unit) and of_phrase.value <= phrases.MAX_AGE
    if may_be_age and before in phrases.AGED:
        return None
    if groups["most_at_end"] and not of_phrase.currency:
        word = groups["most_at_end"].rstrip(".").casefold()
        of_model = before in phrases.OF_MODELS or context.together(before, word)
        inside = match.string[: match.start()].rstrip()[-1:].isdigit() or match.string[match.end() :].strip()
        if of_phrase.unit or of_model or inside or of_phrase.value <= phrases.MAX_AGE:
            return None
    if (needs_money and not of_phrase.currency) or (needs_any and not (of_phrase.currency or of_phrase.unit)):
        return None
    at_most = any(groups[name] for name in ("most", "most_at_end", "most_of_money", "less", "less_of_money"))
    low_end, high_end = (-inf, of_phrase.value) if at_most else (of_phrase.value, inf)
    return Range(*place, low_end, high_end, of_phrase.currency, of_phrase.unit)


def _word_before(match: re.Match[str]) -> str:
    """Return the word before a match in lower case; empty without one."""
    word = re.search(r"([^\W\d_]+)\.?\s*:?\s*$", match.string[: match.start()])
    return word[1].casefold() if word else ""


def _amount(groups: Mapping[str, str | None], name: str) -> Amount:
    sign = (groups.get(f"{name}_sign") or groups.get(f"{name}_currency") or "").strip().casefold()
    unit = (groups.get(f"{name}_unit") or "").strip(" -\t").casefold() or None
    codes = CURRENCY_SYMBOLS.get(sign) or phrases.CURRENCY_WORDS.get(sign) or ()
    return Amount(number_as_typed(groups[f"{name}_number"] or "") or 0.0, codes, unit)


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

    of = "(?:\\s*的)?"  # of 100元以下的连衣裙
    price = rf"(?:{_START}{_any(phrases.PRICE)}\s*:?\s*)?"
    before = "|".join(
        f"(?P<{name}>{_any(of_name)})"
        for name, of_name in (
            ("most", phrases.AT_MOST),
            ("most_at_end", phrases.AT_MOST_AT_END),
            ("least", phrases.AT_LEAST),
            ("most_of_money", phrases.AT_MOST_OF_MONEY),
            ("least_of_money", phrases.AT_LEAST_OF_MONEY),
        )
    )
    between = rf"(?:{_START}(?:(?P<between>{_any(phrases.BETWEEN)})|{_any(phrases.FROM)})\s*)?"
    less = f"(?P<less>{_any(phrases.OR_LESS)})|(?P<less_of_money>{_any(phrases.OR_LESS_OF_MONEY)})"
    counted = rf"(?!\s*-?{_any(phrases.COUNTED)}(?![a-z]))"
    ways = (
        rf"{price}{between}{_ALONE_START}{amount('low')}\s*{_any(phrases.AND)}\s*{amount('high')}{counted}{of}",
        rf"{price}{_START}(?:{before})(?![a-z])\s*{amount('before')}{counted}{of}",
        rf"{price}{_ALONE_START}{amount('after')}\s*(?:{less}|(?P<more>{_any(phrases.OR_MORE)})){_END}{of}",
        rf"{_ALONE_START}(?P<alone_number>\d+(?:[.,]\d+)*)(?P<alone_unit>{unit}){_ALONE_END}",
    )
    return re.compile("|".join(f"(?:{way})" for way in ways), re.IGNORECASE)


def _any(texts: Iterable[str]) -> str:
    """Return the pattern of any of the phrases, the longest first."""
    ordered = sorted(set(texts), key=lambda text: (-len(text), text))
    return "(?:" + "|".join(re.escape(text).replace(r"\ ", r"\s+") for text in ordered) + ")"
