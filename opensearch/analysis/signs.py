"""The filters of signs that every chain shares: one spelling of dashes, quotes, `&`, `+` and quantities.

They run in the engine on products and on queries alike, so `500 ml`, `500ML`, `0.5 l` and `0,5-Liter` are all the term
`500ml`. A number keeps its term when no unit follows.
"""

from __future__ import annotations

from typing import Any

Filters = dict[str, dict[str, Any]]

# Chinese, Japanese and Korean write no space between a number and the next word.
_CJK = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = rf"[\p{{L}}\p{{N}}&&[^{_CJK}]]"
# The engine tries a pattern at every character of a text: a cheap look ahead comes before the look behind.
_START = rf"(?=\d)(?<!{_WORD})(?<![.,])"
_END = rf"(?!{_WORD})"
_GAP = r"[\s\-]{0,2}"

# The units of a quantity: spellings, the power of ten that leads to the smaller unit in which it is written, and that unit.
# `m` is lower case only, because M is a size.
SCALED_UNITS = (
    ("l|ltr|liters?|litres?|litro|litros|litri|л|литра?|升", 3, "ml"),
    ("dl", 2, "ml"),
    ("cl", 1, "ml"),
    ("kgs?|kilos?|kilograms?|kilogramm|kilogrammes?|кг|公斤|千克", 3, "g"),
    ("(?-i:m)|met(?:er|re)s?|metros?|м|米", 2, "cm"),
    ("kw", 3, "w"),
)
# Other spellings of a unit.
NAMED_UNITS = (
    ("millilit(?:er|re)s?|мл|毫升", "ml"),
    ("gr|grams?|gramm|grammes?|gramos|г|克", "g"),
    ("cent[io]met(?:er|re)s?|zentimeter|см|厘米|公分", "cm"),
    ("millimet(?:er|re)s?|мм|毫米", "mm"),
    ("watts?|вт", "w"),
    ("volts?", "v"),
    ("gigabytes?|гб", "gb"),
    ("terabytes?|тб", "tb"),
    ("inch(?:es)?|zoll|tums|pouces?|pulgadas?|pollici|дюйм(?:а|ов)?|英寸|吋|\"|''|″", "inch"),
    ("lbs|pounds?", "lb"),
    ("ounces?", "oz"),
    ("megapixels?", "mp"),
)
# Units with one spelling.
PLAIN_UNITS = (
    "ml", "mg", "g", "mm", "cm", "km", "w", "wh", "kwh", "v", "kv", "ma", "mah", "ah", "kb", "mb", "gb", "tb", "hz", "khz",
    "mhz", "ghz", "mp", "px", "dpi", "fps", "lm", "bar", "psi", "btu", "db", "oz", "lb", "ft", "inch",
)  # fmt: skip
_THOUSANDS = ("ml", "g", "mg", "mm", "w", "mah", "lm", "btu")  # units of which a thousand is usual

_DASHES = "\u2010\u2011\u2012\u2013\u2212\ufe58\ufe63\uff0d"
_APOSTROPHES = "\u2018\u2019\u201b\u02bc\u2032\u00b4\u0060\uff07"
_QUOTES = "\u201c\u201d\u201e\u201f\u2033\uff02"
_INVISIBLE = "\u00ad\u200b\u2060\ufeff"


def sign_filters() -> Filters:
    """Return the filters by name, in the order in which they run; `and_filter` follows them."""
    return {"vitrine_signs": _one_spelling(), **_sign_words(), **_quantities()}


def and_filter(word: str) -> dict[str, Any]:
    """Return the filter that writes a lone `&` as the language's word, which its stop words hold."""
    return _replace(r"&(?<!\S&)(?!\S)", word)


def number_capture() -> dict[str, Any]:
    """Return the token filter that adds the number of a quantity, so that `shampoo 500` finds `500 ml`."""
    units = "|".join(dict.fromkeys([*PLAIN_UNITS, *(unit for _, unit in NAMED_UNITS)]))
    pattern = rf"^(\d+(?:\.\d+)?)(?:{units})$"
    return {"type": "pattern_capture", "preserve_original": True, "patterns": [pattern]}


