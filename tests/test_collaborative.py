"""Collaborative filtering against similarities worked by hand, and its feature as of each moment of a log."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from support import training_log

from rerank.features.behaviour import BehaviourSnapshot, BehaviourSource, BehaviourTables, save_behaviour
from rerank.features.clicks import ShopperClicks
from rerank.features.neighbours import neighbour_scores
from rerank.features.scaler import fit_scaler
from rerank.training.collaborative.interactions import Interactions, count_interactions
from rerank.training.collaborative.neighbours import ITEM_METHODS, NEIGHBOURS, NeighbourSettings
from rerank.training.collaborative.similarity import cosine, jaccard, nearest_rows, pearson, shrunk
from rerank.training.collaborative.stream import NeighboursAsOf
from vitrine.errors import RerankError

# shoppers a to d, products 0 to 4; nobody has touched product 4, whose content is that of product 0
MATRIX = csr_matrix(
    np.array([[2, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 0, 0, 1, 0]], np.float32)
)
CONTENT = csr_matrix(np.array([[1, 0], [1, 1], [0, 1], [0, 1], [1, 0]], np.float32))
INTERACTIONS = Interactions(MATRIX, (CONTENT,))


def test_similarities_by_hand() -> None:
    a, b, d = MATRIX[0], MATRIX[1], MATRIX[3]
    assert cosine(a, b)[0, 0] == pytest.approx(3 / math.sqrt(5 * 2))
    assert jaccard(a, d)[0, 0] == pytest.approx(1 / 3)
    assert pearson(a, d)[0, 0] == pytest.approx(np.corrcoef(a.toarray()[0], d.toarray()[0])[0, 1])
    assert shrunk(cosine, 2.0)(a, b)[0, 0] == pytest.approx(3 / math.sqrt(10) * 2 / 4)


def test_the_nearest_rows_leave_out_the_row_itself_the_far_and_those_below_the_threshold() -> None:
    near = nearest_rows(MATRIX, cosine, count=1)
    assert near.nnz == 4
    assert near[0, 1] == pytest.approx(3 / math.sqrt(10))
    assert near[3, 0] == pytest.approx(2 / math.sqrt(10))  # 0.632 to shopper a, 0.5 to both others
    assert nearest_rows(MATRIX, cosine, count=3, threshold=0.7).nnz == 2  # a and b of each other


def test_the_documentation_names_every_method() -> None:
    page = (Path(__file__).parents[1] / "docs" / "reranking.md").read_text()
    assert [name for name in NEIGHBOURS if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_every_method_scores_what_a_similar_shopper_bought_above_the_rest(name: str) -> None:
    """Twenty shoppers of products 0 to 9, twenty of 10 to 19; each lacks one product of the own half."""
    bought = np.kron(np.eye(2), np.ones((20, 10))).astype(np.float32)
    rows = np.arange(40)
    missing = rows % 10 + 10 * (rows // 20)
    bought[rows, missing] = 0
    content = csr_matrix(np.kron(np.eye(2), np.ones((10, 1))).astype(np.float32))
    fitted = NEIGHBOURS[name].fit(
        Interactions(csr_matrix(bought), (content,)), NeighbourSettings(count=15, factors=4)
    )
    scores = fitted(rows)
    assert scores.shape == bought.shape
    other_half = np.kron(1 - np.eye(2), np.ones((20, 10))) > 0
    assert (scores[rows, missing][:, None] > np.where(other_half, scores, -np.inf)).all()


@pytest.mark.parametrize("name", ITEM_METHODS)
def test_the_neighbours_of_a_product_are_other_products(name: str) -> None:
    items = NEIGHBOURS[name].items
    assert items is not None
    near = items(INTERACTIONS, NeighbourSettings(count=2, factors=2))
    assert near.shape == (5, 5)
    assert not near.diagonal().any()
    assert near.getnnz(axis=1).max() <= 2


def test_a_product_without_history_has_neighbours_by_content_in_the_hybrid_alone() -> None:
    settings = NeighbourSettings(count=2)
    hybrid, plain = (NEIGHBOURS[name].items for name in ("item-hybrid", "item-cosine"))
    assert hybrid is not None
    assert plain is not None
    assert plain(INTERACTIONS, settings)[4].nnz == 0
    row = hybrid(INTERACTIONS, settings).toarray()[4]
    np.testing.assert_allclose(row, [1.0, 1 / math.sqrt(2), 0, 0, 0], atol=1e-6)
    with pytest.raises(RerankError, match="needs the content"):
        hybrid(Interactions(MATRIX), settings)


def test_rows_and_weights_that_fit_no_matrix_are_refused() -> None:
    one = np.array([0])
    with pytest.raises(RerankError, match="product has row 5, the matrix has 5 rows"):
        count_interactions(one, np.array([5]), (1, 5))
    with pytest.raises(RerankError, match="not positive"):
        count_interactions(one, one, (1, 1), np.array([0.0]))


def test_scores_of_candidates_by_hand() -> None:
    neighbours = np.array([[7, 8, 0], [8, 9, 0]], dtype=np.uint64)
    similarity = np.array([[0.5, 0.25, 0], [0.5, 0.125, 0]], dtype=np.float16)
    scores = neighbour_scores(np.array([8, 7, 3, 0], dtype=np.uint64), neighbours, similarity)
    np.testing.assert_allclose(scores, [math.log(1.75), math.log(1.5), 0, 0], rtol=1e-6)
    assert neighbour_scores(np.array([8], dtype=np.uint64), neighbours, similarity * 0).tolist() == [0.0]


def test_related_products_come_from_the_snapshot_with_the_most_similar_first(tmp_path: Path) -> None:
    products = training_log.products()
    row = products.row_of
    seen = [("a", "p1", 1.0), ("a", "p2", 2.0), ("a", "p3", 3.0), ("b", "p1", 4.0), ("b", "p2", 5.0)]
    clicks = ShopperClicks((shopper, row[product], at) for shopper, product, at in seen)
    numbers = fit_scaler(products.numbers).scale(products.numbers)
    source = BehaviourSource(products, numbers, clicks, neighbours=NeighboursAsOf(products, clicks))
    save_behaviour(source, BehaviourTables.empty(products, 9.0), {}, tmp_path)
    related = BehaviourSnapshot.open(tmp_path).related("p1")
    assert [product.id for product in related] == ["p2", "p3"]
    # two shared shoppers of two and two, shrunk by 2 / 4; one of two and one, by 1 / 3
    expected = [0.5, 1 / math.sqrt(2) / 3]
    np.testing.assert_allclose([product.similarity for product in related], expected, rtol=1e-3)
    assert BehaviourSnapshot.open(tmp_path).related("p9") == []
    assert BehaviourSnapshot.open(tmp_path).related("nobody") == []


def test_neighbours_are_those_of_the_last_moment_at_which_the_clicks_had_grown_by_a_tenth() -> None:
    products = training_log.products()
    clicks = ShopperClicks((f"s{n // 2}", n % 2 + 2 * (n // 50), float(n)) for n in range(120))
    as_of = NeighboursAsOf(products, clicks)
    first, later = as_of(150.0), as_of(np.inf)
    assert not as_of(98.0).similarity.any()  # 98 clicks before
    assert as_of(99.0).similarity[:4].any(axis=1).tolist() == [True, True, True, True]
    assert not as_of(109.9).similarity[4].any()  # the neighbours as of the hundredth click
    assert as_of(110.0).similarity[4].any()  # 111 clicks are a tenth more
    assert first.similarity[4].any()
    assert later.similarity[4, 0] > first.similarity[4, 0]


def test_a_method_without_neighbours_of_products_is_refused() -> None:
    with pytest.raises(RerankError, match="user-cosine compares no products; use one of item-cosine"):
        NeighboursAsOf(training_log.products(), ShopperClicks(), "user-cosine")
