"""What the engine's order takes from products without picture, learned from known items.

In the engine a product without picture scores nothing in the picture leg, and the leg keeps its weight. Known items say how
far down that pushes products which are what was asked for: the chance that the candidate at rank r is the wanted one is
modelled as proportional to r^-a, times e^b for one without picture (conditional logit, McFadden 1974). Such a candidate at
rank r is then as likely as another at rank r / e^(b/a), and e^(b/a) is its allowance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from opensearch.index.fields import IndexSchema
from opensearch.search.query import Page, Query, hybrid_body
from opensearch.search.retrieve import retrieve
from opensearch.tuning.known_items import KnownItem, known_items, read_texts
from rerank.arrays import BoolArray, DoubleArray
from rerank.features.groups import QueryVectors

if TYPE_CHECKING:
    from opensearch.client import OpenSearch
    from rerank.features.product_table import Catalogue

QUERIES = 800
MOST = 5.0  # of an allowance: few known items without picture must not turn the order upside down
_FEWEST = 30  # windows that hold what was asked for
_PRIOR = 1.0  # standard deviation of a and b before anything is seen

Embed = Callable[[Sequence[str]], Sequence[QueryVectors]]
Tell = Callable[[str, int, int], None]
Window = tuple[
    BoolArray, int
]  # which candidates have no picture, in engine order, and the place of the wanted one


def learn_allowance(
    client: OpenSearch, index: str, schema: IndexSchema, catalogue: Catalogue, embed: Embed, tell: Tell
) -> float:
    """Ask known items of the index and fit the allowance; 1 where all products have a picture, or none has.

    Raises WeightsError for a catalogue of which no queries can be made.
    """
    bare = {id_ for id_, there in zip(catalogue.ids, catalogue.has_image, strict=True) if not there}
    if "image" not in schema.vectors or not 0 < len(bare) < len(catalogue.ids):
        return 1.0
    items = known_items(read_texts(client, index, schema), QUERIES)
    return missing_image_correction(list(_windows(client, index, schema, items, bare, embed, tell)))


def missing_image_correction(windows: Sequence[Window]) -> float:
    """By how much the rank of a candidate without picture is divided, at least 1 and at most 5."""
    from scipy.optimize import minimize

    if len(windows) < _FEWEST:
        return 1.0

    def loss(parameters: DoubleArray) -> tuple[float, DoubleArray]:
        total = float(parameters @ parameters) / (2 * _PRIOR**2)
        slope = parameters / _PRIOR**2
        for bare, wanted in windows:
            known = np.column_stack([-np.log1p(np.arange(len(bare))), bare])  # (n, 2)
            scores = known @ parameters
            scores -= scores.max()
            chances = np.exp(scores)
            chances /= chances.sum()
            total -= float(np.log(chances[wanted]))
            slope = slope - (known[wanted] - chances @ known)
        return total, slope

    fall, gain = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B").x
    return float(np.clip(np.exp(gain / fall), 1.0, MOST)) if fall > 0 else 1.0


def _windows(
    client: OpenSearch,
    index: str,
    schema: IndexSchema,
    items: Sequence[KnownItem],
    bare: set[str],
    embed: Embed,
    tell: Tell,
) -> Iterator[Window]:
    vectors = embed([item.query for item in items])
    for number, (item, vector) in enumerate(zip(items, vectors, strict=True), start=1):
        body = hybrid_body(Query(item.query, vector), schema, page=Page(source=()))
        ids = [candidate.id for candidate in retrieve(client, index, body).candidates]
        tell("asking known items", number, len(items))
        if item.id in ids:
            yield np.array([id_ in bare for id_ in ids]), ids.index(item.id)
