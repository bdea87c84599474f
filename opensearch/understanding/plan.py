"""From the words that a shopper typed to the query that is searched, with every change named. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from opensearch.index.fields import IndexSchema
from opensearch.search.lexical import Clause
from opensearch.search.query import Boost
from opensearch.search.query_text import clean_words
from opensearch.understanding.constraints.found import (
    Constraint,
    FoundConstraint,
    bounds_in,
    values_of,
)
from opensearch.understanding.constraints.misspelled import with_known_words
from opensearch.understanding.spelling.chinese import from_pinyin, in_own_script
from opensearch.understanding.spelling.line import corrected_line

if TYPE_CHECKING:
    from opensearch.understanding.vocabulary.artifact import Vocabulary

ConstraintMode = Literal["boost", "filter", "off"]


@dataclass(frozen=True)
class Correction:
    """The words as typed and as searched."""

    typed: str
    searched: str

    def to_dict(self) -> dict[str, str]:
        """Return the correction as the answer holds it."""
        return {"from": self.typed, "to": self.searched}


@dataclass(frozen=True)
class QueryPlan:
    """The words to search, the correction that made them, and the constraints found in them.

    `filters` and `boosts` are the engine's clauses of the constraints, according to the mode. `breaking` holds the clause
    of the products that break an exact constraint, by the constraint as text; empty unless constraints boost.
    """

    typed: str
    words: str
    corrected: Correction | None = None
    constraints: tuple[Constraint, ...] = ()
    filters: Sequence[Clause] = ()
    boosts: Sequence[Boost] = ()
    breaking: Mapping[str, Clause] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what the answer says of the plan."""
        return {
            "corrected": self.corrected.to_dict() if self.corrected else None,
            "constraints": [constraint.to_dict() for constraint in self.constraints],
        }


def understand(
    words: str,
    schema: IndexSchema,
    vocabulary: Vocabulary | None = None,
    *,
    verbatim: bool = False,
    constraints: ConstraintMode = "boost",
) -> QueryPlan:
    """Return the plan of a query's words; `verbatim`, or without a vocabulary, the words stand as typed."""
    typed = clean_words(words)
    if verbatim or vocabulary is None or not typed:
        return QueryPlan(words, words)
    line = in_own_script(typed, vocabulary)
    if constraints != "off":
        line = with_known_words(line, schema.plan, vocabulary)
    bounds = [] if constraints == "off" else list(bounds_in(line, schema.plan, vocabulary))
    # in boost mode a measure is still searched: the words of a product may hold it
    cut = [found for found in bounds if found.bound or constraints == "filter"]
    rest = _without(line, cut)
    searched = corrected_line(from_pinyin(rest, vocabulary), vocabulary)
    correction = None
    if searched != rest or line != typed:
        whole = " ".join([searched, *(found.constraint.words for found in cut)]).strip()
        correction = Correction(words, whole)
    elif not cut:
        searched = words
    values = [] if constraints == "off" else list(values_of(searched, schema.plan, vocabulary))
    found = _distinct([*bounds, *values])
    cut_values = values if constraints == "filter" else [value for value in values if value.bound]
    return QueryPlan(
        typed=words,
        words=_without(searched, cut_values),
        corrected=correction,
        constraints=tuple(one.constraint for one in found),
        filters=tuple(one.clause for one in found) if constraints == "filter" else (),
        boosts=_boosts(found, searched) if constraints == "boost" else (),
        breaking=_breaking(found) if constraints == "boost" else {},
    )


def _distinct(found: Sequence[FoundConstraint]) -> list[FoundConstraint]:
    """Return each condition once, as it is stated most exactly, where the words say it several times."""
    kept: dict[str, FoundConstraint] = {}
    for one in found:
        before = kept.get(str(one.constraint))
        if before is None or (one.exact, one.stated) > (before.exact, before.stated):
            kept[str(one.constraint)] = one
    return list(kept.values())


def _boosts(found: Sequence[FoundConstraint], words: str) -> tuple[Boost, ...]:
    """Return the boost of each constraint: a product that breaks a stated one has half the score of one that meets it.

    A value that the words hold anyway counts as one more of the matching words, also for products without any value.
    """
    share = 1 / max(len(words.split()), 1)
    return tuple(
        Boost(one.clause, 2.0, nearest=True) if one.stated else Boost(_or_unknown(one), 1 + share)
        for one in found
    )


def _breaking(found: Sequence[FoundConstraint]) -> dict[str, Clause]:
    return {str(one.constraint): one.breaking for one in found if one.exact}


def _or_unknown(one: FoundConstraint) -> Clause:
    """Return the clause of products that have the value, or no value in the column."""
    has_value = {"exists": {"field": one.field}}
    return {"bool": {"should": [one.clause, {"bool": {"must_not": [has_value]}}]}}


def _without(line: str, found: Sequence[FoundConstraint]) -> str:
    """Return the line without the words of the constraints."""
    for one in sorted(found, key=lambda one: -one.start):
        line = f"{line[: one.start]} {line[one.end :]}"
    return " ".join(line.split()) if found else line
