"""Dates as catalogues write them: the formats of a column, decided from all its values, and the reading of a cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

# Formats of dates that are one number, by name: the first two are the engine's names, the last is the number of days
# since 1899-12-30 that a spreadsheet writes where a cell has lost its format. The value is the number of a second.
NUMBER_FORMATS = {"epoch_second": 1.0, "epoch_millis": 1000.0, "spreadsheet_days": 1 / 86_400}
_SPREADSHEET_EPOCH = -2_209_161_600  # 1899-12-30 in seconds since 1970
MAX_FORMATS = 6  # a column in more notations holds no dates
MIN_AGREEMENT = 0.95
_MIN_POSSIBLE = 0.5  # the share of the values that must be days of the calendar

_MONTH_LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "sv", "da", "nb", "fi", "pl", "ru", "tr")
_WORD = re.compile(r"[^\W\d_]+\.?")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th|er|º|ª)\b", re.IGNORECASE)
_TIME = re.compile(
    r"(?P<lead>(?<=\d)T|,? *)(?<!\d)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?P<second>:\d{2})?(?P<fraction>[.,]\d{1,6})?"
    r"(?P<half> ?[AaPp][Mm])?(?P<zone> ?(?:Z\b|[+-]\d{2}:?\d{2}\b)| (?:UTC|GMT)\b)?"
)
_MONTH = re.compile(r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b")
_YEAR = re.compile(r"(?<![\d%])(?:1[89]|20|21)\d\d(?!\d)")
_PART = re.compile(r"(?<![\d%])\d{1,2}(?!\d)")
_COMPACT = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_DOTNET = re.compile(r"/Date\((-?\d{1,14})(?:[+-]\d{4})?\)/")  # JSON of .NET
_SEPARATORS = re.compile(r"[\s.,/年月日-]*(?:(?:de|of|den|le|el|um|uhr|at|del)\b[\s.,]*)*", re.IGNORECASE)
_MIN_SECONDS, _MAX_SECONDS = 157_766_400, 4_102_444_800  # 1975 to 2100
_ORDERS = {"day": ("%d", "%m"), "month": ("%m", "%d")}


@lru_cache(maxsize=1)
def _month_words() -> dict[str, str]:
    """Return the English abbreviation of each month's names in the common languages (CLDR)."""
    from babel import Locale

    english = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    words: dict[str, str] = {}
    for language in _MONTH_LANGUAGES:
        months = Locale.parse(language).months["format"]
        for width in ("wide", "abbreviated"):
            for number, name in months[width].items():
                words.setdefault(name.lower().rstrip("."), english[number - 1])
    return {**words, "sept": "Sep", "jänner": "Jan", "mär": "Mar"}


@lru_cache(maxsize=1)
def _weekday_words() -> frozenset[str]:
    from babel import Locale

    names: set[str] = set()
    for language in _MONTH_LANGUAGES:
        days = Locale.parse(language).days["format"]
        names.update(
            name.lower().rstrip(".") for width in ("wide", "abbreviated") for name in days[width].values()
        )
    return frozenset(names)


@lru_cache(maxsize=1 << 14)
def _normalized(text: str) -> str:
    """Return the text with English months, without weekdays and the endings of ordinal numbers."""
    text = " ".join(text.replace("a.m.", "am").replace("p.m.", "pm").replace("\u202f", " ").split())
    if not any(character.isalpha() for character in text):
        return text

    def replaced(match: re.Match[str]) -> str:
        word = match.group().lower().rstrip(".")
        if month := _month_words().get(word):
            return month
        return "" if word in _weekday_words() else match.group()

    return _WORD.sub(replaced, _ORDINAL.sub("", text)).strip(" ,")


def date_pattern(text: str) -> str | None:
    """Return the strptime format of a text, in which `%1` and `%2` stand for day and month in unknown order.

    None for a text that is no date.
    """
    text = _normalized(text)
    if "%" in text or not 6 <= len(text) <= 40:
        return None
    time = _TIME.search(text)
    if time:
        text = f"{text[: time.start()]}{_time_pattern(time)}{text[time.end() :]}"
    if _COMPACT.fullmatch(text):
        return "%Y%m%d"
    text = _YEAR.sub("%Y", _MONTH.sub("%b", text, count=1), count=1)
    numbers = _PART.findall(text)
    names = _part_names(len(numbers), "%b" in text, "%Y" in text)
    if names is None:
        return None
    parts = iter(names)
    text = _PART.sub(lambda match: next(parts), text)
    rest = re.sub(r"%[%A-Za-z12]", "\0", re.sub(r"[T:]|GMT|UTC", "", text) if time else text)
    if any(not _SEPARATORS.fullmatch(piece) for piece in rest.split("\0")):
        return None
    return "%Y" + text[2:].replace("%1", "%m").replace("%2", "%d") if text.startswith("%Y") else text


def _part_names(numbers: int, has_month: bool, has_year: bool) -> tuple[str, ...] | None:
    """Return the formats of a date's numbers in their order; None when they are too many or too few."""
    return {
        (0, True, True): (),
        (1, True, True): ("%d",),
        (2, True, False): ("%d", "%y"),
        (1, False, True): ("%m",),
        (2, False, True): ("%1", "%2"),
        (3, False, False): ("%1", "%2", "%y"),
    }.get((numbers, has_month, has_year))


