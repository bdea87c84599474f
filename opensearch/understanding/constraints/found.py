"""Conditions on columns that stand in a query's words: prices, measures and the values of keyword columns. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isinf
from typing import Any, Literal

from opensearch.index.fields import FieldPlan
from opensearch.search.filter_columns import price_column
from opensearch.understanding.vocabulary.artifact import Vocabulary
from opensearch.understanding.words import fold
from vitrine.notation.units import unit_factor

from .amounts import NumberContext, Range, ranges_in
from .column_names import names_column, names_number, unit_in_name
from .values import Value, values_in

Clause = dict[str, Any]
_TOLERANCE = 0.03  # a television of 40 inches is sold with 39.5 too


@dataclass(frozen=True)
class Constraint:
    """A condition on a column that the shopper wrote in words: `under 50` is (`price`, `<=`, 50)."""

    column: str
    op: Literal["=", "<=", ">=", ".."]
    value: str | float | tuple[float, float]
    words: str

    def __str__(self) -> str:
        if isinstance(self.value, tuple):
            return f"{self.column} {self.value[0]:g}..{self.value[1]:g}"
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return f"{self.column} {self.op} {value}"

    def to_dict(self) -> dict[str, Any]:
        """Return the constraint as the answer holds it."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"column": self.column, "op": self.op, "value": value, "words": self.words}


@dataclass(frozen=True)
class FoundConstraint:
    """A constraint at line[start:end], and its clause of the engine.

    `stated`: the words name the column, a unit or a bound, so they can hardly mean anything else. `bound`: the words
    are of no use for a search, because products do not hold them. `exact`: a bound or a named size, so a product with a
    value either meets it or does not; a colour is met more or less, 43 inch may do for `40 inch`, and what no product of
    the catalogue meets tells none from another.
    """

    constraint: Constraint
    clause: Clause
    start: int
    end: int
    stated: bool
    bound: bool = False
    exact: bool = False

    @property
    def field(self) -> str:
        """The field of the engine that the clause reads."""
        (condition,) = self.clause.values()
        return str(next(iter(condition)))

    @property
    def breaking(self) -> Clause:
        """The clause of the products that have a value in the column, and none that meets the constraint."""
        return {"bool": {"filter": [{"exists": {"field": self.field}}], "must_not": [self.clause]}}


def bounds_in(line: str, plan: FieldPlan, vocabulary: Vocabulary) -> Iterator[FoundConstraint]:
    """Yield the prices and measures of a line that number columns of the plan hold."""
    if not any(sign.isdigit() for sign in line):
        return
    context = NumberContext(
        lambda word: names_number(fold(word), plan), lambda a, b: _together(a, b, vocabulary)
    )
    for found in ranges_in(line, context):
        bare = found.unit is None and not found.currency
        named = _column_before(line, found.start, plan) if bare else None
        if bare and not named and _names_other_number(line, found.start, plan):
            continue
        if named:
            one = _number_constraint(replace(found, start=named[1]), named[0], 1.0, line)
            yield replace(one, exact=one.exact and vocabulary.may_hold(named[0], found.low, found.high))
        elif places := _number_columns(found, plan, vocabulary):
            column, factor = places[0]
            one = _number_constraint(found, column, factor, line)
            # `under 40 inch` may be the height where the first of several such columns holds the width
            reached = vocabulary.may_hold(column, found.low * factor, found.high * factor)
            yield replace(one, exact=one.exact and reached and len(places) == 1)


def values_of(line: str, plan: FieldPlan, vocabulary: Vocabulary) -> Iterator[FoundConstraint]:
    """Yield the values of keyword columns, and of named number columns, that a line holds."""
    for value in values_in(line, plan, vocabulary):
        one = value.values[0] if value.number is None else value.number
        constraint = Constraint(value.column, "=", one, line[value.start : value.end])
        of_number = value.number is not None  # products do not hold the words, other products hold the number
        reached = value.number is None or vocabulary.may_hold(value.column, value.number, value.number)
        place = (value.start, value.end)
        yield FoundConstraint(
            constraint, _value_clause(value), *place, value.named, of_number, _is_exact(value) and reached
        )


def _together(first: str, second: str, vocabulary: Vocabulary) -> bool:
    """Return whether titles hold both words."""
    a, b = vocabulary.id_of(fold(first)), vocabulary.id_of(fold(second))
    return a is not None and b is not None and vocabulary.pairs.count(a, b) > 0


def _column_before(line: str, end: int, plan: FieldPlan) -> tuple[str, int] | None:
    """Return the number column that the word before line[end] names, and the place of that word."""
    word = re.search(r"([^\W\d_]+)\s*:?\s*$", line[:end])
    if word is None:
        return None
    columns = (column for column in plan.numbers if names_column(fold(word[1]), column))
    return next(((column, word.start()) for column in columns), None)


def _names_other_number(line: str, end: int, plan: FieldPlan) -> bool:
    """Return whether the word before line[end] names a number other than the price, such as a rating."""
    word = re.search(r"([^\W\d_]+)\s*:?\s*$", line[:end])
    return word is not None and names_number(fold(word[1]), plan)


def _number_columns(found: Range, plan: FieldPlan, vocabulary: Vocabulary) -> list[tuple[str, float]]:
    """Return the columns that an amount may belong to, and the factor to the unit of each."""
    if found.unit is None:
        column = price_column(plan)
        currency = plan.format_of(column).currency
        fits = not (currency and found.currency) or currency in found.currency
        return [(column, 1.0)] if column and fits else []
    places = []
    for column in plan.numbers:
        unit = plan.format_of(column).unit or unit_in_name(column)
        if unit and not plan.format_of(column).currency and (factor := unit_factor(found.unit, unit)):
            low, high = found.low * factor * (1 - _TOLERANCE), found.high * factor * (1 + _TOLERANCE)
            if found.explicit or vocabulary.may_hold(column, low, high):  # no screen has 50 mm
                places.append((column, factor))
    return sorted(
        places, key=lambda place: place[1] != 1
    )  # a column in the unit of the query before the others


def _number_constraint(found: Range, column: str, factor: float, line: str) -> FoundConstraint:
    low, high = found.low * factor, found.high * factor
    words = line[found.start : found.end]
    limits: dict[str, float] = {}
    if not found.explicit:
        limits = {"gte": low * (1 - _TOLERANCE), "lte": high * (1 + _TOLERANCE)}
        constraint = Constraint(column, "=", _plain(low), words)
    elif low == -inf:
        limits = {"lte": high}
        constraint = Constraint(column, "<=", _plain(high), words)
    elif isinf(high):
        limits = {"gte": low}
        constraint = Constraint(column, ">=", _plain(low), words)
    else:
        limits = {"gte": low, "lte": high}
        constraint = Constraint(column, "..", (_plain(low), _plain(high)), words)
    clause = {"range": {f"numbers.{column}": limits}}
    place = (found.start, found.end)
    return FoundConstraint(
        constraint, clause, *place, stated=True, bound=found.explicit, exact=found.explicit
    )


def _is_exact(value: Value) -> bool:
    """Return whether a value is a size beside the name of its column."""
    return value.named and names_column("size", value.column)


def _value_clause(value: Value) -> Clause:
    if value.number is not None:
        return {"term": {f"numbers.{value.column}": value.number}}
    field, texts = f"keywords.{value.column}", list(value.values)
    return {"term": {field: texts[0]}} if len(texts) == 1 else {"terms": {field: texts}}


def _plain(number: float) -> float:
    """Return a number without the noise of a conversion."""
    return float(f"{number:.10g}")
