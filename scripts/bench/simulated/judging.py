"""Orders judged by the hidden truth: the probability that the shopper, as he is at the end, clicks an examined product."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from opensearch.logs.profiles import Click
from rerank.arrays import DoubleArray, FloatArray
from rerank.features.named_values import agreement
from rerank.models.ranker import ArtifactRanker
from rerank.request import RerankRequest
from scripts.sample.queries import Query
from scripts.sample.query_intent import true_relevance
from scripts.sample.simulation import ATTRACTION, query_shares
from scripts.sample.tastes import Shopper, liking

from .shop import Shop

_DISCOUNTS = 1.0 / np.log2(np.arange(2, 12))


@dataclass(frozen=True)
class Search:
    """One search after the end of the log: the candidates in the engine's order, and their true gains (n,)."""

    shopper: Shopper
    query: str
    ids: Sequence[str]
    gains: DoubleArray
    relevance: DoubleArray  # (n,) the chance of a click by the mean shopper
    ideal: float  # discounted gain of the whole catalogue's best ten

    def ndcg(self, scores: FloatArray | DoubleArray) -> float:
        """Return nDCG@10 of the order by falling score (n,); equal scores keep the engine's order."""
        order = np.argsort(-scores, kind="stable")[:10]
        return float(_DISCOUNTS[: len(order)] @ self.gains[order]) / self.ideal


@dataclass(frozen=True)
class Searches:
    """The searches that orders are judged by."""

    shop: Shop
    searches: Sequence[Search]
    as_of: float

    def ndcg_of(self, scores: Sequence[FloatArray | DoubleArray]) -> DoubleArray:
        """Return nDCG@10 of each search (searches,) by the scores of its candidates."""
        return np.array([s.ndcg(values) for s, values in zip(self.searches, scores, strict=True)])

    def engine(self) -> DoubleArray:
        """Return nDCG@10 of the engine's order."""
        return self.ndcg_of([-np.arange(len(search.ids), dtype=np.float64) for search in self.searches])

    def oracle(self) -> DoubleArray:
        """Return nDCG@10 of the best order for each shopper."""
        return self.ndcg_of([search.gains for search in self.searches])

    def best_without_shopper(self) -> DoubleArray:
        """Return nDCG@10 of the best order that is the same for every shopper."""
        return self.ndcg_of([search.relevance for search in self.searches])

    def named_values(self) -> DoubleArray:
        """Return nDCG@10 by the keyword columns that agree with the query less those that do not; ties as the engine's."""
        products = self.shop.products
        scores = []
        for search in self.searches:
            rows = [products.row_of[i] for i in search.ids]
            values = agreement(products.values[rows], products.value_table.named_by(search.query))
            scores.append(values[:, :, 0].sum(axis=1) - values[:, :, 1].sum(axis=1, dtype=np.float64))
        return self.ndcg_of(scores)

    def ranked(self, ranker: ArtifactRanker, names: Mapping[str, tuple[str, Sequence[Click]]]) -> DoubleArray:
        """Return nDCG@10 by a ranker; `names` has name and clicks of each shopper who is known to it."""
        return self.ndcg_of([ranker.scores(self._request(search, names)) for search in self.searches])

    def _request(self, search: Search, names: Mapping[str, tuple[str, Sequence[Click]]]) -> RerankRequest:
        name, clicks = names.get(search.shopper.name, (None, ()))
        vectors = self.shop.queries[search.query]
        return RerankRequest(search.ids, search.query, vectors, clicks, self.as_of, name)


def draw_searches(
    shop: Shop,
    shoppers: Sequence[Shopper],
    everyone: Sequence[Shopper],
    pool: Sequence[Query],
    each: int,
    as_of: float,
) -> Searches:
    """Return `each` searches of every shopper, with the shopper's own queries; one without any answer is left out."""
    truth = _Truth(shop, everyone)
    searches = []
    for shopper in shoppers:
        rng = random.Random(f"judging:{shopper.name}")
        shares = query_shares(shopper, pool)
        for query in rng.choices(pool, weights=shares, k=each):
            ids = shop.orders[query.text]
            gains = truth.gains(query.text, shopper)
            ideal = float(_DISCOUNTS @ np.sort(gains)[::-1][:10])
            if ideal > 0 and len(ids) > 1:
                rows = [truth.rows[i] for i in ids]
                relevance = truth.mean_gains(query.text)[rows]
                searches.append(Search(shopper, query.text, ids, gains[rows], relevance, ideal))
    return Searches(shop, searches, as_of)


class _Truth:
    """The hidden gains of the whole catalogue."""

    def __init__(self, shop: Shop, everyone: Sequence[Shopper]) -> None:
        self._truths = list(shop.truths.values())
        self._everyone = everyone
        self.rows = {truth.id: row for row, truth in enumerate(self._truths)}
        self._likings: dict[str, DoubleArray] = {}
        self._relevance: dict[str, DoubleArray] = {}

    def gains(self, query: str, shopper: Shopper) -> DoubleArray:
        """Return the chance of a click on each product (N,) that the shopper examines."""
        return self._relevance_of(query) * self._liking_of(shopper)

    def mean_gains(self, query: str) -> DoubleArray:
        """Return the chance of a click by the mean shopper, (N,)."""
        return self._relevance_of(query) * self._mean

    @cached_property
    def _mean(self) -> DoubleArray:
        return np.asarray(np.mean([self._liking_of(shopper) for shopper in self._everyone], axis=0))

    def _relevance_of(self, query: str) -> DoubleArray:
        if query not in self._relevance:
            grades = [true_relevance(query, truth) for truth in self._truths]
            self._relevance[query] = np.array(ATTRACTION)[grades]
        return self._relevance[query]

    def _liking_of(self, shopper: Shopper) -> DoubleArray:
        if shopper.name not in self._likings:
            self._likings[shopper.name] = np.array([liking(shopper, truth) for truth in self._truths])
        return self._likings[shopper.name]
