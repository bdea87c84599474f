"""From the words that a shopper typed to the query that is searched, with every change named. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .spelling import SpellingCorrector
from .vocabulary import WORD


@dataclass(frozen=True)
class Correction:
    """The query as typed and as searched."""

    typed: str
    searched: str

    def to_dict(self) -> dict[str, str]:
        return {"from": self.typed, "to": self.searched}


@dataclass(frozen=True)
class QueryPlan:
    """The words to search, and the correction that made them; None: the words stand as typed."""

    words: str
    corrected: Correction | None = None


def understand(
    words: str, corrector: SpellingCorrector | None = None, *, verbatim: bool = False
) -> QueryPlan:
    """Return the plan of a query's words; without a corrector, or `verbatim`, the words stand as typed."""
    if verbatim or corrector is None or not words:
        return QueryPlan(words)
    searched = " ".join(_corrected(token, corrector) for token in words.split())
    if searched == " ".join(words.split()):
        return QueryPlan(words)
    return QueryPlan(searched, Correction(words, searched))


def _corrected(token: str, corrector: SpellingCorrector) -> str:
    """The token with its misspelled words replaced; a token with a digit is a code, a size or a number and stays."""
    if any(sign.isdigit() for sign in token):
        return token
    pieces, end = [], 0
    for match in WORD.finditer(token):
        correction = corrector.correct(match[0].lower().replace("’", "'"))
        pieces += [token[end : match.start()], correction or match[0]]
        end = match.end()
    return "".join([*pieces, token[end:]])
