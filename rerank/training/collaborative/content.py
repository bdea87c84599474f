"""The content of products beside the interactions: profiles of shoppers, and neighbours of products without history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rerank.arrays import FloatArray, IndexArray, unit
from vitrine.errors import RerankError

from .interactions import Content, Interactions
from .similarity import unit_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_CONTENT_WEIGHT = 0.7  # of each kind of content in a shopper's profile, against one for the products
_BLOCK_VALUES = 16_000_000  # similarities held at once
# Products with the most interactions that others are compared with by content: more would cost minutes in a catalogue of
# a million products.
_MOST_COMPARED = 20_000


def shopper_profiles(interactions: Interactions) -> csr_matrix:
    """Return a row for each shopper: the products, the content of these products, and what is known of the shopper, (S, d).

    The counts of content are damped, log(1 + count), and rare content weighs more, log(1 + S / (1 + shoppers with it)).
    Raises RerankError without content.
    """
    from scipy.sparse import csr_matrix, diags, hstack

    matrix = interactions.matrix
    parts = [unit_rows(matrix)]
    for content in _require_content(interactions):
        counts = csr_matrix(matrix @ content)
        rarity = np.log(1.0 + matrix.shape[0] / (1.0 + counts.getnnz(axis=0)))
        parts.append(_CONTENT_WEIGHT * unit_rows(counts.sign().multiply(abs(counts).log1p()) @ diags(rarity)))
    parts += [_CONTENT_WEIGHT * unit_rows(known) for known in interactions.shoppers]
    return hstack(parts, format="csr")


def nearest_with_content(
    interactions: Interactions, behaviour: csr_matrix, count: int, threshold: float
) -> csr_matrix:
    """Return `behaviour` (N, N) with rows by content where a product has none.

    Such a row holds the `count` products with interactions whose content is most similar, by the mean cosine over the
    kinds of content. Raises RerankError without content.
    """
    from scipy.sparse import csr_matrix

    contents = [
        unit(content) if isinstance(content, np.ndarray) else unit_rows(content)
        for content in _require_content(interactions)
    ]
    shoppers = interactions.by_product.getnnz(axis=1)
    known = np.argsort(-shoppers, kind="stable")[: min(_MOST_COMPARED, int((shoppers > 0).sum()))]
    cold = np.flatnonzero(behaviour.getnnz(axis=1) == 0)
    if not len(known) or not len(cold):
        return behaviour
    step = max(1, _BLOCK_VALUES // len(known))
    rows, columns, values = [], [], []
    for start in range(0, len(cold), step):
        part = cold[start : start + step]
        block = np.mean([_cosines(content, part, known) for content in contents], axis=0)
        block[part[:, None] == known] = 0.0  # a product is not its own neighbour
        near = np.argsort(-block, axis=1, kind="stable")[:, :count]
        similarity = np.take_along_axis(block, near, axis=1)
        keep = similarity > max(threshold, 0.0)
        rows.append(np.broadcast_to(part[:, None], near.shape)[keep])
        columns.append(known[near][keep])
        values.append(similarity[keep])
    places = (np.concatenate(rows), np.concatenate(columns))
    return (behaviour + csr_matrix((np.concatenate(values), places), shape=behaviour.shape)).tocsr()


def _cosines(content: Content, part: IndexArray, known: IndexArray) -> FloatArray:
    """Return the dot products of rows `part` with rows `known`, (part, known)."""
    block = content[part] @ content[known].T
    return np.asarray(block if isinstance(block, np.ndarray) else block.toarray(), dtype=np.float32)


def _require_content(interactions: Interactions) -> tuple[Content, ...]:
    if not interactions.content:
        raise RerankError(
            "a hybrid method needs the content of the products, and there is none; use another method"
        )
    return interactions.content
