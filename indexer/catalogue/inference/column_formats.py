"""The notation of columns, decided from a sample: numbers, dates and lists, and what a plan leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from indexer.catalogue.notation.column_names import (
    AVAILABLE,
    CATEGORY_LISTS,
    TITLES,
    is_date_name,
    is_price_name,
)
from indexer.catalogue.notation.dates import date_formats
from indexer.catalogue.notation.null_words import column_null_words, null_words
from indexer.catalogue.notation.number_columns import NotationHints, catalogue_decimal, number_format
from opensearch.index.fields import DEFAULT_FORMAT, ColumnFormat, FieldPlan

from .columns import MIN_AGREEMENT, ColumnStatistics, column_statistics, detected_language

# The share of a column that is called like a date; the other cells are left out and counted
_MIN_NAMED_AGREEMENT = 0.5
_MIN_STATED_AGREEMENT = 0.1  # of a column that a plan names under numbers or dates


def notation_hints(columns: Iterable[ColumnStatistics], language: str) -> NotationHints:
    """Return what the whole catalogue tells of the notation of its numbers."""
    return NotationHints(
        catalogue_decimal(column.number_evidence for column in columns if column.may_be_number), language
    )


def number_notation(
    column: ColumnStatistics, hints: NotationHints, agreement: float = MIN_AGREEMENT
) -> ColumnFormat | None:
    """Return the notation of a column of numbers; None when fewer cells than the share `agreement` have one."""
    if not column.may_be_number:
        return None
    if column.role_name in TITLES and column.number_evidence.numerals:
        return None  # "Bottle 5 l" has a number and is a name
    if column.role_name in CATEGORY_LISTS and column.separator:
        return None
    evidence = column.number_evidence
    measured = bool(evidence.currencies or evidence.units)
    own_words = measured or is_price_name(column.name) or column.normalized_name in AVAILABLE
    null = column_null_words(column.values, own_words=own_words)
    values = [value for value in column.values if not (isinstance(value, str) and value.strip() in null)]
    found = number_format(column.name, values, hints, agreement)
    return replace(found, null=null) if found else None


def date_notation(
    column: ColumnStatistics, language: str, agreement: float = MIN_AGREEMENT
) -> ColumnFormat | None:
    """Return the notation of a column of dates; None when fewer cells than the share `agreement` have one."""
    null = column_null_words(column.values, own_words=False)
    dates = replace(
        column, values=[v for v in column.values if not (isinstance(v, str) and v.strip() in null)]
    )
    if not dates.values:
        return None
    if dates.is_iso_date:
        return ColumnFormat(null=null)
    named = is_date_name(column.name)
    agreement = min(agreement, _MIN_NAMED_AGREEMENT) if named else agreement
    formats = date_formats(dates.values, named_date=named, language=language, agreement=agreement)
    return ColumnFormat(date_format=formats, null=null) if formats else None


def list_notation(column: ColumnStatistics) -> ColumnFormat:
    """Return the notation of a column of keywords."""
    return ColumnFormat(separator=column.separator)


def stated(formats: Mapping[str, ColumnFormat]) -> dict[str, ColumnFormat]:
    """Return the formats that differ from the default."""
    return {name: notation for name, notation in formats.items() if notation != DEFAULT_FORMAT}


def complete_plan(plan: FieldPlan, rows: Sequence[Mapping[str, Any]]) -> FieldPlan:
    """Return the plan with the language and the notation of columns that it does not state, decided from a sample."""
    null = null_words(rows, plan.id) if plan.null is None else plan.null
    columns = column_statistics(rows, frozenset(word.strip().casefold() for word in null))
    language = plan.language or detected_language([c for c in columns if not c.is_image]).code
    hints = notation_hints(columns, language)
    formats = {}
    for column in columns:
        notation = _notation(column, plan, hints)
        if notation and column.name not in plan.columns:
            formats[column.name] = notation
    return replace(plan, language=language, null=null, columns={**stated(formats), **plan.columns})


def _notation(column: ColumnStatistics, plan: FieldPlan, hints: NotationHints) -> ColumnFormat | None:
    """Return the notation of a column in the part of the plan that names it: that of most cells, if not of all."""
    if column.name in (*plan.dates, plan.created):
        return date_notation(column, hints.language, agreement=_MIN_STATED_AGREEMENT)
    if column.name in (*plan.numbers, plan.available):
        return number_notation(column, hints, agreement=_MIN_STATED_AGREEMENT)
    return list_notation(column) if column.name in plan.keywords else None
