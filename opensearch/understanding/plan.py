"""From the words that a shopper typed to the query that is searched, with every change named. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from opensearch.index.fields import IndexSchema
from opensearch.search.lexical import Clause
from opensearch.search.query import Boost
from opensearch.search.query_text import clean_words

from .line import corrected_line

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

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
class Constraint:
    """A condition on a column that the shopper wrote in words: `under 50` is (`price`, `<=`, 50)."""

    column: str
    op: Literal["=", "<=", ">=", ".."]
    value: str | float | tuple[float, float]
    words: str


@dataclass(frozen=True)
class QueryPlan:
    """The words to search, the correction that made them, and the constraints found in them.

    `filters` and `boosts` are the engine's clauses of the constraints, according to the mode.
    """

    typed: str
    words: str
    corrected: Correction | None = None
    constraints: tuple[Constraint, ...] = ()
    filters: Sequence[Clause] = ()
    boosts: Sequence[Boost] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what the answer says of the plan."""
        return {
            "corrected": self.corrected.to_dict() if self.corrected else None,
            "constraints": [vars(constraint) for constraint in self.constraints],
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
    line = clean_words(words)
    if verbatim or vocabulary is None or not line:
        return QueryPlan(words, words)
    searched = corrected_line(line, vocabulary)
    if searched == line:
        return QueryPlan(words, words)
    return QueryPlan(words, searched, Correction(words, searched))
