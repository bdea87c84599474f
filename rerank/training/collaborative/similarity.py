"""Similarities of the rows of a sparse matrix, and each row's nearest others.

Formulas: Sarwar, Karypis, Konstan, Riedl, Item-based collaborative filtering recommendation algorithms (2001), section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Rows (b, M) and others (S, M) -> similarities (b, S), stored only for pairs that share a column.
Similarity = Callable[["csr_matrix", "csr_matrix"], "csr_matrix"]
_ROWS = 1024  # compared at once


def unit_rows(matrix: csr_matrix) -> csr_matrix:
    """Return the rows at length one; a row of zeros stays."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import norm

    return (diags(1.0 / np.maximum(norm(matrix, axis=1), 1e-12)) @ matrix).tocsr()


def cosine(rows: csr_matrix, others: csr_matrix) -> csr_matrix:
    """Return a·b / (|a| |b|)."""
    return unit_rows(rows) @ unit_rows(others).T.tocsr()


def jaccard(rows: csr_matrix, others: csr_matrix) -> csr_matrix:
    """Return |A ∩ B| / |A ∪ B| of the columns that the rows have."""
    shared = (rows != 0).astype(np.float32) @ (others != 0).astype(np.float32).T.tocsr()
    sizes, other_sizes = rows.getnnz(axis=1), others.getnnz(axis=1)
    union = np.repeat(sizes, np.diff(shared.indptr)) + other_sizes[shared.indices] - shared.data
    shared.data = shared.data / union
    return shared


def pearson(rows: csr_matrix, others: csr_matrix) -> csr_matrix:
    """Return the correlation of the rows over all M columns, a missing one being zero."""
    width = rows.shape[1]
    dot = (rows @ others.T.tocsr()).tocsr()
    means, deviations = _moments(rows)
    other_means, other_deviations = _moments(others)
    row = np.repeat(np.arange(rows.shape[0]), np.diff(dot.indptr))
    covariance = dot.data / width - means[row] * other_means[dot.indices]
    dot.data = covariance / np.maximum(deviations[row] * other_deviations[dot.indices], 1e-12)
    return dot


def shrunk(similarity: Similarity, prior: float) -> Similarity:
    """Return a similarity that is multiplied by n / (n + prior) for rows with n columns in common.

    Herlocker, Konstan, Riedl, An empirical analysis of design choices in neighborhood-based collaborative filtering
    (2002), section 5.2: the high similarity of rows that share one column is mostly chance.
    """
    if prior == 0:
        return similarity

    def compute(rows: csr_matrix, others: csr_matrix) -> csr_matrix:
        shared = (rows != 0).astype(np.float32) @ (others != 0).astype(np.float32).T.tocsr()
        shared.data = shared.data / (shared.data + np.float32(prior))
        return similarity(rows, others).multiply(shared).tocsr()

    return compute


def nearest_rows(
    matrix: csr_matrix, similarity: Similarity, count: int, threshold: float = 0.0
) -> csr_matrix:
    """Return the similarities (S, S) of each row to its `count` nearest others; those not above `threshold` are left out.

    Of equal similarities the lower column stays, so that the result does not depend on the library's order.
    """
    from scipy.sparse import vstack

    blocks = [
        _keep_nearest(similarity(matrix[start : start + _ROWS], matrix), start, count, threshold)
        for start in range(0, matrix.shape[0], _ROWS)
    ]
    return vstack(blocks, format="csr") if blocks else matrix @ matrix.T


def _keep_nearest(similarities: csr_matrix, start: int, count: int, threshold: float) -> csr_matrix:
    """Return a block's entries that are among the `count` highest of their row, without each row's similarity to itself."""
    from scipy.sparse import csr_matrix

    pairs = similarities.tocoo()
    rows, columns, values = pairs.row, pairs.col, pairs.data
    keep = (rows + start != columns) & (values > max(threshold, 0.0))
    rows, columns, values = rows[keep], columns[keep], values[keep]
    order = np.lexsort((columns, -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    first = np.searchsorted(rows, np.arange(similarities.shape[0]))  # of each row's entries
    near = np.arange(len(rows)) - first[rows] < count
    return csr_matrix((values[near], (rows[near], columns[near])), shape=similarities.shape)


def _moments(matrix: csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of each row over all columns."""
    width = matrix.shape[1]
    means = np.asarray(matrix.sum(axis=1)).ravel() / width
    squares = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel() / width
    return means, np.sqrt(np.maximum(squares - means**2, 0.0))
