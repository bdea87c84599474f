"""What shoppers did with products, as a sparse matrix, and the content of the products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rerank.arrays import IndexArray
from vitrine.errors import RerankError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


# Rows of one kind of content, such as categories or vectors: sparse counts, or dense.
Content: TypeAlias = "csr_matrix | npt.NDArray[np.float32]"


@dataclass(frozen=True)
class Interactions:
    """The interactions of S shoppers with N products.

    `matrix` (S, N) holds a positive weight for each pair, such as a count, and says who or what is similar. `recent` (S, N)
    is what scores add up, such as counts that decay with age; None: `matrix`. `content` describes the products, (N, ...)
    for each kind: a category, a brand, a vector space. `shoppers` is what is known of the shoppers beside their products,
    (S, ...) for each kind: the stores they visit, a segment.
    """

    matrix: csr_matrix
    content: tuple[Content, ...] = ()
    shoppers: tuple[csr_matrix, ...] = ()
    recent: csr_matrix | None = None

    @property
    def summed(self) -> csr_matrix:
        """The weights (S, N) that scores add up."""
        return self.matrix if self.recent is None else self.recent

    @property
    def by_product(self) -> csr_matrix:
        """The matrix with a row for each product, (N, S)."""
        return self.matrix.T.tocsr()


def count_interactions(
    shoppers: IndexArray,
    products: IndexArray,
    shape: tuple[int, int],
    weights: npt.NDArray[Any] | None = None,
    content: tuple[Content, ...] = (),
) -> Interactions:
    """Return the interactions of events, each a shopper's row and a product's row (events,); equal pairs are summed.

    Raises RerankError for rows outside `shape` (shoppers, products) and for weights that are not positive.
    """
    from scipy.sparse import csr_matrix

    values = np.ones(len(shoppers), np.float32) if weights is None else np.asarray(weights, np.float32)
    for name, rows, count in (("shopper", shoppers, shape[0]), ("product", products, shape[1])):
        if len(rows) and (rows.min() < 0 or rows.max() >= count):
            raise RerankError(
                f"a {name} has row {rows.max() if rows.max() >= count else rows.min()}, the matrix has "
                f"{count} rows of that kind; number them from zero"
            )
    if not (values > 0).all():
        raise RerankError("an interaction has a weight that is not positive; leave such events out")
    return Interactions(csr_matrix((values, (shoppers, products)), shape=shape), content)
