"""One window to rerank, and the window in its final order: the types that every way into the reranker shares."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from opensearch.logs.profiles import Click
from opensearch.understanding.plan import ConstraintMode
from rerank.features.groups import QueryVectors
from rerank.rules.query_rule import NO_RULES, AppliedRules
from vitrine.store import ArtifactSet

DEADLINE_MS = 150.0


@dataclass(frozen=True)
class RerankRequest:
    """The candidates of one window in the engine's order, and the query and shopper that they are ranked for.

    `vectors` holds the query's unit vector (d,) in each vector space where it has one; None: the index's query encoders
    make them of `query`. `shopper` is a keyed hash, `history` the shopper's clicks, oldest first. `unavailable` holds
    the ids of sold-out candidates, `exact_codes` of those with a code that the query names, and `broken` the exact
    constraints of the query that a candidate breaks, by id. `as_of` is the moment of the request in seconds since 1970,
    rounded to the minute. `rules` says what the shop's rules do in this search, `buried` names the rule that buries a
    candidate, and `created` holds since when new candidates are sold (seconds since 1970); both by id. `verbatim`:
    `query` is not corrected before it is read; `constraints`: what its constraints do.
    `explain` asks for the explanations of the window, which cost time.
    """

    ids: Sequence[str]
    query: str = ""
    vectors: QueryVectors | None = None
    history: Sequence[Click] = ()
    as_of: float = 0.0
    shopper: str | None = None
    unavailable: Collection[str] = ()
    exact_codes: Collection[str] = ()
    broken: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rules: AppliedRules = NO_RULES
    buried: Mapping[str, str] = field(default_factory=dict)
    created: Mapping[str, float] = field(default_factory=dict)
    deadline_ms: float = DEADLINE_MS
    verbatim: bool = False
    constraints: ConstraintMode = "boost"
    explain: bool = False


@dataclass(frozen=True)
class Explanation:
    """What a score is made of: score = base + the sum of `parts` + the sum of `rules`.

    `base` is what the engine's rank alone gives; None where no score is known. `parts` is what each signal adds: each
    vector space, numbers and behaviour. `rules` is what each business rule adds, by its name.
    """

    engine_rank: int  # from one
    base: float | None
    parts: dict[str, float] = field(default_factory=dict)
    rules: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RankedWindow:
    """A window of n candidates in its final order.

    `order` (n) holds positions in the engine's order. `scores` are aligned with `order` and never rise; they are empty
    when no ranker scored, and `degraded` then holds the reason unless the engine's order was requested. `rules` names
    the business rule that moved a product, by id. `request` is the request as the rules read it; None when the engine's
    order stands as it came. `unknown` counts the candidates that the ranker does not know: they keep their engine rank.
    `explanations` are by position in the engine's order, and empty unless they were requested.
    """

    order: list[int]
    scores: list[float] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    artifacts: ArtifactSet | None = None
    degraded: str | None = None
    request: RerankRequest | None = field(default=None, compare=False, repr=False)
    unknown: int = 0
    explanations: dict[int, Explanation] = field(default_factory=dict, repr=False)


def with_matched(request: RerankRequest, matched: Mapping[str, Sequence[str]]) -> RerankRequest:
    """Return the request with the constraints that each candidate breaks, and the rule that buries it.

    `matched` holds by product the names of the clauses that it matches: constraints, and those of `AppliedRules`.
    """
    rules = request.rules
    if not (rules.buried or rules.bury_clauses):
        return replace(request, broken=matched)
    buried = {product: rules.buried_by(product, matched.get(product, ())) for product in request.ids}
    broken = {
        product: [name for name in names if name not in rules.bury_clauses]
        for product, names in matched.items()
    }
    return replace(
        request,
        broken={product: names for product, names in broken.items() if names},
        buried={product: rule for product, rule in buried.items() if rule},
    )


def engine_order(count: int, reason: str | None = None) -> RankedWindow:
    """Return `count` candidates in the engine's order; `reason` says why they are not reranked as requested."""
    return RankedWindow(list(range(count)), degraded=reason)


def this_minute() -> float:
    """Return the time in seconds since 1970, rounded down to the minute so that all ways in use the same moment."""
    return time.time() // 60 * 60