def _time_pattern(match: re.Match[str]) -> str:
    half = match["half"]
    pattern = match["lead"] + ("%I" if half else "%H") + ":%M" + (":%S" if match["second"] else "")
    if fraction := match["fraction"]:
        pattern += f"{fraction[0]}%f"
    pattern += f"{' ' if half.startswith(' ') else ''}%p" if half else ""
    if zone := match["zone"]:
        pattern += (" " if zone.startswith(" ") else "") + ("%Z" if zone.strip() in ("UTC", "GMT") else "%z")
    return pattern


def date_formats(
    values: Sequence[Any], *, named_date: bool, language: str = "en", agreement: float = MIN_AGREEMENT
) -> tuple[str, ...] | None:
    """Return the formats of a column, the most frequent first; None when too few of its values are dates.

    A day that no calendar has, such as 2024-02-31, counts as a date here: reading its cell is an error.

    Day and month are told apart by any value above 12. Where there is none, the day stands first, except between slashes
    beside AM or PM or in an English catalogue.
    """
    texts = [str(value).strip() for value in values if isinstance(value, (str, int))]
    if named_date and (epoch := _number_format(values, agreement)):
        return (epoch,)
    if len(texts) < agreement * len(values) or not texts:
        return None
    patterns = Counter(pattern for text in texts if (pattern := date_pattern(text)))
    if not named_date:  # 01/2024 and 20240115 may be codes
        patterns = Counter({p: n for p, n in patterns.items() if p.count("%") > 2 and p != "%Y%m%d"})
    if not patterns or patterns.total() < agreement * len(texts) or len(patterns) > MAX_FORMATS:
        return None
    order = _proven_order(texts)
    if order is None and not named_date and any("%y" in pattern for pattern in patterns):
        return None  # 10-12-11 may be a measure
    day_month = _ORDERS[order or _usual_order(patterns, language)]
    formats = tuple(
        p.replace("%1", day_month[0]).replace("%2", day_month[1]) for p, _ in patterns.most_common()
    )
    fitting = sum(1 for text in texts if parse_date(text, formats) is not None)
    return formats if fitting >= min(agreement, _MIN_POSSIBLE) * len(texts) else None


def _proven_order(texts: Sequence[str]) -> str | None:
    """Return which of day and month stands first by the numbers above 12; None where there are none."""
    first = second = 0
    for text in texts:
        pattern = date_pattern(text)
        if pattern and "%1" in pattern:
            day, month = (int(number) for number in re.findall(r"\d+", _normalized(text))[:2])
            first += day > 12
            second += month > 12
    if first == second:
        return None
    return "day" if first > second else "month"


def _usual_order(patterns: Counter[str], language: str) -> str:
    named = [pattern for pattern in patterns if "%b" in pattern and "%d" in pattern]
    if named:  # 7 March 2025 beside 1/3/2025
        return "day" if named[0].index("%d") < named[0].index("%b") else "month"
    slashes = any("/" in pattern for pattern in patterns if "%1" in pattern)
    twelve_hours = any("%p" in pattern for pattern in patterns)
    return "month" if slashes and (twelve_hours or language == "en") else "day"


def _number_format(values: Sequence[Any], agreement: float) -> str | None:
    """Return the format of numbers that all but zeros, which stand for no date, are in."""
    stated = [value for value in values if str(value).strip() not in ("0", "0.0", "-1")]
    for name in NUMBER_FORMATS:
        if stated and all(_seconds(value, name) is not None for value in stated):
            return name if len(stated) >= agreement * len(values) else None
    return None


def _seconds(value: Any, name: str) -> float | None:
    """Return the seconds since 1970 of a number in a format; None for another value, or before 1975 or after 2100."""
    if isinstance(value, str) and name == "epoch_millis" and (dotnet := _DOTNET.fullmatch(value.strip())):
        value = int(dotnet.group(1))
    if isinstance(value, str) and re.fullmatch(r"\d{5,13}(\.\d+)?", value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    seconds = value / NUMBER_FORMATS[name] + (_SPREADSHEET_EPOCH if name == "spreadsheet_days" else 0)
    return seconds if _MIN_SECONDS <= seconds <= _MAX_SECONDS else None


def parse_date(value: Any, formats: Sequence[str]) -> datetime | date | None:
    """Return the date or time of a value in the first of the formats that fits; None when none does."""
    text = str(value).strip()
    for form in formats:
        if form in NUMBER_FORMATS:
            seconds = _seconds(value, form)
            if seconds is not None:
                moment = datetime.fromtimestamp(round(seconds, 3), UTC)
                whole_day = form == "spreadsheet_days" and seconds % 86_400 == 0
                return moment.date() if whole_day else moment
            continue
        try:
            parsed = datetime.strptime(_normalized(text), form)
        except ValueError:
            continue
        return parsed if "%H" in form or "%I" in form else parsed.date()
    return None
