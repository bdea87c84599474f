"""Judgments from a log: smoothed clicks over expected clicks of each query and product."""

from __future__ import annotations

from collections import Counter

import numpy as np

from rerank.arrays import id_hashes
from rerank.features.product_table import ProductTable
from rerank.training.log.events import Log, gains_of
from rerank.training.propensity import estimate_positions, impressions

from .as_of import Behaviour


def log_ratings(log: Log, min_searches: int) -> dict[str, dict[str, float]]:
    """Return query -> product -> rating, an average product having 1; of queries with so many searches, the frequent first.

    Every product counts that a search showed, whether the index still holds it or not.
    """
    ids = sorted({product for slate in log.slates for product in slate.shown})
    products = _ids_only(ids)
    positions = estimate_positions(impressions(log.slates, gains_of(log)))
    behaviour = Behaviour(log, products, np.zeros((len(ids), 0), np.float32), positions)
    by_key = behaviour.pair_ratings()
    counts = Counter(slate.query for slate in log.slates if slate.query.strip())
    ratings: dict[str, dict[str, float]] = {}
    done: set[int] = set()
    for query, count in counts.most_common():
        key = behaviour.query_key(query)
        if count >= min_searches and key in by_key and key not in done:  # spellings of one query share a key
            done.add(key)
            ratings[query] = {products.ids[row]: rating for row, rating in by_key[key].items()}
    return ratings


def _ids_only(ids: list[str]) -> ProductTable:
    hashes = id_hashes(ids)
    order = np.argsort(hashes)
    return ProductTable(
        ids=[ids[n] for n in order],
        hashes=hashes[order],
        vectors={},
        numbers=np.zeros((len(ids), 0)),
        codes=np.zeros((len(ids), 0), np.uint32),
        values=np.zeros((len(ids), 0, 1), np.uint32),
        created=np.full(len(ids), np.nan),
        number_names=(),
        keyword_names=(),
    )
