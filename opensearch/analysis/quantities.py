"""Quantities and signs in texts: the pattern that finds them, and the mapping that writes each in one way. Pure.

`500 ml`, `500ML`, `0.5 l` and `0,5-Liter` are all `500ml`. One pattern and one mapping do it, because a character filter
reads the whole text and the engine runs each for every field of every product. A pattern has one replacement for all that
it finds, so it writes marks (private characters) around the parts, and the mapping replaces the marks and the unit
between them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import product
from math import log10

from vitrine.notation.units import UNITS, Unit, unit_factor

# Chinese, Japanese and Korean write no space between a number and the next word.
_CJK = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = rf"[\p{{L}}\p{{N}}&&[^{_CJK}]]"
DASHES = "\u2010\u2011\u2012\u2013\u2212\ufe58\ufe63\uff0d"
APOSTROPHES = "\u2018\u2019\u201b\u02bc\u2032\u00b4\u0060\uff07"
QUOTES = "\u201c\u201d\u201e\u201f\u2033\uff02"
_TIMES = "[xX\u00d7*]"

# Not inside a word or a number, but after the sign of 160x200cm.
_START = rf"(?<![0-9.,])(?:(?<!{_WORD})|(?<=\d{_TIMES}))"
_END = rf"(?!{_WORD})"
# Possessive, as the numbers are: a shorter one never fits, and to try it takes long.
_GAP = r"[\s\-\u2010-\u2013\u2212\ufe58\ufe63\uff0d]{0,2}+"

# The smaller unit in which a quantity is written.
_SMALLER = {"l": "ml", "dl": "ml", "cl": "ml", "kg": "g", "m": "cm", "kW": "W"}
_THOUSANDS = (
    "ml",
    "g",
    "mg",
    "mm",
    "W",
    "mAh",
    "lm",
    "BTU",
)  # units of which a thousand is usual: 10,000 mAh
_FRACTIONS = {
    "\u00bd": "5", "\u00bc": "25", "\u00be": "75",
    "1/2": "5", "1/4": "25", "3/4": "75", "1/8": "125", "3/8": "375", "5/8": "625", "7/8": "875",
}  # fmt: skip
_SHORT = 3  # letters; a longer spelling is in lower case, in capitals, or begins with one

# The marks of a quantity: before it, after the whole number, after each of three decimals or where it is missing, after the
# unit.
_BEGIN, _POINT, _STOP = "\ue006", "\ue000", "\ue005"
_DECIMALS = ("\ue001", "\ue002", "\ue003", "\ue004")
_PARTS = (
    ("half", ""), ("number", _POINT), ("fraction", _DECIMALS[0]), ("first", _DECIMALS[1]), ("second", _DECIMALS[2]),
    ("third", _DECIMALS[3]), ("unit", _STOP),
)  # fmt: skip
_PLACES = ("first", "second", "third")
_GROUP = re.compile(r"\(\?<([a-z]+\d+)>")


class _Groups:
    """The groups of a pattern, several for each part of a quantity, of which each find has one at most."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {part: [] for part, _ in _PARTS}

    def of(self, part: str, pattern: str) -> str:
        names = self._names[part]
        names.append(f"{part}{len(names)}")
        return f"(?<{names[-1]}>{pattern})"

    def numbered(self, pattern: str) -> tuple[str, str]:
        """Return the pattern and its replacement with numbers for the names, which the engine looks up for each find."""
        numbers = {name: number for number, name in enumerate(_GROUP.findall(pattern), 1)}
        parts = ("".join(f"${numbers[name]}" for name in self._names[part]) + mark for part, mark in _PARTS)
        return _GROUP.sub("(", pattern), _BEGIN + "".join(parts)


def quantity_pattern() -> tuple[str, str]:
    """Return the pattern of quantities and of signs that mean something, and its replacement."""
    groups = _Groups()
    quantities = "|".join(_quantities(groups))
    signs = "|".join(_signs(groups))
    # a cheap look ahead first: the engine tries the pattern at every character of a text
    digits = "0-9\u00bc-\u00be"
    pattern = (
        f"(?=[{digits}/&+#xX\u00d7*])(?:(?=[{digits}]){_START}(?:{quantities})|(?=[^{digits}])(?:{signs}))"
    )
    return groups.numbered(pattern)


def quantity_mappings() -> Iterator[tuple[str, str]]:
    """Yield what the marks of the pattern become, with what stands between them."""
    yield from ((mark, "") for mark in (_BEGIN, _POINT, *_DECIMALS, _STOP))
    yield from ((f"{_POINT}{sign}", ".") for sign in ".,")
    for sign, digits in _FRACTIONS.items():
        yield f"{_BEGIN}{sign}", f"0.{digits}"
        yield f"{_POINT}{sign}", f".{digits}"
    words = {"+": "plus", "#": "sharp", "&": "and", "x": "x", "X": "x", "\u00d7": "x", "*": "x"}
    for sign, word in words.items():
        yield f"{_DECIMALS[-1]}{sign}{_STOP}", f" {word} "
    for unit in _text_units():
        yield from _unit_mappings(unit)


def written_units() -> list[str]:
    """Return the units as they are written in a term."""
    return list(dict.fromkeys(_written(unit) for unit in _text_units()))


