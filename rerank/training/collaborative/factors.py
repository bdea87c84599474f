"""Factors of shoppers and products by alternating least squares on implicit feedback.

Hu, Koren, Volinsky, Collaborative filtering for implicit feedback datasets (2008); the library `implicit` fits them.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from rerank.arrays import FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_CONFIDENCE = 3.0  # of a weight of one, against one for no interaction
_REGULARISATION = 2.0
_ITERATIONS = 10


def fit_factors(matrix: csr_matrix, factors: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return factors of shoppers (S, f) and products (N, f) whose products approximate whether a pair interacts.

    The same matrix and seed give the same factors.
    """
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1, "blas"):
        warnings.simplefilter(
            "ignore"
        )  # implicit looks for a GPU, and for BLAS threads that the limit has ended
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=factors,
            regularization=_REGULARISATION,
            alpha=_CONFIDENCE,
            iterations=_ITERATIONS,
            num_threads=1,
            random_state=seed,
        )
        model.fit(matrix.astype(np.float32), show_progress=False)
    return np.asarray(model.user_factors, np.float32), np.asarray(model.item_factors, np.float32)
