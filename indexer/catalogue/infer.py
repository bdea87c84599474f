"""A field plan guessed from rows: by the columns' names where they are telling, by their values where not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError

from .columns import AGREE, CODES, HAN, URL, Column, columns_in, reads
from .product import read_available, read_language

TEXTS = 8  # at most so many text columns; more would crowd the description out of what is embedded
NUMBERS = 32
KEYWORDS = 64
_SHARE = 0.02  # a sparser attribute column is left out
_TEXT_SHARE = 0.5  # rarer, or of fewer words, and it is an attribute: searched, not embedded
_TEXT_WORDS = 3
_FAMILY = 8  # attribute columns with one prefix, from which on a pattern stands for them
EXTRAS = 64
_IMAGE_PIXELS = 224  # the smallest side that encoders look at

_IDS = (
    "id",
    "_id",
    "sku",
    "productid",
    "itemid",
    "asin",
    "productcode",
    "articleid",
    "articlenumber",
    "uid",
    "handle",
)
_TITLES = (
    "title",
    "producttitle",
    "name",
    "productname",
    "productdisplayname",
    "itemname",
    "label",
    "heading",
    "标题",
)
_TEXTS = (
    "description",
    "shortdescription",
    "longdescription",
    "summary",
    "subtitle",
    "details",
    "features",
    "body",
)
_CREATED = (
    "created",
    "createdat",
    "dateadded",
    "datecreated",
    "datereleased",
    "releasedate",
    "launchdate",
    "published",
)
_GROUPS = (
    "groupid",
    "itemgroupid",
    "group",
    "styleid",
    "parentid",
    "parentsku",
    "modelid",
    "variantof",
    "parent",
)
_AVAILABLE = ("instock", "available", "isavailable", "availability", "stock", "inventory", "stockquantity")
# what groups products by its name alone: a small sample may show each of its values once
_KEYWORDS = (
    "category",
    "producttype",
    "department",
    "brand",
    "manufacturer",
    "color",
    "colour",
    "size",
    "gender",
    "material",
    "season",
)
_LANGUAGES = ("language", "lang", "locale", "languagecode")
_IMAGE_COLUMN = re.compile(
    r"(product|main|primary)?_?(images?|pictures?|photos?|img)(_?(urls?|links?|paths?|src))?"
)


def infer_plan(rows: Sequence[Mapping[str, Any]], id: str | None = None) -> FieldPlan:
    """The plan of a sample of rows, `id` known or not; CatalogueError when no column can be the id."""
    columns = columns_in(rows)
    id_column = next((c for c in columns if c.name == id), None) or _id_column(columns, len(rows))
    rest = [column for column in columns if column is not id_column]
    language = _named(rest, _LANGUAGES, lambda c: c.reads(read_language))
    rest = [column for column in rest if column.name != language]
    pictures = [column for column in rest if column.is_picture]
    rest = [column for column in rest if column not in pictures]
    dates = [column for column in rest if column.is_date]
    rest = [column for column in rest if column not in dates]
    numbers = [column for column in rest if column.is_number]
    rest = [column for column in rest if column not in numbers]
    title = _title_column(rest)
    group = _named([*rest, *numbers], _GROUPS, lambda c: c.distinct < len(c.values))
    rest = [column for column in rest if column.name not in (title, group)]
    keywords = [column for column in rest if _is_keyword(column)]
    texts = [column for column in rest if column not in keywords and _is_text(column)]
    return FieldPlan(
        id=id_column.name,
        title=title or id_column.name,
        text=_names(sorted(texts, key=_text_order), TEXTS),
        search=_extra([c for c in rest if c not in texts and _has_words(c)], keywords, columns),
        images=_best_pictures(pictures),
        numbers=_names([c for c in _fullest(numbers) if c.name != group and c.filled >= _SHARE], NUMBERS),
        keywords=_names(_fullest(keywords), KEYWORDS),
        dates=_names(_fullest(dates), NUMBERS),
        language=_language(rest, title, columns),
        language_field=language,
        group=group,
        available=_named(columns, _AVAILABLE, lambda c: c.share(lambda v: reads(read_available, v)) >= AGREE),
        created=_named(dates, _CREATED, lambda c: True),
    )


def _id_column(columns: list[Column], rows: int) -> Column:
    whole = [
        column
        for column in columns
        if column.rows >= AGREE * rows
        and column.distinct >= AGREE * column.rows
        and len(column.values) == column.rows
        and column.share(lambda v: isinstance(v, (str, int)) and not isinstance(v, bool)) == 1
    ]
    for name in _IDS:
        for column in columns:
            if column.plain == name and (column in whole or name == "id"):
                return column
    named = [column for column in whole if re.search(r"(id|sku|code|key)$", column.name.lower())]
    short = [column for column in whole if column.words <= 1.5 and not column.is_picture]
    if found := [*named, *short]:
        return found[0]
    raise CatalogueError(
        "no column has a different value in every row to be the id"
        f" (columns: {', '.join(c.name for c in columns[:20])});"
        ' write a field plan with [fields] id = "COLUMN" and pass it with --fields'
    )


def _title_column(columns: list[Column]) -> str | None:
    texts = [column for column in columns if column.is_text]
    if named := _named(texts, _TITLES, lambda c: True):
        return named
    wordy = [c for c in texts if c.filled >= 0.5 and c.words >= 2 and not c.repeats]
    return min(wordy, key=lambda c: c.words).name if wordy else None


def _is_keyword(column: Column) -> bool:
    if column.filled < _SHARE:
        return False
    if all(isinstance(value, bool) for value in column.values):
        return True
    code = bool(CODES.search(column.name.lower())) and column.words <= 2
    short = column.words <= 5 and max(len(str(value)) for value in column.values) <= 100
    return column.share(lambda v: isinstance(v, (str, int)) and not URL.match(str(v))) >= AGREE and (
        code or (short and (column.repeats or column.plain in _KEYWORDS))
    )


def _is_text(column: Column) -> bool:
    says = column.filled >= _TEXT_SHARE and column.words >= _TEXT_WORDS
    return column.is_text and (says or column.plain in _TEXTS)


def _has_words(column: Column) -> bool:
    """Whether a shopper may type what stands there."""
    return column.is_text and not column.share(_yes_or_no) >= AGREE


def _extra(columns: list[Column], keywords: list[Column], all_columns: list[Column]) -> tuple[str, ...]:
    """The columns of words that are searched besides the keywords: families of attributes by pattern, others by name.

    A family is named by its prefix as soon as nearly all columns that have it say words; so the many that are too
    rare to stand in the sample are searched too.
    """
    wordy = {column.name for column in columns}
    patterns: list[str] = []
    for prefix in sorted({p for name in wordy for p in _prefixes(name)}, key=len):
        family = [column for column in all_columns if column.name.startswith(prefix)]
        says = sum(1 for column in family if column.name in wordy or _has_words(column))
        covered = any(prefix.startswith(pattern[:-1]) for pattern in patterns)
        if len(family) >= _FAMILY and says >= AGREE * len(family) and not covered:
            patterns.append(f"{prefix}*")
    single = [c for c in _fullest(columns) if c not in keywords]
    single = [c for c in single if not any(c.name.startswith(p[:-1]) for p in patterns)]
    return (*patterns, *_names(single, EXTRAS))


def _prefixes(name: str) -> list[str]:
    return [name[: match.end()] for match in re.finditer(r"[_.\-:]", name) if match.end() < len(name)]


def _yes_or_no(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "false", "yes", "no", "y", "n")


def _text_order(column: Column) -> tuple[bool, float]:
    """Descriptions first, then what says most: the encoder reads only so far."""
    return column.plain not in _TEXTS, -column.filled * min(column.words, 200)


def _best_pictures(columns: list[Column]) -> tuple[str, ...]:
    """Views (image_1, image_2 ...) are all taken; of one picture in several sizes the best one."""
    if not columns:
        return ()
    best = min(columns, key=_picture_order)
    stem = re.sub(r"\d{1,2}$", "", best.name)
    views = [column.name for column in columns if re.fullmatch(re.escape(stem) + r"\d{0,2}", column.name)]
    return tuple(views) if stem != best.name or len(views) > 1 else (best.name,)


def _picture_order(column: Column) -> tuple[float, float]:
    name = column.name.lower()
    if _IMAGE_COLUMN.fullmatch(name):
        return 0, 0
    sizes = [int(size) for size in re.findall(r"\d{2,4}", name)]
    if sizes:
        return (1, max(sizes)) if max(sizes) >= _IMAGE_PIXELS else (4, -max(sizes))
    ranks = {"medium": 2, "large": 2.2, "high": 2.5, "full": 2.6, "small": 4, "low": 4, "thumb": 5}
    return next((rank for word, rank in ranks.items() if word in name), 2.1), 0


def _named(columns: list[Column], names: Sequence[str], fits: Any) -> str | None:
    """The first column of such a name that fits, in the order of the names."""
    for name in names:
        for column in columns:
            if column.plain == name and fits(column):
                return column.name
    return None


def _language(rest: list[Column], title: str | None, columns: list[Column]) -> str:
    """`zh` when most titles are Chinese; every row is looked at again when it is indexed."""
    values = next((column.values for column in columns if column.name == title), [])
    chinese = sum(1 for value in values if len(HAN.findall(str(value))) >= 2)
    return "zh" if values and chinese > len(values) / 2 else "en"


def _fullest(columns: list[Column]) -> list[Column]:
    return sorted(columns, key=lambda column: -column.filled)


def _names(columns: list[Column], most: int) -> tuple[str, ...]:
    return tuple(column.name for column in columns[:most])
