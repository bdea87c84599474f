"""Currencies and units of measurement beside the numbers of a catalogue and of a query."""

from __future__ import annotations

import re
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Unit:
    """A unit: its factor to the first one of its dimension, and its spellings in lower case.

    `spellings` follow a number in any text, as in `500 ml`. `column_spellings` are other words there (`2 in 1`, `10 to 20`)
    or several words, and name the unit only beside the number of a column or of a bound.
    """

    name: str
    dimension: str
    factor: float
    spellings: tuple[str, ...]
    column_spellings: tuple[str, ...] = ()


def _units(dimension: str, *rows: tuple[str, float, str] | tuple[str, float, str, str]) -> tuple[Unit, ...]:
    return tuple(
        Unit(
            name,
            dimension,
            factor,
            tuple(texts.split()),
            tuple(" ".join(columns).split("|") if columns else ()),
        )
        for name, factor, texts, *columns in rows
    )


UNITS: tuple[Unit, ...] = (
    *_units(
        "mass",
        ("g", 1, "g gr gram grams gramm gramme grammes gramo gramos г 克"),
        ("mg", 0.001, "mg мг 毫克"),
        ("kg", 1000, "kg kgs kilo kilos kilogram kilograms kilogramm kilogramme kilogrammes кг 公斤 千克"),
        ("oz", 28.349523125, "oz ounce ounces", "oz."),
        ("lb", 453.59237, "lb lbs pound pounds", "lb.|lbs."),
    ),
    *_units(
        "volume",
        ("ml", 1, "ml milliliter milliliters millilitre millilitres мл 毫升"),
        ("cl", 10, "cl centiliter centiliters centilitre centilitres"),
        ("dl", 100, "dl"),
        ("l", 1000, "l ltr liter liters litre litres litro litros litri л литр литра 升"),
        ("fl oz", 29.5735295625, "", "fl oz|fl. oz.|floz"),
    ),
    *_units(
        "length",
        ("mm", 1, "mm millimeter millimeters millimetre millimetres мм 毫米"),
        ("cm", 10, "cm centimeter centimeters centimetre centimetres centimètre centimètres zentimeter см 厘米 公分"),
        ("m", 1000, "m meter meters metre metres mètre mètres metro metros м 米", "mtr"),
        ("km", 1_000_000, "km"),
        (
            "in", 25.4,
            "inch inches zoll tum tums pouce pouces pulgada pulgadas pollici дюйм дюйма дюймов 英寸 吋 \" '' ″", "in|in.",
        ),
        ("ft", 304.8, "ft", "ft.|feet|foot"),
    ),
    *_units(
        "storage",
        ("MB", 1, "mb", "mo"),
        ("KB", 0.001, "kb"),
        ("GB", 1000, "gb gigabyte gigabytes гб", "go"),
        ("TB", 1_000_000, "tb terabyte terabytes тб", "to"),
    ),
    *_units("power", ("W", 1, "w watt watts вт"), ("kW", 1000, "kw")),
    *_units("energy", ("Wh", 1, "wh"), ("kWh", 1000, "kwh")),
    *_units("charge", ("mAh", 1, "mah"), ("Ah", 1000, "ah")),
    *_units("current", ("mA", 1, "ma")),
    *_units("frequency", ("Hz", 1, "hz"), ("kHz", 1000, "khz"), ("MHz", 1e6, "mhz"), ("GHz", 1e9, "ghz")),
    *_units("voltage", ("V", 1, "v volt volts"), ("kV", 1000, "kv")),
    *_units("light", ("lm", 1, "lm lumen lumens")),
    *_units("share", ("%", 1, "", "%|percent|prozent")),
    *_units("pixels", ("px", 1, "px", "pixel|pixels")),
    *_units("resolution", ("MP", 1, "mp megapixel megapixels")),
    *_units("density", ("dpi", 1, "dpi")),
    *_units("rate", ("fps", 1, "fps")),
    *_units("pressure", ("bar", 1, "bar"), ("psi", 0.0689475729, "psi")),
    *_units("heat", ("BTU", 1, "btu")),
    *_units("loudness", ("dB", 1, "db")),
    *_units("temperature", ("°C", 1, "", "°c")),
    *_units(
        "count",
        ("pcs", 1, "", "pc|pc.|pcs|pcs.|piece|pieces|st.|stk|stk.|stück|pièce|pièces|pieza|piezas|unidades|件|个"),
    ),
    *_units("hours", ("h", 1, "", "h|hr|hrs|hour|hours|stunden|heures|horas")),
    *_units("months", ("months", 1, "", "month|months|monat|monate|mois|meses|个月")),
    *_units("years", ("years", 1, "", "year|years|yrs|jahr|jahre|an|ans|año|años|年")),
)  # fmt: skip
# What a unit may be called beside the number of a column or of a bound; `ft` there is the forint.
UNIT_SPELLINGS = {
    spelling: unit
    for unit in UNITS
    for spelling in (*unit.spellings, *unit.column_spellings)
    if spelling not in CURRENCY_SYMBOLS
}


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
    unit = _known_unit(text)
    return unit.name if unit else None


def unit_factor(text: str, unit: str) -> float | None:
    """Return the factor from the unit `text` to `unit`; None when they do not measure the same."""
    if _spelling(text) == _spelling(unit):
        return 1.0
    found, wanted = _known_unit(text), _known_unit(unit)
    if found is None or wanted is None or found.dimension != wanted.dimension:
        return None
    return found.factor / wanted.factor


def _known_unit(text: str) -> Unit | None:
    return UNIT_SPELLINGS.get(_spelling(text)) or UNIT_SPELLINGS.get(_spelling(text).rstrip("."))


@lru_cache(maxsize=1024)
def _spelling(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip().lower())
