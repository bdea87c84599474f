"""`NEIGHBOURS`: the methods of collaborative filtering, by name.

To add a method, add one function and one entry. The options of the commands, the documentation and the benchmark read the
keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rerank.arrays import FloatArray, IndexArray

from .content import nearest_with_content, shopper_profiles
from .factors import fit_factors
from .interactions import Interactions
from .similarity import Similarity, cosine, jaccard, nearest_rows, pearson, shrunk

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Rows of shoppers (n,) -> scores of all products (n, N), higher is better, 0 for a product that nothing speaks for.
Scorer = Callable[[IndexArray], FloatArray]


@dataclass(frozen=True)
class NeighbourSettings:
    """How many neighbours count, and from which similarity on.

    `shrinkage` is the prior of `shrunk`, 0 for none; `factors` is the length of a factor of ALS.
    """

    count: int = 100
    threshold: float = 0.0
    shrinkage: float = 0.0
    factors: int = 32
    seed: int = 7


@dataclass(frozen=True)
class NeighbourMethod:
    """A method: `fit` returns the scores of products for shoppers, `items` each product's nearest others (N, N).

    `items` is None where products are not compared. `uses_content`: the interactions need the content of the products.
    """

    description: str
    fit: Callable[[Interactions, NeighbourSettings], Scorer]
    items: Callable[[Interactions, NeighbourSettings], csr_matrix] | None = None
    uses_content: bool = False


def user_based(similarity: Similarity, interactions: Interactions, settings: NeighbourSettings) -> Scorer:
    """Score a product by the mean of the similar shoppers' weights for it, weighed by similarity."""
    return _from_shoppers(interactions, interactions.matrix, similarity, settings)


def user_hybrid(interactions: Interactions, settings: NeighbourSettings) -> Scorer:
    """Score as `user_based`; shoppers are similar who interacted with the same products or with similar content."""
    return _from_shoppers(interactions, shopper_profiles(interactions), cosine, settings)


def item_neighbours(
    similarity: Similarity, interactions: Interactions, settings: NeighbourSettings
) -> csr_matrix:
    """Return the products that the same shoppers interacted with, (N, N)."""
    return _nearest(interactions.by_product, similarity, settings)


def item_hybrid_neighbours(interactions: Interactions, settings: NeighbourSettings) -> csr_matrix:
    """Return `item_neighbours`, and the products with the most similar content for a product without interactions."""
    behaviour = item_neighbours(cosine, interactions, settings)
    return nearest_with_content(interactions, behaviour, settings.count, settings.threshold)


def item_based(
    items: Callable[[Interactions, NeighbourSettings], csr_matrix],
    interactions: Interactions,
    settings: NeighbourSettings,
) -> Scorer:
    """Score a product by the sum of its similarities to the shopper's products, weighed by the shopper's weights."""
    near = items(interactions, settings)
    return lambda shoppers: _dense(interactions.summed[shoppers] @ near)


def als(interactions: Interactions, settings: NeighbourSettings) -> Scorer:
    """Score a product by the product of factors, fitted by alternating least squares."""
    shoppers, products = fit_factors(interactions.matrix, settings.factors, settings.seed)
    return lambda rows: shoppers[rows] @ products.T


def als_neighbours(interactions: Interactions, settings: NeighbourSettings) -> csr_matrix:
    """Return the products whose factors have the highest cosines, (N, N)."""
    from scipy.sparse import csr_matrix

    _, products = fit_factors(interactions.matrix, settings.factors, settings.seed)
    return _nearest(csr_matrix(products), cosine, replace(settings, shrinkage=0.0))


def _from_shoppers(
    interactions: Interactions, profiles: csr_matrix, similarity: Similarity, settings: NeighbourSettings
) -> Scorer:
    near = _nearest(profiles, similarity, settings)
    total = np.maximum(np.asarray(near.sum(axis=1)), np.float32(1e-9))  # (S, 1)
    return lambda shoppers: _dense(near[shoppers] @ interactions.summed) / total[shoppers].astype(np.float32)


def _nearest(rows: csr_matrix, similarity: Similarity, settings: NeighbourSettings) -> csr_matrix:
    return nearest_rows(rows, shrunk(similarity, settings.shrinkage), settings.count, settings.threshold)


def _dense(matrix: csr_matrix) -> FloatArray:
    return np.asarray(matrix.toarray(), dtype=np.float32)


def _item_method(
    description: str, items: Callable[[Interactions, NeighbourSettings], csr_matrix]
) -> NeighbourMethod:
    return NeighbourMethod(description, partial(item_based, items), items)


NEIGHBOURS: dict[str, NeighbourMethod] = {
    "user-cosine": NeighbourMethod("shoppers with a high cosine", partial(user_based, cosine)),
    "user-pearson": NeighbourMethod("shoppers with a high correlation", partial(user_based, pearson)),
    "user-hybrid": NeighbourMethod(
        "shoppers of the same products and the same content", user_hybrid, uses_content=True
    ),
    "item-cosine": _item_method("products of the same shoppers, by cosine", partial(item_neighbours, cosine)),
    "item-jaccard": _item_method(
        "products of the same shoppers, by the share that they have in common",
        partial(item_neighbours, jaccard),
    ),
    "item-hybrid": NeighbourMethod(
        "as item-cosine; a product without interactions by its content",
        partial(item_based, item_hybrid_neighbours),
        item_hybrid_neighbours,
        uses_content=True,
    ),
    "als": NeighbourMethod("factors fitted by alternating least squares", als, als_neighbours),
}
ITEM_METHODS = tuple(name for name, method in NEIGHBOURS.items() if method.items is not None)
DEFAULT_METHOD = "item-cosine"
