"""The notation of a number column, decided from all its values: decimal sign, currency and unit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opensearch.index.fields import ColumnFormat
from vitrine.notation.numerals import number_of
from vitrine.notation.units import currencies_of, currency_in, currency_of_language, unit_factor, unit_of

from .column_names import is_price_name
from .numerals import PLAIN_NUMBER, is_free, signs_of, split_numeral, split_range

_UNITS_OF_PRICES = {
    "g": "kg",
    "mg": "kg",
    "ml": "l",
    "cl": "l",
    "mm": "m",
    "cm": "m",
}  # 1.29 EUR / 100 g is 12.90 a kg
# The share of the values of a column of money that must be numbers in its notation and in its most frequent currency;
# the others are left out and counted.
_MIN_MONEY = 0.51
MIN_AGREEMENT = 0.95  # the share of a column's values that must be numbers in one notation


@dataclass
class NumberEvidence:
    """The counts of what the values of a column show about its notation."""

    values: int = 0
    plain: int = 0  # numbers, and text that is a number in the notation of programming languages
    numerals: int = 0  # further text with one number, and a currency or a unit at most
    free: int = 0  # words for a price of zero
    decimal: Counter[str] = field(default_factory=Counter)
    ambiguous: Counter[str] = field(default_factory=Counter)  # one sign with exactly three digits after it
    currencies: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)

    @property
    def is_number(self) -> bool:
        """Whether nearly all values are numbers."""
        return self.values > 0 and self.numbers >= MIN_AGREEMENT * self.values

    @property
    def numbers(self) -> int:
        """The number of values that are numbers; words for a price of zero count beside prices only."""
        numbers = self.plain + self.numerals
        return numbers + self.free if numbers >= self.free else numbers

    @property
    def own_decimal(self) -> str | None:
        """The decimal sign that the column itself proves, by most of its values."""
        return self.decimal.most_common(1)[0][0] if self.decimal else None


@dataclass(frozen=True)
class NotationHints:
    """What decides a column whose own values do not: the catalogue's other columns and its language."""

    decimal: str | None = None
    language: str = "en"


def number_evidence(name: str, values: Sequence[Any]) -> NumberEvidence:
    """Return the counts over the values of a column. A range such as "10 - 20" is a number in a column of money only."""
    evidence = NumberEvidence(values=len(values))
    for value in values:
        if not isinstance(value, str):
            evidence.plain += isinstance(value, (bool, int, float)) or hasattr(value, "as_tuple")
            continue
        if is_free(value):
            evidence.free += 1
            continue
        ends = split_range(value.strip())
        if ends and (is_price_name(name) or any(currencies_beside(end) for end in ends)):
            before = evidence.numerals
            for end in ends:
                _add_text(evidence, end, is_range=True)
            evidence.numerals = before + (evidence.numerals == before + 2)
        else:
            _add_text(evidence, value.strip())
    return evidence


def currencies_beside(text: str) -> tuple[str, ...]:
    """Return the codes of the currencies that a text with one number may be an amount of, the likeliest first."""
    numeral = split_numeral(text)
    affixes = (numeral.before, numeral.after) if numeral else ()
    named = [codes for affix in affixes if affix and not unit_of(affix) and (codes := currencies_of(affix))]
    if len(named) < 2:
        return named[0] if named else ()
    return tuple(code for code in min(named, key=len) if all(code in codes for codes in named))  # $12 USD


def _add_text(evidence: NumberEvidence, text: str, *, is_range: bool = False) -> None:
    if PLAIN_NUMBER.fullmatch(text) and "e" in text.lower():  # 1.2E+05 of a spreadsheet
        evidence.plain += 1
        return
    numeral = split_numeral(text)
    signs = signs_of(numeral.digits) if numeral else None
    if numeral is None or signs is None or (numeral.digits[:1] == "0" and numeral.digits[1:2].isdigit()):
        return
    affixes = [affix for affix in (numeral.before, numeral.after) if affix]
    amounts = [affix for affix in affixes if not unit_of(affix) and currencies_of(affix)]
    currencies = (
        [min(amounts, key=lambda affix: len(currencies_of(affix)))] if currencies_beside(text) else []
    )
    units = [affix for affix in (*affixes, numeral.per) if affix and unit_of(affix)]
    if len(units) > 1 or bool(amounts) != bool(currencies) or len(amounts) + len(units) < len(affixes):
        return
    if PLAIN_NUMBER.fullmatch(text) and not is_range:
        evidence.plain += 1
    else:
        evidence.numerals += 1
    evidence.decimal.update([signs.decimal] if signs.decimal else [])
    evidence.ambiguous.update([signs.ambiguous] if signs.ambiguous else [])
    evidence.currencies.update(currencies)
    evidence.units.update(units)


def catalogue_decimal(columns: Iterable[NumberEvidence]) -> str | None:
    """Return the decimal sign that most number columns of a catalogue prove."""
    proven = Counter(
        evidence.own_decimal for evidence in columns if evidence.is_number and evidence.own_decimal
    )
    return proven.most_common(1)[0][0] if proven else None