def _quantities(groups: _Groups) -> Iterator[str]:
    """Yield the ways to write a quantity, without what stands before it."""
    units = _text_units()
    thousands = groups.of("number", r"[1-9]\d{0,2}+") + "[.,]" + groups.of("third", r"\d{3}")
    thousands_unit = groups.of("unit", _any(unit for unit in units if unit.name in _THOUSANDS))
    yield f"{thousands}{_GAP}{thousands_unit}{_END}"
    fraction = "|".join(_FRACTIONS)
    mixed = groups.of("number", r"\d{1,3}+") + r"[\s\-]?" + groups.of("fraction", fraction)
    inch = groups.of("unit", _any(unit for unit in units if unit.name == "in"))
    yield f"(?:{groups.of('half', fraction)}|{mixed}){_GAP}{inch}{_END}"
    scaled = {power: _any(unit for unit in units if _power(unit) == power) for power in (3, 2, 1)}
    # 0.05 l: the zeros before the first other digit would be left before 50 ml
    below_one = "|".join(
        rf"(?:{'|'.join(_below_one(groups, power))})\d*+{_GAP}{groups.of('unit', spellings)}"
        for power, spellings in scaled.items()
    )
    yield rf"0+[.,](?:{below_one}){_END}"
    plain = groups.of("unit", _any(unit for unit in units if not _power(unit)))
    amounts = [groups.of("fraction", r"\.\d++|,\d{1,2}+(?!\d)") + f"?{_GAP}{plain}"]
    for power, spellings in scaled.items():
        decimals = "".join(groups.of(place, r"\d") + "?" for place in _PLACES[:power])
        amounts.append(rf"(?:[.,](?=\d){decimals}\d*+)?{_GAP}{groups.of('unit', spellings)}")
    number = groups.of("number", r"0|[1-9]\d{0,8}+")
    yield rf"0{{0,3}}{number}(?:{'|'.join(amounts)}){_END}"
    # a decimal comma of any number
    yield groups.of("number", r"\d++") + groups.of("fraction", r",\d{1,2}+") + r"(?![\d,])"


def _below_one(groups: _Groups, power: int) -> Iterator[str]:
    """Yield the decimals of a number below one, by the place of their first digit that is not zero."""
    for zeros in range(power):
        places = _PLACES[zeros:power]
        digits = [groups.of(slot, r"\d") + "?" for slot in places[1:]]
        yield f"{'0' * zeros}{groups.of(places[0], '[1-9]')}{''.join(digits)}"


def _signs(groups: _Groups) -> Iterator[str]:
    """Yield the patterns of signs that become a word, and of those that are left out."""
    yield rf"(?<=\p{{L}})(?<!{_WORD}\p{{L}})[/&](?=\p{{L}}(?!{_WORD}))"  # A/C, H&M: one word
    words = (
        r"(?<=[\p{L}\p{N}+])\+(?![\p{L}\p{N}])",  # C++, S21+, A+++
        r"(?<=[A-Za-z])#(?![\p{L}\p{N}])",
        r"(?<!\S)&(?!\S)",
        rf"(?<=\d\s?){_TIMES}(?=\s?\d)",  # 160x200
    )
    yield groups.of("unit", "|".join(words))


def _unit_mappings(unit: Unit) -> Iterator[tuple[str, str]]:
    power, written = _power(unit), _written(unit)
    for spelling in _spellings(unit):
        if not power and spelling.lower() != written:
            yield f"{_DECIMALS[-1]}{spelling}{_STOP}", written
        # a decimal that is missing is a zero of the smaller unit
        for decimals in range(power + 1 if power else 0):
            yield f"{''.join(_DECIMALS[decimals:])}{spelling}{_STOP}", "0" * (power - decimals) + written


def _text_units() -> list[Unit]:
    return [unit for unit in UNITS if unit.spellings]


def _power(unit: Unit) -> int:
    """Return the power of ten that leads to the smaller unit in which a quantity is written; 0 for others."""
    factor = unit_factor(unit.name, _SMALLER[unit.name]) if unit.name in _SMALLER else None
    return round(log10(factor)) if factor else 0


def _written(unit: Unit) -> str:
    return "inch" if unit.name == "in" else _SMALLER.get(unit.name, unit.name).lower()


def _spellings(unit: Unit) -> list[str]:
    """Return the spellings of a unit in the cases that texts have; `M` is a size, not a metre."""
    spellings = [variant for spelling in unit.spellings for variant in _cases(spelling)]
    if unit.name == "in":
        spellings += [*QUOTES, *(2 * sign for sign in APOSTROPHES)]
    return [spelling for spelling in dict.fromkeys(spellings) if spelling != "M"]


def _cases(spelling: str) -> Iterable[str]:
    if len(spelling) > _SHORT:
        return (spelling, spelling.upper(), spelling.title())
    return map("".join, product(*((char, char.upper()) for char in spelling)))


def _any(units: Iterable[Unit]) -> str:
    return _pattern_of([spelling for unit in units for spelling in _spellings(unit)])


def _pattern_of(texts: Collection[str]) -> str:
    """Return the pattern of any of the texts, by their common beginnings: the engine tries one letter, not every text."""
    rests: dict[str, list[str]] = {}
    for text in texts:
        if text:
            rests.setdefault(text[0], []).append(text[1:])
    branches: dict[str, list[str]] = {}  # what follows -> first letters
    for first, following in rests.items():
        branches.setdefault(_pattern_of(following), []).append(first)
    ways = [
        (firsts[0] if len(firsts) == 1 else f"[{''.join(firsts)}]") + rest
        for rest, firsts in branches.items()
    ]
    return f"(?:{'|'.join(ways)}){'?' if '' in texts else ''}" if ways else ""
