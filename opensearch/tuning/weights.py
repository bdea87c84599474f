"""Sub-query weights for queries of words: learned from the index's own products, and put into its pipelines.

Each known-item query is run against each sub-query alone; the weights are chosen by the reciprocal rank of the wanted
product after the engine's own fusion (min-max normalization of each sub-query, weighted arithmetic mean).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opensearch.hook.pipelines import put_weights
from opensearch.index.fields import IndexSchema
from opensearch.index.meta import set_floors, set_weights
from opensearch.index.spaces import LEXICAL, sub_queries
from opensearch.index.versions import read_schema, require_current
from opensearch.search.fusion import Weights, default_weights, schema_weights
from opensearch.search.query import Fusion, Page, Query, hybrid_body
from opensearch.search.retrieve import retrieve
from vitrine.errors import WeightsError

from .known_items import KnownItem, known_items, read_texts

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

QUERIES = 400
MIN_QUERIES = 30  # fewer known items decide nothing
_STEP = 0.05

Embed = Callable[[Sequence[str]], Sequence[Mapping[str, ArrayLike]]]  # texts -> vectors by space
OnProgress = Callable[[int, int], None]  # done, total


@dataclass(frozen=True)
class SubQueryScores:
    """The normalized scores (n, sub-queries) of one known-item query's hits, and the row of the wanted product."""

    scores: NDArray[np.float64]
    wanted: int | None  # None: no sub-query found it


_Pair = tuple[SubQueryScores, SubQueryScores]  # of the query with all its words, and of the reduced one


@dataclass(frozen=True)
class LearnedWeights:
    """The learned weights by sub-query, and the mean reciprocal rank (MRR) with them, by default and lexical alone."""

    weights: dict[str, float]
    queries: int
    mrr: float
    default_mrr: float
    lexical_mrr: float

    def to_dict(self) -> dict[str, Any]:
        """Return the weights and figures as JSON values."""
        return {
            "weights": self.weights,
            "queries": self.queries,
            "mrr": {"learned": self.mrr, "default": self.default_mrr, LEXICAL: self.lexical_mrr},
        }


def learn_weights(
    client: OpenSearch,
    index: str,
    schema: IndexSchema,
    embed: Embed,
    *,
    count: int = QUERIES,
    seconds: float | None = None,
    on_progress: OnProgress | None = None,
) -> LearnedWeights:
    """Learn the weights from `count` known-item queries made of the products of an index or alias; nothing is written.

    After `seconds` no further query runs, and the weights are learned from the answered ones.

    Every query runs in two forms. With all its words it favours the lexical sub-query, because the words are those of the
    product; without the words that a shopper would replace by others it favours the vectors, which are still made of all
    words. Each form gives weights, and the smaller change of the default weights is returned.

    Raises WeightsError when too few queries can be made or are answered.
    """
    items = known_items(read_texts(client, index, schema), count)
    if len(items) < MIN_QUERIES:
        raise WeightsError(
            f"queries can be made of {len(items)} products of {index} and at least {MIN_QUERIES} are needed: "
            "the weights stay as they are"
        )
    pairs = list(_in_time(_answers(client, index, schema, items, embed, on_progress), seconds))
    if len(pairs) < MIN_QUERIES:
        raise WeightsError(
            f"{index} answered {len(pairs)} known-item queries in {seconds:g} s and at least {MIN_QUERIES} are needed: "
            "the weights stay as they are; `vitrine weights learn` has no time limit"
        )
    default = index_default_weights(schema)
    full, reduced = ([pair[form] for pair in pairs] for form in (0, 1))
    weights = min(
        choose_weights(full, default), choose_weights(reduced, default), key=lambda w: _distance(w, default)
    )
    mrr, default_mrr, lexical_mrr = (
        float(reciprocal_ranks(full, _row(candidate)[None]).mean())
        for candidate in (weights, default, {LEXICAL: 1.0})
    )
    return LearnedWeights(weights, len(pairs), mrr, default_mrr, lexical_mrr)


def use_weights(
    client: OpenSearch, alias: str, weights: Weights | None, floors: Mapping[str, float] | None = None
) -> None:
    """Store weights and floors with the index in service, and set the weights in its pipelines.

    Weights None: the default ones. Floors None: those of the index stay.
    """
    index = require_current(client, alias)
    set_weights(client, index, weights)
    if floors is not None:
        set_floors(client, index, floors)
    put_weights(client, alias, weights or default_weights())


def restore_weights(client: OpenSearch, alias: str) -> None:
    """Set the stored weights of the index in service in its pipelines, which may have those of another version."""
    put_weights(client, alias, schema_weights(read_schema(client, alias)))


def index_default_weights(schema: IndexSchema) -> dict[str, float]:
    """Return the default weights of the sub-queries that the index has, divided by their sum."""
    weights = {
        name: weight
        for name, weight in default_weights().items()
        if name == LEXICAL or name in schema.vectors
    }
    total = sum(weights.values())
    return {name: weights.get(name, 0.0) / total for name in sub_queries()}