def number_format(
    name: str, values: Sequence[Any], hints: NotationHints, agreement: float = MIN_AGREEMENT
) -> ColumnFormat | None:
    """Return the notation of a column; None when a smaller share of its values than `agreement` are numbers in it.

    The decimal sign is the first that is proven by: the column's own values; for an amount of money that it never has
    exactly three decimals; the other columns; the catalogue's language. A column in the notation of programming
    languages has the default format.
    """
    evidence = number_evidence(name, values)
    if is_price_name(name) or evidence.currencies.total() > evidence.values / 2:
        agreement = min(agreement, _MIN_MONEY)
    if not evidence.values or evidence.numbers < agreement * evidence.values:
        return None
    decimal = _decimal(name, evidence, hints)
    if not evidence.numerals and (decimal == "." or not evidence.ambiguous):
        return ColumnFormat()
    currency = _currency(name, evidence, hints.language)
    units = Counter[str]()
    for text, count in evidence.units.items():
        units[unit_of(text) or text] += count
    unit = next((unit for unit, _ in units.most_common(1)), None)
    if currency and unit:
        unit = _UNITS_OF_PRICES.get(unit, unit)
    chosen = ColumnFormat(decimal=decimal, currency=currency, unit=unit)
    if unit and units.total() < agreement * evidence.values:
        return None  # 500 ml beside 5: the bare number may measure anything
    fitting = sum(1 for value in values if not isinstance(value, str) or _fits(value, chosen))
    return chosen if fitting >= agreement * len(values) else None


def _currency(name: str, evidence: NumberEvidence, language: str) -> str | None:
    """Return the currency of most cells; a symbol of several is read by other cells, the column's name, the language."""
    text = next((text for text, _ in evidence.currencies.most_common(1)), None)
    codes = currencies_of(text) if text else ()
    if len(codes) < 2 or text is None:
        return codes[0] if codes else None
    return _stated_currency(name, evidence, codes) or currency_in(text, language)


def _stated_currency(name: str, evidence: NumberEvidence, codes: tuple[str, ...]) -> str | None:
    """Return the one of the currencies that other cells or the column's name state: `price_NOK`."""
    others = [found for other in evidence.currencies if len(found := currencies_of(other)) == 1]
    stated = [*(found[0] for found in others), *(part.upper() for part in re.split(r"[^A-Za-z]+", name))]
    return next((code for code in stated if code in codes), None)


def ambiguous_currency(
    name: str, evidence: NumberEvidence, language: str | None
) -> tuple[str, tuple[str, ...]] | None:
    """Return the symbol of most cells and its currencies where nothing decides between them; None where it is clear.

    `language` is None where it is a guess.
    """
    for text, _ in evidence.currencies.most_common(1):
        codes = currencies_of(text)
        decided = _stated_currency(name, evidence, codes) or (
            currency_of_language(text, language) if language else None
        )
        if len(codes) > 1 and not decided:
            return text, codes
    return None


def _fits(text: str, notation: ColumnFormat) -> bool:
    if is_free(text):
        return True
    parts = split_range(text.strip()) or (text,)
    return all(read_numeral(part, notation) is not None for part in parts)


def _decimal(name: str, evidence: NumberEvidence, hints: NotationHints) -> str:
    if evidence.own_decimal:
        return evidence.own_decimal
    if not evidence.ambiguous:  # whole numbers alone
        return hints.decimal or (language_decimal(hints.language) if evidence.numerals else ".")
    sign = evidence.ambiguous.most_common(1)[0][0]
    if len(evidence.ambiguous) == 1 and (evidence.currencies or is_price_name(name)):
        return "," if sign == "." else "."
    return hints.decimal or language_decimal(hints.language)


def language_decimal(language: str) -> str:
    """Return the decimal sign of a language (CLDR)."""
    from babel.core import UnknownLocaleError
    from babel.numbers import get_decimal_symbol

    try:
        return "," if get_decimal_symbol(language) == "," else "."
    except (UnknownLocaleError, ValueError):
        return "."


def read_numeral(text: str, notation: ColumnFormat) -> float | None:
    """Return the number that a text stands for in a notation, in the notation's unit; None for any other text."""
    numeral = split_numeral(text)
    if numeral is None:
        return None
    number = number_of(numeral.digits, notation.decimal or ".")
    if number is None:
        return None
    for affix in (numeral.before, numeral.after):
        if not affix or (notation.currency and notation.currency in currencies_of(affix)):
            continue
        factor = unit_factor(affix, notation.unit) if notation.unit else None
        if factor is None:
            return None
        number = number * factor if factor != 1 else number
    if numeral.per:
        factor = unit_factor(numeral.per, notation.unit) if notation.unit else None
        if factor is None:
            return None
        number /= numeral.per_count * factor
    return -number if numeral.negative else number
