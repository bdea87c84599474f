"""The columns that are searched by their words and have no other role: single ones, and patterns of families."""

from __future__ import annotations

import re
from collections.abc import Sequence

from indexer.catalogue.notation.yes_no import is_yes_or_no

from .columns import MIN_AGREEMENT, ColumnStatistics

MAX_SINGLE = 64
_MIN_FAMILY = 8  # from so many attribute columns with one prefix on, a pattern stands for them


def has_words(column: ColumnStatistics) -> bool:
    """Return whether a shopper could type the column's values in a query."""
    return column.is_text and not column.mostly(is_yes_or_no)


def search_columns(
    columns: Sequence[ColumnStatistics],
    keywords: Sequence[ColumnStatistics],
    all_columns: Sequence[ColumnStatistics],
) -> tuple[str, ...]:
    """Return the columns of words that are searched besides the keywords: patterns of families, then single names.

    A family is the columns with one prefix. A pattern stands for it as soon as nearly all of them have words, so that
    columns too rare to appear in the sample are searched too.
    """
    names = {column.name for column in columns}
    patterns = _patterns(names, all_columns)
    single = [
        column.name
        for column in sorted(columns, key=lambda column: -column.fill_rate)
        if column not in keywords
        and "*" not in column.name
        and not any(column.name.startswith(pattern[:-1]) for pattern in patterns)
    ]
    return (*patterns, *single[:MAX_SINGLE])


def _patterns(names: set[str], all_columns: Sequence[ColumnStatistics]) -> list[str]:
    patterns: list[str] = []
    for prefix in sorted({prefix for name in names for prefix in _prefixes(name)}, key=len):
        family = [column for column in all_columns if column.name.startswith(prefix)]
        with_words = sum(1 for column in family if column.name in names or has_words(column))
        covered = any(prefix.startswith(pattern[:-1]) for pattern in patterns)
        if len(family) >= _MIN_FAMILY and with_words >= MIN_AGREEMENT * len(family) and not covered:
            patterns.append(f"{prefix}*")
    return patterns


def _prefixes(name: str) -> list[str]:
    return [name[: match.end()] for match in re.finditer(r"[_.\-:]", name) if match.end() < len(name)]
