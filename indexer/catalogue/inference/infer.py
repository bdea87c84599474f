"""A field plan inferred from a sample of rows, by the names of the columns and by their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from indexer.catalogue.notation import column_names
from indexer.catalogue.notation.cells import read_available, read_language
from indexer.catalogue.notation.languages import catalogue_language
from indexer.catalogue.notation.lists import PATH
from indexer.catalogue.notation.null_words import null_words
from indexer.catalogue.notation.yes_no import is_yes_or_no
from opensearch.analysis.codes import MAX_CODE
from opensearch.index.fields import ColumnFormat, FieldPlan
from vitrine.errors import CatalogueError

from .column_formats import date_notation, list_notation, notation_hints, number_notation, stated
from .columns import CODE_NAME, MIN_AGREEMENT, URL, ColumnStatistics, column_statistics
from .holdable import holdable

MAX_TEXTS = 8  # more text columns would displace the description in the embedded text
MAX_NUMBERS = 32
MAX_DATES = 32
MAX_KEYWORDS = 64
MAX_EXTRA = 64
MAX_CODES = 16
_MIN_FILL_RATE = 0.02  # a number or keyword column that is sparser is left out
# A column that is sparser or has fewer words per value is an attribute: in the lexical sub-query, not embedded.
_MIN_TEXT_FILL_RATE = 0.5
_MIN_TEXT_WORDS = 3
_MAX_KEYWORD_WORDS = 5
_MAX_KEYWORD_CHARACTERS = 100
_MIN_FAMILY_COLUMNS = 8  # from so many attribute columns with one prefix on, a pattern stands for them
_MIN_IMAGE_PIXELS = 224  # the smallest input side of the supported image encoders

_IMAGE_COLUMN = re.compile(
    r"(product|main|primary)?_?(images?|pictures?|photos?|img)(_?(urls?|links?|paths?|src))?"
)
_FURTHER_IMAGES = re.compile(r"additional|gallery|further|more_|weitere|autres|galer")
_IMAGE_SIZES = {"medium": 2, "large": 2.2, "high": 2.5, "full": 2.6, "small": 4, "low": 4, "thumb": 5}
_UNSTATED_IMAGE_SIZE = 2.1
_MAX_RANKED_WORDS = 200  # beyond this many words per value, more words do not move a text column forward

Columns = list[ColumnStatistics]


def infer_plan(rows: Sequence[Mapping[str, Any]], id_name: str | None = None) -> FieldPlan:
    """Return the plan of a sample of rows; `id_name` is the id's column where it is known.

    Raises CatalogueError when no column can be the id.
    """
    null = null_words(rows, id_name)
    columns = column_statistics(rows, frozenset(word.casefold() for word in null))
    id_column = next((c for c in columns if c.name == id_name), None) or _id_column(columns, len(rows))
    rest = [column for column in columns if column is not id_column]
    language_field = _first_named(rest, column_names.LANGUAGES, lambda c: c.mostly_parses(read_language))
    rest = [column for column in rest if column.name != language_field]
    images, rest = _partition(rest, lambda column: column.is_image)
    language = catalogue_language(_texts_of_language(rest))
    formats: dict[str, ColumnFormat] = {}
    dates, rest = _noted(rest, formats, lambda column: date_notation(column, language))
    hints = notation_hints(rest, language)
    numbers, rest = _noted(rest, formats, lambda column: number_notation(column, hints))
    title = _title_column(rest)
    group = _first_named([*rest, *numbers], column_names.GROUPS, lambda c: c.distinct_values < len(c.values))
    rest = [column for column in rest if column.name not in (title, group)]
    numbers = [c for c in numbers if c.name != group and c.fill_rate >= _MIN_FILL_RATE]
    keywords, others = _partition(rest, _is_keyword)
    numbers, keywords, dates = map(_holdable, (numbers, keywords, dates))
    formats |= {column.name: list_notation(column) for column in keywords}
    texts = [column for column in others if _is_text(column)]
    measured = [c for c in numbers if formats[c.name].unit]  # shoppers type "500 ml"
    words = [*(column for column in rest if column not in texts and _has_words(column)), *measured]
    plan = FieldPlan(
        id=id_column.name,
        title=title or id_column.name,
        text=_names(sorted(texts, key=_text_order), MAX_TEXTS),
        search=_extra(words, keywords[:MAX_KEYWORDS], columns),
        images=_best_images(images),
        numbers=_names(numbers, MAX_NUMBERS),
        keywords=_names(keywords, MAX_KEYWORDS),
        codes=_names([c for c in columns if c is not id_column and _is_code(c)], MAX_CODES),
        dates=_names(dates, MAX_DATES),
        language=language,
        language_field=language_field,
        group=group,
        available=_first_named(columns, column_names.AVAILABLE, _is_availability(formats)),
        created=_first_named(dates, column_names.CREATED),
        null=null,
    )
    return replace(plan, columns=_planned_formats(plan, formats))


def _planned_formats(plan: FieldPlan, formats: Mapping[str, ColumnFormat]) -> dict[str, ColumnFormat]:
    planned = {*plan.numbers, *plan.keywords, *plan.dates, plan.available, plan.created}
    return {name: notation for name, notation in stated(formats).items() if name in planned}


def _is_availability(formats: Mapping[str, ColumnFormat]) -> Callable[[ColumnStatistics], bool]:
    def fits(column: ColumnStatistics) -> bool:
        notation = formats.get(column.name, ColumnFormat())
        return column.mostly_parses(lambda value, _: read_available(value, notation))

    return fits


def _noted(
    columns: Columns,
    formats: dict[str, ColumnFormat],
    notation: Callable[[ColumnStatistics], ColumnFormat | None],
) -> tuple[Columns, Columns]:
    """Return the columns that have a notation, which is entered in `formats`, and the others."""
    fitting: Columns = []
    others: Columns = []
    for column in columns:
        found = notation(column)
        if found is None:
            others.append(column)
        else:
            formats[column.name] = found
            fitting.append(column)
    return fitting, others


def _texts_of_language(columns: Columns) -> list[str]:
    """Return the titles and descriptions of the sample, or where no column is called so all its texts."""
    texts = [column for column in columns if column.is_text]
    named = [c for c in texts if c.role_name in (*column_names.TITLES, *column_names.TEXTS)]
    return [str(value) for column in named or texts for value in column.values]


def _id_column(columns: Columns, rows: int) -> ColumnStatistics:
    """Return the column of a known name, else one whose name ends like an id, else the first of short values."""
    unique = [
        column
        for column in columns
        if column.filled_rows >= MIN_AGREEMENT * rows
        and column.distinct_values >= MIN_AGREEMENT * column.filled_rows
        and len(column.values) == column.filled_rows
        and all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in column.values)
    ]
    for name in column_names.IDS:
        for column in columns:
            if column.normalized_name == name and (column in unique or name == "id"):
                return column
    id_like = [column for column in unique if re.search(r"(id|sku|code|key)$", column.name.lower())]
    short = [column for column in unique if column.mean_words <= 1.5 and not column.is_image]
    if candidates := [*id_like, *short]:
        return candidates[0]
    raise CatalogueError(
        "no column has a different value in every row and can be the id"
        f" (columns: {', '.join(column.name for column in columns[:20])});"
        ' write a field plan with [fields] id = "COLUMN" and pass it with --fields'
    )


def _title_column(columns: Columns) -> str | None:
    """Return the text column of a known name, else the one with the fewest words of at least two."""
    texts = [column for column in columns if column.is_text]
    if name := _first_named(texts, column_names.TITLES):
        return name
    phrases = [c for c in texts if c.fill_rate >= 0.5 and c.mean_words >= 2 and not c.has_repeated_values]
    return min(phrases, key=lambda column: column.mean_words).name if phrases else None


def _is_keyword(column: ColumnStatistics) -> bool:
    if column.fill_rate < _MIN_FILL_RATE:
        return False
    if all(isinstance(value, bool) for value in column.values):
        return True
    code = bool(CODE_NAME.search(column.name.lower())) and column.mean_words <= 2
    column = column.parts()
    is_path = column.mostly(lambda value: isinstance(value, str) and bool(PATH.search(value)))
    longest = max(len(str(value)) for value in column.values)
    short = is_path or (column.mean_words <= _MAX_KEYWORD_WORDS and longest <= _MAX_KEYWORD_CHARACTERS)
    named = column.role_name in column_names.KEYWORDS or column.separator is not None
    grouping = column.has_repeated_values or named or is_path
    return column.mostly(lambda value: isinstance(value, (str, int)) and not URL.match(str(value))) and (
        code or (short and grouping)
    )


def _is_code(column: ColumnStatistics) -> bool:
    """Return whether the column holds codes: by its name, and by short values of which most have digits."""
    return (
        column_names.is_code_name(column.name)
        and column.mostly(lambda value: isinstance(value, (str, int)) and len(str(value)) <= MAX_CODE)
        and column.share(lambda value: any(map(str.isdecimal, str(value)))) > 0.5
    )


def _is_text(column: ColumnStatistics) -> bool:
    long = column.fill_rate >= _MIN_TEXT_FILL_RATE and column.mean_words >= _MIN_TEXT_WORDS
    return column.is_text and (long or column.role_name in column_names.TEXTS)


def _has_words(column: ColumnStatistics) -> bool:
    """Return whether a shopper could type the column's values in a query."""
    return column.is_text and not column.mostly(is_yes_or_no)