def scores_of(hits: Sequence[Mapping[str, float]], wanted: str) -> SubQueryScores:
    """Return the normalized scores of a query's hits; `hits` are raw scores by id, one mapping per sub-query."""
    ids = list(dict.fromkeys(id_ for sub_query in hits for id_ in sub_query))
    scores = np.zeros((len(ids), len(hits)))
    for column, sub_query in enumerate(hits):
        normalized = min_max(sub_query)
        scores[:, column] = [normalized.get(id_, 0.0) for id_ in ids]
    return SubQueryScores(scores, ids.index(wanted) if wanted in ids else None)


def min_max(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores of one sub-query in [0.001, 1] as the engine normalizes them; 1 if all are equal."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {id_: max((score - low) / (high - low), 0.001) for id_, score in scores.items()}


def reciprocal_ranks(answers: Iterable[SubQueryScores], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / rank of the wanted product (queries, w) under weights (w, sub-queries); 0 where it scores nothing.

    Ties count as half the tied places.
    """
    rows = []
    for answer in answers:
        if answer.wanted is None:
            rows.append(np.zeros(len(weights)))
            continue
        fused = answer.scores @ weights.T  # (n, w)
        own = fused[answer.wanted]
        above = (fused > own + 1e-12).sum(axis=0)
        tied = (np.abs(fused - own) <= 1e-12).sum(axis=0) - 1
        rows.append(np.where(own > 0, 1 / (1 + above + tied / 2), 0.0))
    return np.array(rows)


def choose_weights(answers: Sequence[SubQueryScores], default: Weights) -> dict[str, float]:
    """Return, of all weights as good as the best within one standard error, those nearest to the default.

    A catalogue therefore moves the weights only as far as its products show a gain, and a small one hardly at all. The
    rule of one standard error is from Breiman et al., Classification and Regression Trees (1984). Known-item queries
    reuse the products' own words and favour the lexical sub-query a little, one more reason for the rule. Sub-queries
    that weigh nothing by default get nothing.
    """
    if not answers:
        raise WeightsError("no known-item query was answered; check the index with `vitrine doctor`")
    grid = _grid(default)
    ranks = reciprocal_ranks(answers, grid)
    means = ranks.mean(axis=0)
    best = int(means.argmax())
    error = float(ranks[:, best].std()) / math.sqrt(len(answers))
    good = grid[means >= means[best] - error]
    chosen = good[np.abs(good - _row(default)).sum(axis=1).argmin()].round(3).tolist()
    return dict(zip(sub_queries(), chosen, strict=True))


def _row(weights: Weights) -> NDArray[np.float64]:
    """The weights as an array (sub-queries,)."""
    return np.array([weights.get(name, 0.0) for name in sub_queries()])


def _distance(one: Weights, other: Weights) -> float:
    return float(np.abs(_row(one) - _row(other)).sum())


def _grid(default: Weights) -> NDArray[np.float64]:
    """All weights (w, sub-queries) in steps of 0.05 that add up to one, and the default ones first."""
    weighed = [name for name in sub_queries() if default.get(name, 0.0) > 0]
    steps = round(1 / _STEP)
    places = steps + len(weighed) - 1  # the steps and, between the sub-queries, dividers
    rows = []
    for dividers in combinations(range(places), len(weighed) - 1):
        counts = (end - start - 1 for start, end in pairwise((-1, *dividers, places)))
        rows.append(_row(dict(zip(weighed, (count * _STEP for count in counts), strict=True))))
    return np.array([_row(default), *rows]).round(10)


def _in_time(answers: Iterator[_Pair], seconds: float | None) -> Iterator[_Pair]:
    started = time.monotonic()
    for answer in answers:
        yield answer
        if seconds is not None and time.monotonic() - started > seconds:
            return


def _answers(
    client: OpenSearch,
    index: str,
    schema: IndexSchema,
    items: Sequence[KnownItem],
    embed: Embed,
    on_progress: OnProgress | None,
) -> Iterator[_Pair]:
    """The scores of each query with all its words, and without those that the shopper would replace."""

    def scores(name: str, query: Query) -> dict[str, float]:
        if name != LEXICAL and name not in schema.vectors:
            return {}
        body = hybrid_body(query, schema, page=Page(source=()), fusion=Fusion(sub_queries=(name,)))
        candidates = retrieve(client, index, body).candidates
        return {c.id: c.sub_query_scores[name] for c in candidates if name in c.sub_query_scores}

    vectors = embed([item.query for item in items])
    for number, (item, item_vectors) in enumerate(zip(items, vectors, strict=True), start=1):
        query = Query(item.query, item_vectors)
        lexical, *rest = (scores(name, query) for name in sub_queries())
        shared = lexical if item.shared == item.query else scores(LEXICAL, Query(item.shared))
        if on_progress:
            on_progress(number, len(items))
        yield scores_of([lexical, *rest], item.id), scores_of([shared, *rest], item.id)
