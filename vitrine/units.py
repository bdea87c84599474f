"""Currencies and units of measurement beside the numbers of a catalogue and of a query."""

from __future__ import annotations

import re
from functools import lru_cache

# The first code of a symbol is the one it stands for where the plan names none.
CURRENCY_SYMBOLS: dict[str, tuple[str, ...]] = {
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "TWD", "ARS", "CLP", "COP"),
    "us$": ("USD",), "usd$": ("USD",), "c$": ("CAD",), "ca$": ("CAD",), "a$": ("AUD",), "au$": ("AUD",),
    "nz$": ("NZD",), "s$": ("SGD",), "hk$": ("HKD",), "nt$": ("TWD",), "mx$": ("MXN",), "r$": ("BRL",),
    "€": ("EUR",), "eur": ("EUR",), "usd": ("USD",), "gbp": ("GBP",), "chf": ("CHF",), "cny": ("CNY",), "euro": ("EUR",),
    "euros": ("EUR",), "£": ("GBP", "EGP"), "¥": ("JPY", "CNY"),
    "円": ("JPY",), "元": ("CNY",), "人民币": ("CNY",), "rmb": ("CNY",), "cn¥": ("CNY",), "₩": ("KRW",),
    "원": ("KRW",), "₹": ("INR",), "rs": ("INR", "PKR", "LKR"), "rs.": ("INR", "PKR", "LKR"), "₽": ("RUB",),
    "руб": ("RUB",), "руб.": ("RUB",), "р.": ("RUB",), "zł": ("PLN",), "kč": ("CZK",), "ft": ("HUF",),
    "lei": ("RON",), "лв": ("BGN",), "лв.": ("BGN",), "₺": ("TRY",), "tl": ("TRY",), "₴": ("UAH",), "грн": ("UAH",),
    "грн.": ("UAH",), "fr.": ("CHF",), "sfr.": ("CHF",), "sfr": ("CHF",), "₫": ("VND",), "฿": ("THB",),
    "₱": ("PHP",), "₪": ("ILS",), "₦": ("NGN",), "rp": ("IDR",), "rm": ("MYR",), "kr": ("SEK", "NOK", "DKK", "ISK"),
    "kr.": ("DKK", "SEK", "NOK", "ISK"),
}  # fmt: skip
# The symbols that a catalogue's language decides; of the others the first code is a guess.
_OF_LANGUAGE = {
    ("$", "en"): "USD", ("¥", "zh"): "CNY", ("¥", "ja"): "JPY",
    **{(f"kr{dot}", language): code for dot in ("", ".") for language, code in
       (("sv", "SEK"), ("da", "DKK"), ("no", "NOK"), ("nb", "NOK"), ("nn", "NOK"), ("is", "ISK"))},
}  # fmt: skip

# Per dimension: the factor of each unit to the first one, and the spellings.
_DIMENSIONS: tuple[dict[str, tuple[float, str]], ...] = (
    {
        "g": (1, "g gr gram grams gramm gramme grammes gramo gramos 克"),
        "mg": (0.001, "mg"),
        "kg": (1000, "kg kgs kilo kilos kilogram kilograms kilogramm kilogramme 公斤 千克"),
        "oz": (28.349523125, "oz oz. ounce ounces"),
        "lb": (453.59237, "lb lb. lbs lbs. pound pounds"),
    },
    {
        "ml": (1, "ml milliliter millilitre 毫升"),
        "cl": (10, "cl"),
        "dl": (100, "dl"),
        "l": (1000, "l ltr liter liters litre litres litro litros 升"),
        "fl oz": (29.5735295625, "fl oz|fl. oz.|floz"),
    },
    {
        "mm": (1, "mm 毫米"),
        "cm": (10, "cm 厘米"),
        "m": (1000, "m meter meters metre metres metro metros mtr 米"),
        "km": (1_000_000, "km"),
        "in": (25.4, 'in in. inch inches zoll pouces pulgadas " ″ \'\' 英寸'),
        "ft": (304.8, "ft. feet foot"),
    },
    {
        "MB": (1, "mb mo"),
        "KB": (0.001, "kb"),
        "GB": (1000, "gb go"),
        "TB": (1_000_000, "tb to"),
    },
    {"W": (1, "w watt watts"), "kW": (1000, "kw")},
    {"mAh": (1, "mah"), "Ah": (1000, "ah")},
    {"Hz": (1, "hz"), "kHz": (1000, "khz"), "MHz": (1_000_000, "mhz"), "GHz": (1_000_000_000, "ghz")},
    {"V": (1, "v volt volts")},
    {"lm": (1, "lm lumen lumens")},
    {"%": (1, "% percent prozent")},
    {"px": (1, "px pixel pixels")},
    {"MP": (1, "mp megapixel megapixels")},
    {"dpi": (1, "dpi")},
    {"°C": (1, "°c")},
    {"pcs": (1, "pc pc. pcs pcs. piece pieces st. stk stk. stück pièce pièces pieza piezas unidades 件 个")},
    {"h": (1, "h hr hrs hour hours stunden heures horas")},
    {"months": (1, "month months monat monate mois meses 个月")},
    {"years": (1, "year years yrs jahr jahre an ans año años 年")},
)  # fmt: skip


def _spellings() -> dict[str, tuple[str, int, float]]:
    table = {}
    for dimension, units in enumerate(_DIMENSIONS):
        for unit, (factor, spellings) in units.items():
            for spelling in spellings.split("|" if "|" in spellings else None):
                table[spelling] = (unit, dimension, factor)
    return table


UNIT_SPELLINGS = _spellings()  # spelling -> unit, dimension, factor to the dimension's first unit


@lru_cache(maxsize=1)
def currency_codes() -> frozenset[str]:
    """Return the ISO 4217 codes that CLDR knows."""
    from babel.numbers import list_currencies

    return frozenset(list_currencies())


@lru_cache(maxsize=1024)
def currencies_of(text: str) -> tuple[str, ...]:
    """Return the codes of the currencies that a symbol or code may stand for, the likeliest first."""
    text = re.sub(r"\s", "", text)  # US $
    if symbol := CURRENCY_SYMBOLS.get(text.lower()):
        return symbol
    return (text,) if text in currency_codes() else ()  # in capitals only: "cup" is none


def currency_in(text: str, language: str) -> str | None:
    """Return the code of a symbol or code; a symbol of several currencies is read by the catalogue's language."""
    codes = currencies_of(text)
    return currency_of_language(text, language) or codes[0] if codes else None


def currency_of_language(text: str, language: str) -> str | None:
    """Return the currency that a symbol of several stands for in a language; None where the language decides none."""
    return _OF_LANGUAGE.get((text.strip().lower(), language))


def unit_of(text: str) -> str | None:
    """Return the unit's usual spelling; None for text that is no unit."""
    known = _known_unit(text)
    return known[0] if known else None


def unit_factor(text: str, unit: str) -> float | None:
    """Return the factor from the unit `text` to `unit`; None when they do not measure the same."""
    if _spelling(text) == _spelling(unit):
        return 1.0
    found, wanted = _known_unit(text), _known_unit(unit)
    if found is None or wanted is None or found[1] != wanted[1]:
        return None
    return found[2] / wanted[2]


def _known_unit(text: str) -> tuple[str, int, float] | None:
    return UNIT_SPELLINGS.get(_spelling(text)) or UNIT_SPELLINGS.get(_spelling(text).rstrip("."))


@lru_cache(maxsize=1024)
def _spelling(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip().lower())