def _extra(columns: Columns, keywords: Columns, all_columns: Columns) -> tuple[str, ...]:
    """Return the columns of words that are searched besides the keywords: patterns of families, then single names.

    A family is the columns with one prefix. A pattern stands for it as soon as nearly all of them have words, so that
    columns too rare to appear in the sample are searched too.
    """
    names = {column.name for column in columns}
    patterns: list[str] = []
    for prefix in sorted({prefix for name in names for prefix in _prefixes(name)}, key=len):
        family = [column for column in all_columns if column.name.startswith(prefix)]
        with_words = sum(1 for column in family if column.name in names or _has_words(column))
        covered = any(prefix.startswith(pattern[:-1]) for pattern in patterns)
        if len(family) >= _MIN_FAMILY_COLUMNS and with_words >= MIN_AGREEMENT * len(family) and not covered:
            patterns.append(f"{prefix}*")
    single = [
        column for column in _fullest_first(columns) if column not in keywords and "*" not in column.name
    ]
    single = [c for c in single if not any(c.name.startswith(pattern[:-1]) for pattern in patterns)]
    return (*patterns, *_names(single, MAX_EXTRA))


def _prefixes(name: str) -> list[str]:
    return [name[: match.end()] for match in re.finditer(r"[_.\-:]", name) if match.end() < len(name)]


