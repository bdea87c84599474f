"""The correction of the engine's ranks of products without image, learned from known-item queries.

In the engine a product without image scores zero in the image sub-query, and the sub-query keeps its weight. Known-item
queries measure how far down that moves relevant products: the probability that the candidate at rank r is the known item
is modelled as proportional to r^-a, times e^b for a candidate without image (conditional logit, McFadden 1974). Such a
candidate at rank r is then as likely as another one at rank r / e^(b/a), and e^(b/a) is the correction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opensearch.index.spaces import IMAGE
from opensearch.search.query import Page, Query, hybrid_body
from opensearch.search.retrieve import retrieve
from opensearch.tuning.known_items import known_items, read_texts
from rerank.arrays import BoolArray, DoubleArray

from .artifacts import TrainingData
from .candidates import OnProgress
from .examples import Embed

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

QUERIES = 800
MAX_CORRECTION = 5.0  # a few known items without image must not reorder whole windows
_MIN_WINDOWS = 30  # that hold the known item
_PRIOR = 1.0  # standard deviation of a and b


@dataclass(frozen=True)
class KnownItemWindow:
    """The candidates (n,) of a known-item query in the engine's order, and the position of the known item."""

    without_image: BoolArray
    position: int


def learn_missing_image_correction(
    client: OpenSearch, data: TrainingData, embed: Embed, on_progress: OnProgress
) -> float:
    """Return the correction learned from known-item queries on the index; 1 where all products have an image, or none.

    Raises WeightsError for a catalogue that gives no queries.
    """
    products = data.products
    has_image = products.has.get(IMAGE)
    if has_image is None or has_image.all() or not has_image.any():
        return 1.0
    without = {id_ for id_, has in zip(products.ids, has_image, strict=True) if not has}
    return missing_image_correction(list(_windows(client, data, without, embed, on_progress)))


def missing_image_correction(windows: Sequence[KnownItemWindow]) -> float:
    """Return the divisor of the engine's rank of a candidate without image, at least 1 and at most 5."""
    from scipy.optimize import minimize

    if len(windows) < _MIN_WINDOWS:
        return 1.0

    def loss(parameters: DoubleArray) -> tuple[float, DoubleArray]:
        """Return the negative log posterior of (a, b) and its gradient."""
        total = float(parameters @ parameters) / (2 * _PRIOR**2)
        gradient = parameters / _PRIOR**2
        for window in windows:
            count = len(window.without_image)
            inputs = np.column_stack([-np.log1p(np.arange(count)), window.without_image])  # (n, 2)
            scores = inputs @ parameters
            scores -= scores.max()
            probability = np.exp(scores)
            probability /= probability.sum()
            total -= float(np.log(probability[window.position]))
            gradient = gradient - (inputs[window.position] - probability @ inputs)
        return total, gradient

    a, b = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B").x
    return float(np.clip(np.exp(b / a), 1.0, MAX_CORRECTION)) if a > 0 else 1.0


def _windows(
    client: OpenSearch, data: TrainingData, without_image: set[str], embed: Embed, on_progress: OnProgress
) -> Iterator[KnownItemWindow]:
    """Yield the windows of known-item queries that hold the known item."""
    items = known_items(read_texts(client, data.index, data.schema), QUERIES)
    vectors = embed([item.query for item in items])
    for number, (item, vector) in enumerate(zip(items, vectors, strict=True), start=1):
        body = hybrid_body(Query(item.query, vector), data.schema, page=Page(source=()))
        ids = [candidate.id for candidate in retrieve(client, data.index, body).candidates]
        on_progress("known-item queries", number, len(items))
        if item.id in ids:
            yield KnownItemWindow(np.array([id_ in without_image for id_ in ids]), ids.index(item.id))
