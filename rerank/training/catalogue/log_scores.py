"""The ranker that a catalogue taught, scored on the slates of a log to compare it with rankers that learned from clicks."""

from __future__ import annotations

import numpy as np

from rerank.arrays import FloatArray
from rerank.features.groups import feature_names
from rerank.features.product_table import ProductTable
from rerank.features.words import ProductWords
from rerank.models.catalogue import CatalogueWeights, Signals, catalogue_scores
from rerank.training.examples import Examples, QueryTable

from .cosines import background_of, product_cosines


def catalogue_scores_of(
    examples: Examples,
    products: ProductTable,
    queries: QueryTable,
    words: ProductWords,
    weights: CatalogueWeights,
) -> FloatArray:
    """Return the scores (S, L) of S slates; -inf where padded."""
    background = background_of(products)
    column = feature_names(products.plan).index("rank")
    scores = np.full(examples.mask.shape, -np.inf, dtype=np.float32)
    for slate, mask in enumerate(examples.mask):
        rows, query = examples.items[slate][mask], int(examples.query[slate])
        # the feature is -log2(1 + rank) / 8
        ranks = np.rint(np.exp2(-8.0 * examples.x[slate][mask][:, column]) - 1).astype(np.int64)
        cosines = product_cosines(products, rows, queries.vectors(query), background)
        signals = Signals(words.coverage(rows, queries.texts[query]), ranks, cosines)
        scores[slate][mask] = catalogue_scores(signals, weights)
    return scores