def _text_order(column: ColumnStatistics) -> tuple[bool, float]:
    """Sort descriptions first, then columns with the most words, because the encoder truncates its input."""
    words = column.fill_rate * min(column.mean_words, _MAX_RANKED_WORDS)
    return column.role_name not in column_names.TEXTS, -words


def _best_images(columns: Columns) -> tuple[str, ...]:
    """Return all views of a product (image_1, image_2, ...), but of one image in several sizes the best size."""
    if not columns:
        return ()
    best = min(columns, key=_image_order)
    stem = re.sub(r"\d{1,2}$", "", best.name)
    views = [column.name for column in columns if re.fullmatch(re.escape(stem) + r"\d{0,2}", column.name)]
    further = [column.name for column in columns if _FURTHER_IMAGES.search(column.name.lower())]
    chosen = views if stem != best.name or len(views) > 1 else [best.name]
    return tuple(dict.fromkeys([*chosen, *further]))


def _image_order(column: ColumnStatistics) -> tuple[float, float]:
    """Sort plain image columns first, then the smallest size that is large enough, then by words for sizes."""
    name = column.name.lower()
    if _IMAGE_COLUMN.fullmatch(name):
        return 0, 0
    sizes = [int(size) for size in re.findall(r"\d{2,4}", name)]
    if sizes:
        return (1, max(sizes)) if max(sizes) >= _MIN_IMAGE_PIXELS else (4, -max(sizes))
    return next((rank for word, rank in _IMAGE_SIZES.items() if word in name), _UNSTATED_IMAGE_SIZE), 0


def _first_named(
    columns: Columns, names: Sequence[str], fits: Callable[[ColumnStatistics], bool] = lambda column: True
) -> str | None:
    """Return the first column that fits and has one of the normalized names, in the order of the names."""
    for name in names:
        for column in columns:
            if name in (column.normalized_name, column.role_name) and fits(column):
                return column.name
    return None


def _partition(columns: Columns, fits: Callable[[ColumnStatistics], bool]) -> tuple[Columns, Columns]:
    """Return the columns that fit, and the others."""
    fitting: Columns = []
    others: Columns = []
    for column in columns:
        (fitting if fits(column) else others).append(column)
    return fitting, others


def _holdable(columns: Columns) -> Columns:
    """Return the columns that can be fields of an index together, the fullest first."""
    names = holdable(column.name for column in _fullest_first(columns))
    by_name = {column.name: column for column in columns}
    return [by_name[name] for name in names]


def _fullest_first(columns: Columns) -> Columns:
    return sorted(columns, key=lambda column: -column.fill_rate)


def _names(columns: Columns, limit: int) -> tuple[str, ...]:
    return tuple(column.name for column in columns[:limit])
