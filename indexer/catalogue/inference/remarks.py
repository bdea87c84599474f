"""What a user should know of a plan: a language or a currency that is a guess, money and dates that are not read so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from indexer.catalogue.notation.cells import abbreviated
from indexer.catalogue.notation.column_names import is_date_name, is_price_name
from indexer.catalogue.notation.dates import date_pattern
from indexer.catalogue.notation.languages import language_name
from indexer.catalogue.notation.number_columns import NotationHints, ambiguous_currency, currencies_beside
from indexer.catalogue.notation.numerals import is_free, split_numeral, split_range
from opensearch.index.fields import FieldPlan

from .column_formats import number_notation
from .columns import ColumnStatistics, column_statistics, detected_language

_MIN_MONEY = 0.5  # the share of a column's cells that must look like money
_MIN_DATES = 0.2  # the share that must look like dates, of a column that is called so


def plan_remarks(plan: FieldPlan, rows: Sequence[Mapping[str, Any]], *, is_guess: bool) -> list[str]:
    """Return one sentence for each doubt about a plan; `is_guess`: its language was detected in the rows."""
    null = frozenset(word.strip().casefold() for word in plan.null or ())
    columns = [column for column in column_statistics(rows, null) if column.name != plan.id]
    language = detected_language([c for c in columns if not c.is_image]) if is_guess else None
    remarks = [_guess(language.code)] if language and not language.sure else []
    known = None if language and not language.sure else plan.language
    for column in columns:
        found = (_money(column, plan), _currency(column, plan, known), _dates(column, plan))
        remarks += [remark for remark in found if remark]
    return remarks


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
    numbers = evidence.numbers
    named = is_price_name(column.name)
    if number_notation(column, NotationHints(language=plan.language)) is not None:
        return None  # readable, and told among the columns that the plan does not use
    if numbers < _MIN_MONEY * evidence.values or not (named or evidence.currencies.total() >= numbers):
        return None
    return f"column {column.name} looks like money and is not read as numbers: {_reason(column)}"


def _currency(column: ColumnStatistics, plan: FieldPlan, language: str | None) -> str | None:
    """Return the remark on a currency that was chosen among several of one symbol; `language`: None where it is a guess."""
    chosen = plan.format_of(column.name).currency
    doubt = ambiguous_currency(column.name, column.number_evidence, language)
    if column.name not in plan.numbers or chosen is None or doubt is None or chosen not in doubt[1]:
        return None
    symbol, codes = doubt
    if symbol == "$" and (language or plan.language) == "en":
        return None
    others = [code for code in codes if code != chosen]
    return (
        f"column {column.name}: {symbol!r} is {chosen} here, but may also be {', '.join(others)}: if so, write "
        f'{_toml_key(column.name)} = {{currency = "{others[0]}"}} under [fields.columns]'
    )


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _dates(column: ColumnStatistics, plan: FieldPlan) -> str | None:
    """Return the remark on a column that is called like a date, holds some and is not among the dates of the plan."""
    if column.name in (*plan.dates, plan.created) or not is_date_name(column.name):
        return None
    share = column.share(lambda value: isinstance(value, str) and date_pattern(value) is not None)
    if share < _MIN_DATES:
        return None
    other = next((v for v in column.values if not isinstance(v, str) or date_pattern(v) is None), None)
    if other is None:
        return None
    return (
        f"column {column.name} looks like dates and is not read as such: too many of its cells (such as "
        f"{abbreviated(other)}) are in no common form; name the column under dates and its forms under [fields.columns] "
        'as date_format = ["%d.%m.%Y"], and the others are left out and counted'
    )


def _reason(column: ColumnStatistics) -> str:
    texts = [value for value in column.values if isinstance(value, str)]
    currencies = Counter(codes[0] for text in texts if (codes := currencies_beside(text)))
    if len(currencies) > 1:
        counts = ", ".join(f"{code} {count}" for code, count in currencies.most_common(4))
        return (
            f"its cells are in several currencies ({counts}); give each currency a column of its own, or name the one to "
            f'read under [fields.columns] as currency = "{currencies.most_common(1)[0][0]}" and the column under numbers'
        )
    texts = [text for text in texts if not is_free(text)]
    wordy = (text for text in texts if split_numeral(text) is None and split_range(text) is None)
    other = (text for text in texts if not currencies_beside(text) and not text.strip().isdigit())
    unread = next(chain(wordy, other), None)
    example = f" (such as {abbreviated(unread)})" if unread is not None else ""
    return (
        f"too many of its cells{example} are not numbers in the notation of the others; name the column under numbers "
        "and its decimal sign under [fields.columns], and the others are left out and counted"
    )
