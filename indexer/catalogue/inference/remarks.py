"""What a user should know of a plan: a language that is a guess, and money that is not read as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from indexer.catalogue.notation.cells import abbreviated
from indexer.catalogue.notation.column_names import is_price_name
from indexer.catalogue.notation.languages import language_name
from indexer.catalogue.notation.number_columns import NotationHints, currencies_beside
from indexer.catalogue.notation.numerals import split_numeral, split_range
from opensearch.index.fields import FieldPlan

from .column_formats import number_notation
from .columns import ColumnStatistics, column_statistics, detected_language

_MIN_MONEY = 0.5  # the share of a column's cells that must look like money


def plan_remarks(plan: FieldPlan, rows: Sequence[Mapping[str, Any]], *, is_guess: bool) -> list[str]:
    """Return one sentence for each doubt about a plan; `is_guess`: its language was detected in the rows."""
    null = frozenset(word.strip().casefold() for word in plan.null or ())
    columns = [column for column in column_statistics(rows, null) if column.name != plan.id]
    language = detected_language([c for c in columns if not c.is_image]) if is_guess else None
    remarks = [_guess(language.code)] if language and not language.sure else []
    return [*remarks, *(remark for column in columns if (remark := _money(column, plan)))]


def _guess(language: str) -> str:
    return (
        f"the catalogue's texts are too few or too mixed to tell their language; {language_name(language)} is a guess: "
        f'write language = "{language}", or the code of the right one, into the field plan'
    )


def _money(column: ColumnStatistics, plan: FieldPlan) -> str | None:
    """Return the remark on a column that looks like money and is not among the numbers of the plan."""
    evidence = column.number_evidence
    if column.name in plan.numbers or not column.may_be_number:
        return None
    numbers = evidence.plain + evidence.numerals
    named = is_price_name(column.name)
    if number_notation(column, NotationHints(language=plan.language)) is not None:
        return None  # readable, and told among the columns that the plan does not use
    if numbers < _MIN_MONEY * evidence.values or not (named or evidence.currencies.total() >= numbers):
        return None
    return f"column {column.name} looks like money and is not read as numbers: {_reason(column)}"


def _reason(column: ColumnStatistics) -> str:
    texts = [value for value in column.values if isinstance(value, str)]
    currencies = Counter(codes[0] for text in texts if (codes := currencies_beside(text)))
    if len(currencies) > 1:
        counts = ", ".join(f"{code} {count}" for code, count in currencies.most_common(4))
        return (
            f"its cells are in several currencies ({counts}); give each currency a column of its own, or name the one to "
            f'read under [fields.columns] as currency = "{currencies.most_common(1)[0][0]}" and the column under numbers'
        )
    wordy = (text for text in texts if split_numeral(text) is None and split_range(text) is None)
    other = (text for text in texts if not currencies_beside(text) and not text.strip().isdigit())
    unread = next(chain(wordy, other), None)
    example = f" (such as {abbreviated(unread)})" if unread is not None else ""
    return (
        f"too many of its cells{example} are not numbers in the notation of the others; name the column under numbers "
        "and its decimal sign under [fields.columns], and the others are left out and counted"
    )