def sign_removal() -> dict[str, Any]:
    """Return the filter that turns signs into spaces, for a tokenizer that makes a term of each."""
    return _replace(r"['\u2019](?=\p{L})|[^\p{L}\p{N}\s']+|'", " ")


def _one_spelling() -> dict[str, Any]:
    mapped = [
        *(f"{sign} => -" for sign in _DASHES),
        *(f"{sign} => '" for sign in _APOSTROPHES),
        *(f'{sign} => "' for sign in _QUOTES),
        *(f"{_escaped(sign)} => " for sign in _INVISIBLE),
    ]
    return {"type": "mapping", "mappings": mapped}


def _sign_words() -> Filters:
    return {
        # A/C, H&M: one word, because a letter alone may be a stop word
        "vitrine_letters": _replace(rf"(?=\p{{L}}[/&])(?<!{_WORD})(\p{{L}})[/&](\p{{L}})(?!{_WORD})", "$1$2"),
        # C++, S21+, A+++: one word for each sign
        "vitrine_plus": _replace(r"\+(?<=[\p{L}\p{N}+]\+)(?![\p{L}\p{N}])", " plus "),
        "vitrine_sharp": _replace(r"#(?<=[A-Za-z]#)(?![\p{L}\p{N}])", " sharp "),
    }


def _quantities() -> Filters:
    thousand = "|".join(_THOUSANDS)
    filters = {
        "vitrine_times": _replace(r"(?=\s?[xX×*])(?<=\d)\s?[xX×*]\s?(?=\d)", " x "),
        "vitrine_decimal_comma": _replace(r"(?=\d)(?<![\d,.])(\d+),(\d{1,2})(?![\d,])", "$1.$2"),
    }
    for spellings, unit in NAMED_UNITS:
        filters[f"vitrine_{unit}"] = _quantity(spellings, rf"((?:\.\d+)?){_GAP}", f"$1$2{unit}")
    for spellings, power, unit in SCALED_UNITS:
        # 1.25 l: 1, the mark of the power, 25 and zeros; then the point moves by `power` digits
        name = f"vitrine_{unit}_{power}"
        filters[name] = _quantity(
            spellings, rf"(?:[.,](\d+))?{_GAP}", f"$1{_mark(power)}$2{'0' * power}{unit}"
        )
    for power in sorted({power for _, power, _ in SCALED_UNITS}):
        filters[f"vitrine_point_{power}"] = _replace(rf"{_mark(power)}(\d{{{power}}})\d*", "$1")
    scaled = "|".join(dict.fromkeys(unit for _, _, unit in SCALED_UNITS))
    filters |= {
        "vitrine_leading_zeros": _replace(rf"{_START}0+(?=[1-9]\d*(?:{scaled}){_END})", ""),
        "vitrine_thousands": _replace(
            rf"(?iu){_START}([1-9]\d{{0,2}})[.,](\d{{3}})(?={_GAP}(?:{thousand}){_END})", "$1$2"
        ),
        "vitrine_units": _quantity("|".join(PLAIN_UNITS), rf"((?:\.\d+)?){_GAP}", "$1$2$3", keep=True),
    }
    return filters


def _quantity(spellings: str, between: str, replacement: str, *, keep: bool = False) -> dict[str, Any]:
    group = f"({spellings})" if keep else f"(?:{spellings})"
    return _replace(rf"(?iu){_START}(\d{{1,9}}){between}{group}{_END}", replacement)


def _mark(power: int) -> str:
    return chr(0xE000 + power)  # private use


def _escaped(sign: str) -> str:
    return f"\\u{ord(sign):04x}"


def _replace(pattern: str, replacement: str) -> dict[str, Any]:
    return {"type": "pattern_replace", "pattern": pattern, "replacement": replacement}
