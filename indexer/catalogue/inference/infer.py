"""A field plan inferred from a sample of rows, by the names of the columns and by their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from indexer.catalogue.notation import column_names
from indexer.catalogue.notation.cells import read_language
from indexer.catalogue.notation.lists import PATH
from indexer.catalogue.notation.null_words import null_words
from opensearch.analysis.codes import MAX_CODE
from opensearch.index.fields import ColumnFormat, FieldPlan

from .column_formats import date_notation, list_notation, notation_hints, number_notation, stated
from .columns import CODE_NAME, MIN_AGREEMENT, URL, ColumnStatistics, column_statistics, detected_language
from .holdable import holdable
from .image_columns import best_images
from .roles import available_column, current_price_column, first_named, group_column, id_column, title_column
from .search_columns import has_words, search_columns

MAX_TEXTS = 8  # more text columns would displace the description in the embedded text
MAX_NUMBERS = 32
MAX_DATES = 32
MAX_KEYWORDS = 64
MAX_CODES = 16
_MIN_FILL_RATE = 0.02  # a number or keyword column that is sparser is left out
# A column that is sparser or has fewer words per value is an attribute: in the lexical sub-query, not embedded.
_MIN_TEXT_FILL_RATE = 0.5
_MIN_TEXT_WORDS = 3
_MIN_DESCRIPTION_WORDS = 2
_MAX_KEYWORD_WORDS = 5
_MAX_KEYWORD_CHARACTERS = 100
_MAX_RANKED_WORDS = 200  # beyond this many words per value, more words do not move a text column forward

Columns = list[ColumnStatistics]


@dataclass
class _Kinds:
    """The columns of a sample by the type of their values. Each is in one of them, and the formats are by column."""

    images: Columns
    dates: Columns
    numbers: Columns
    others: Columns
    language: str
    formats: dict[str, ColumnFormat] = field(default_factory=dict)


def infer_plan(rows: Sequence[Mapping[str, Any]], id_name: str | None = None) -> FieldPlan:
    """Return the plan of a sample of rows; `id_name` is the id's column where it is known.

    Raises CatalogueError when no column can be the id.
    """
    null = null_words(rows, id_name)
    columns = column_statistics(rows, frozenset(word.casefold() for word in null))
    id_ = next((c for c in columns if c.name == id_name), None) or id_column(columns, len(rows))
    rest = [column for column in columns if column is not id_]
    language_field = first_named(rest, column_names.LANGUAGES, lambda c: c.mostly_parses(read_language))
    kinds = _kinds([column for column in rest if column.name != language_field])
    available = available_column(columns, kinds.formats)
    title = title_column(kinds.others)
    group = group_column([*kinds.others, *kinds.numbers])
    taken = (title, group)
    numbers = _holdable([c for c in kinds.numbers if c.name not in taken and c.fill_rate >= _MIN_FILL_RATE])
    dates = _holdable(kinds.dates)
    words = [column for column in kinds.others if column.name not in taken]
    keywords, others = _partition(words, _is_keyword)
    keywords = _holdable(keywords)
    kinds.formats |= {column.name: list_notation(column) for column in keywords}
    texts = [column for column in others if column.name != available and _is_text(column)]
    texts.sort(key=_text_order)
    measures = [c for c in numbers if kinds.formats[c.name].unit]  # shoppers type "500 ml"
    searched = [c for c in words if c not in texts[:MAX_TEXTS] and c.name != available and has_words(c)]
    plan = FieldPlan(
        id=id_.name,
        title=title or id_.name,
        text=_names(texts, MAX_TEXTS),
        search=search_columns([*searched, *measures], keywords[:MAX_KEYWORDS], columns),
        images=best_images(kinds.images),
        numbers=_names(numbers, MAX_NUMBERS),
        keywords=_names(keywords, MAX_KEYWORDS),
        codes=_names([c for c in columns if c is not id_ and _is_code(c)], MAX_CODES),
        dates=_names(dates, MAX_DATES),
        language=kinds.language,
        language_field=language_field,
        group=group,
        available=available,
        created=first_named(dates, column_names.CREATED),
        price=current_price_column(numbers[:MAX_NUMBERS], kinds.formats),
        null=null,
    )
    return replace(plan, columns=_planned_formats(plan, kinds.formats))


def _kinds(columns: Columns) -> _Kinds:
    """Return the columns by the type of their values, with the notation of dates and numbers."""
    images, rest = _partition(columns, lambda column: column.is_image)
    parts = tuple(f"{column.name}." for column in images)  # of picture objects: position, width, id
    rest = [column for column in rest if not column.name.startswith(parts) or column.mean_words > 1]
    language = detected_language(rest).code
    formats: dict[str, ColumnFormat] = {}
    dates, rest = _noted(rest, formats, lambda column: date_notation(column, language))
    hints = notation_hints(rest, language)
    numbers, rest = _noted(rest, formats, lambda column: number_notation(column, hints))
    return _Kinds(images, dates, numbers, rest, language, formats)


def _planned_formats(plan: FieldPlan, formats: Mapping[str, ColumnFormat]) -> dict[str, ColumnFormat]:
    planned = {*plan.numbers, *plan.keywords, *plan.dates, plan.available, plan.created}
    return {name: notation for name, notation in stated(formats).items() if name in planned}


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


def _is_keyword(column: ColumnStatistics) -> bool:
    if column.fill_rate < _MIN_FILL_RATE or column.role_name in column_names.TEXTS:
        return False
    if all(isinstance(value, bool) for value in column.values):
        return True
    if column.role_name in column_names.TEXTS and column.mean_words >= _MIN_DESCRIPTION_WORDS:
        return False  # the description of a product repeats in the rows of its variants
    code = bool(CODE_NAME.search(column.name.lower())) and column.mean_words <= 2
    listed = column.separator is not None or column.role_name in column_names.LISTS
    column = column.parts()
    is_path = column.mostly(lambda value: isinstance(value, str) and bool(PATH.search(value)))
    longest = max(len(str(value)) for value in column.values)
    short = is_path or (column.mean_words <= _MAX_KEYWORD_WORDS and longest <= _MAX_KEYWORD_CHARACTERS)
    grouping = column.has_repeated_values or listed or is_path or column.role_name in column_names.KEYWORDS
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
    has_sentences = column.mean_words >= _MIN_TEXT_WORDS and column.share(_is_mostly_letters) >= MIN_AGREEMENT
    long = column.fill_rate >= _MIN_TEXT_FILL_RATE and has_sentences
    return column.is_text and (long or column.role_name in column_names.TEXTS)


def _is_mostly_letters(value: Any) -> bool:
    """Return whether a value has more letters than digits and signs: "10 x 20 x 5 in" has not."""
    text = str(value)
    return 2 * sum(map(str.isalpha, text)) > len(text) - text.count(" ")


def _text_order(column: ColumnStatistics) -> tuple[bool, float]:
    """Sort descriptions first, then columns with the most words, because the encoder truncates its input."""
    words = column.fill_rate * min(column.mean_words, _MAX_RANKED_WORDS)
    return column.role_name not in column_names.TEXTS, -words


def _partition(columns: Columns, fits: Callable[[ColumnStatistics], bool]) -> tuple[Columns, Columns]:
    """Return the columns that fit, and the others."""
    fitting: Columns = []
    others: Columns = []
    for column in columns:
        (fitting if fits(column) else others).append(column)
    return fitting, others


def _holdable(columns: Columns) -> Columns:
    """Return the columns that can be fields of an index together, the fullest first."""
    by_name = {column.name: column for column in columns}
    return [by_name[name] for name in holdable(sorted(by_name, key=lambda name: -by_name[name].fill_rate))]


def _names(columns: Columns, limit: int) -> tuple[str, ...]:
    return tuple(column.name for column in columns[:limit])
