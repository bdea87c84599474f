"""The columns of single roles in a sample: id, title, group, price, availability."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from indexer.catalogue.notation import column_names
from indexer.catalogue.notation.cells import read_available
from opensearch.index.fields import DEFAULT_FORMAT, ColumnFormat
from vitrine.errors import CatalogueError

from .columns import MIN_AGREEMENT, ColumnStatistics

_MIN_FILL_RATE = 0.5  # of a title or price, and of an id that no other column is better for
_ID_ENDING = re.compile(r"(id|sku|code|key|asin|handle|slug|nummer|nr|number|编号|番号)$")
# Names of quantities, which may differ in every row of a small file and identify nothing.
_QUANTITY = re.compile(
    r"rating|review|count|number_?of|num_|rank|score|views|sold|sales|qty|quantit|stock|inventory|weight|width|height|"
    r"length|depth|position|bewertung|anzahl|bestand|menge|gewicht|nombre_de|quantité|cantidad|数量|库存|评分"
)


def first_named(
    columns: Sequence[ColumnStatistics],
    names: Sequence[str],
    fits: Callable[[ColumnStatistics], bool] = lambda column: True,
) -> str | None:
    """Return the first column that fits and has one of the normalized names, in the order of the names."""
    for name in names:
        for column in columns:
            if name in (column.normalized_name, column.role_name) and fits(column):
                return column.name
    return None


def id_column(columns: Sequence[ColumnStatistics], rows: int) -> ColumnStatistics:
    """Return the column of a known name, else one whose name ends like an id, else the first of short values.

    Raises CatalogueError when no column has a different value in nearly every row.
    """
    unique = [column for column in columns if _may_be_id(column, rows)]
    for name in column_names.IDS:
        for column in columns:
            if column.normalized_name == name and (column in unique or name == "id"):
                return column
    id_like = [column for column in unique if _ID_ENDING.search(column.name.lower())]
    short = [column for column in unique if column.mean_words <= 1.5 and not column.is_image]
    words = [column for column in short if any(isinstance(value, str) for value in column.values)]
    named = [
        c for name in column_names.IDS for c in columns if c.normalized_name == name and _mostly_id(c, rows)
    ]
    if candidates := [*id_like, *named, *words, *short]:
        return candidates[0]
    raise CatalogueError(
        "no column has a different value in every row and can be the id"
        f" (columns: {', '.join(column.name for column in columns[:20])});"
        ' write a field plan with [fields] id = "COLUMN" and pass it with --fields'
    )


def _may_be_id(column: ColumnStatistics, rows: int) -> bool:
    is_quantity = _QUANTITY.search(column.name.lower()) or column_names.is_price_name(column.name)
    return (
        column.filled_rows >= MIN_AGREEMENT * rows
        and column.distinct_values >= MIN_AGREEMENT * column.filled_rows
        and len(column.values) == column.filled_rows
        and all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in column.values)
        and not is_quantity
    )


def _mostly_id(column: ColumnStatistics, rows: int) -> bool:
    """Return whether the column identifies most rows; the others are rejected with their reason."""
    least = _MIN_FILL_RATE * rows
    return (
        column.filled_rows >= least
        and column.distinct_values >= least
        and len(column.values) == column.filled_rows
        and all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in column.values)
    )


def title_column(columns: Sequence[ColumnStatistics]) -> str | None:
    """Return the text column of a known name, else the one with the fewest words of at least two, else of one."""
    texts = [column for column in columns if column.is_text]
    if name := first_named(texts, column_names.TITLES):
        return name
    phrases = [
        column
        for column in texts
        if column.fill_rate >= _MIN_FILL_RATE and column.mean_words >= 2 and not column.has_repeated_values
    ]
    if phrases:
        return min(phrases, key=lambda column: column.mean_words).name
    words = (
        c for c in texts if c.fill_rate >= _MIN_FILL_RATE and not c.has_repeated_values and c.mostly(_is_word)
    )
    return next((column.name for column in words if not _ID_ENDING.search(column.name.lower())), None)


def _is_word(value: object) -> bool:
    return str(value).replace("-", "").replace("'", "").isalpha()


def group_column(columns: Sequence[ColumnStatistics]) -> str | None:
    """Return the column of a known name whose values repeat."""
    return first_named(
        columns, column_names.GROUPS, lambda column: column.distinct_values < len(column.values)
    )


def current_price_column(
    numbers: Sequence[ColumnStatistics], formats: Mapping[str, ColumnFormat]
) -> str | None:
    """Return the number column with what a product costs today: by its name, else by its currency."""
    filled = [column for column in numbers if column.fill_rate >= _MIN_FILL_RATE]
    if name := first_named(filled, column_names.PRICES):
        return name
    named = [column.name for column in numbers if column_names.is_price_name(column.name)]
    money = [column.name for column in filled if formats[column.name].currency]
    current = [name for name in (*named, *money) if not column_names.is_other_price_name(name)]
    return next(iter([*current, *named, *money]), None)


def available_column(columns: Sequence[ColumnStatistics], formats: Mapping[str, ColumnFormat]) -> str | None:
    """Return the column of a known name whose values say yes or no, or are a stock."""

    def fits(column: ColumnStatistics) -> bool:
        notation = formats.get(column.name, DEFAULT_FORMAT)
        return column.mostly_parses(lambda value, _: read_available(value, notation))

    return first_named(columns, column_names.AVAILABLE, fits)
