"""What the report of a load says of columns: cells left out, null words, and columns that the plan does not use."""

from __future__ import annotations

from collections import Counter

from indexer.catalogue.unused_columns import REMEDIES
from indexer.load.report import LoadReport

_MAX_EXAMPLES = 8  # columns whose first dropped cell is quoted; further ones are named with their counts


def column_lines(report: LoadReport) -> list[str]:
    """Return the lines of the report, every column with its count."""
    return [*_dropped_lines(report), *_null_lines(report), *_unused_lines(report)]


def _dropped_lines(report: LoadReport) -> list[str]:
    columns = report.cells_dropped.most_common()
    lines = [
        f"column {column}: {count:,} cells left out ({report.dropped_cell_examples[column]})"
        for column, count in columns[:_MAX_EXAMPLES]
    ]
    if further := columns[_MAX_EXAMPLES:]:
        lines.append(f"cells left out of further columns: {_counts(Counter(dict(further)))}")
    return lines


def _null_lines(report: LoadReport) -> list[str]:
    if not report.cells_null:
        return []
    return [
        "cells with a word for an empty cell (`null` in the field plan), by column: "
        + _counts(report.cells_null)
    ]


def _unused_lines(report: LoadReport) -> list[str]:
    """Return one line for each reason: the columns with their filled cells, and the remedy."""
    columns: dict[str, Counter[str]] = {}
    for column, count in report.unused_columns.cells.most_common():
        columns.setdefault(report.unused_columns.reason(column), Counter())[column] = count
    lines = [
        f"columns that the field plan does not use, by filled cells ({reason}; {REMEDIES[reason]}): {_counts(counts)}"
        for reason, counts in columns.items()
    ]
    if lines:
        lines.append("a changed plan is passed with --fields PLAN --rebuild")
    return lines


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{column or repr(column)} {count:,}" for column, count in counts.most_common())
