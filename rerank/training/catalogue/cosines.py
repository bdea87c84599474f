"""The cosines of products and a query as the catalogue ranker reads them, from the table of products."""

from __future__ import annotations

from collections.abc import Mapping

from rerank.arrays import DoubleArray, FloatArray, IndexArray, half_to_float
from rerank.features.groups import QueryVectors
from rerank.features.product_table import ProductTable
from rerank.models.catalogue import background_rows, standard_scores


def background_of(products: ProductTable) -> dict[str, FloatArray]:
    """Return the vectors (m, d) by space that cosines are compared with."""
    return {
        space: half_to_float(vectors[background_rows(products.has[space])])
        for space, vectors in products.vectors.items()
    }


def product_cosines(
    products: ProductTable, rows: IndexArray, query: QueryVectors, background: Mapping[str, FloatArray]
) -> dict[str, DoubleArray]:
    """Return the standard scores (n,) of the cosines of some products by space."""
    vectors = {space: half_to_float(array[rows]) for space, array in products.vectors.items()}
    has = {space: mask[rows] for space, mask in products.has.items()}
    return standard_scores(vectors, has, query, background)
