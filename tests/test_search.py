"""A search from end to end on the live node: pages, permutation, images, shoppers, candidates, degradation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rerank_index import create_rerank_index, delete_rerank_index, picture, products, rrf_artifacts

from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.logs.profiles import SHOPPERS, Click, write_profiles
from opensearch.search.filters import parse_filters, parse_sort
from rerank.answer import Answer
from rerank.arrays import FloatArray
from rerank.models.ranker import load_ranker
from rerank.query_encoders import QueryEncoders
from rerank.request import RerankRequest
from rerank.rules.window import UNAVAILABLE
from rerank.search import rerank, search
from rerank.search_request import Search
from rerank.serving_context import ServingContext, open_context, open_ranker
from rerank.shoppers import read_history
from vitrine.errors import IndexMissingError, QueryError
from vitrine.store import ArtifactSet, Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

IDS = [product["id"] for product in products()]
COLOUR_OF = {f"p{place:02d}": ("red", "green", "blue", "black")[place // 12] for place in range(48)}


@dataclass(frozen=True)
class FixedRanker:
    """A ranker whose scores are given."""

    fixed: Sequence[float]
    artifacts = ArtifactSet("m", "i", "b")

    def inputs(self, request: RerankRequest) -> RerankRequest:
        return request

    def score(self, inputs: RerankRequest) -> FloatArray:
        return np.array(self.fixed, dtype=np.float32)

    def warm(self) -> None:
        pass


@given(st.lists(st.tuples(st.floats(-9, 9, width=32), st.booleans()), min_size=1, max_size=50))
def test_a_ranked_window_is_a_permutation_of_it(window: list[tuple[float, bool]]) -> None:
    schema = IndexSchema(FieldPlan())
    ids = [f"p{place}" for place in range(len(window))]
    sold_out = {product for product, (_, out) in zip(ids, window, strict=True) if out}
    ranker = FixedRanker([score for score, _ in window])
    context = ServingContext("shop", schema, QueryEncoders(schema, Store("/nowhere")), ranker)
    ranked = rerank(context, RerankRequest(ids, "x", unavailable=sold_out))
    assert ranked.degraded is None
    assert sorted(ranked.order) == list(range(len(ids)))
    assert ranked.scores == sorted(ranked.scores, reverse=True)
    assert set(ranked.rules) == sold_out


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def alias(engine: OpenSearch, store: Store) -> Iterator[str]:
    name, _ = create_rerank_index(engine, store)
    yield name
    delete_rerank_index(engine, name)


@pytest.fixture(scope="module")
def context(
    engine: OpenSearch, store: Store, alias: str, tmp_path_factory: pytest.TempPathFactory
) -> ServingContext:
    bare = open_context(engine, store, alias)
    names = ArtifactSet(**rrf_artifacts(store, bare.schema, tmp_path_factory.mktemp("model")))
    return replace(bare, ranker=load_ranker(store, names), degraded=None)


def ids_of(answer: Answer) -> list[str]:
    return [hit.id for hit in answer.hits]


@pytest.mark.live
def test_without_a_model_the_engine_order_is_returned_with_the_reason(
    engine: OpenSearch, store: Store, alias: str
) -> None:
    answer = search(engine, open_context(engine, store, alias), Search("red shoes"))
    assert answer.order == "engine"
    assert answer.degraded == f"no model for alias {alias} yet: run `vitrine train`"
    assert ids_of(answer)[0] == "p00"  # "red shoes" is its title
    in_stock = [hit.engine_rank for hit in answer.hits if hit.rule is None]
    sold_out = [hit.engine_rank for hit in answer.hits if hit.rule == UNAVAILABLE]
    assert (in_stock, sold_out) == (sorted(in_stock), sorted(sold_out))
    assert [hit.engine_rank for hit in answer.hits] == in_stock + sold_out


@pytest.mark.live
def test_reranking_permutes_the_window_and_names_its_artifacts(
    engine: OpenSearch, context: ServingContext
) -> None:
    plain = search(engine, context, Search("red shoes", order="engine"))
    ranked = search(engine, context, Search("red shoes"))
    assert plain.degraded is None
    assert ranked.order == "reranked"
    assert ranked.artifacts == context.ranker.artifacts if context.ranker else False
    assert sorted(ids_of(ranked)) == sorted(ids_of(plain))
    assert ids_of(ranked) != ids_of(plain)
    engine_ranks = {hit.id: hit.engine_rank for hit in ranked.hits}
    assert [engine_ranks[product] for product in ids_of(plain)] == list(range(1, len(plain.hits) + 1))


@pytest.mark.live
@pytest.mark.parametrize("order", ["engine", "reranked"])
def test_pages_neither_repeat_nor_lose_a_product(
    engine: OpenSearch, context: ServingContext, order: str
) -> None:
    request = Search("shoes", order="engine" if order == "engine" else "reranked")
    whole = search(engine, context, request)
    pages = [search(engine, context, request).page(number, 7) for number in range(1, 9)]
    assert [hit.id for page in pages for hit in page] == ids_of(whole)
    assert len(set(ids_of(whole))) == len(whole.hits)


@pytest.mark.live
def test_unavailable_products_come_last_with_the_rule_named(
    engine: OpenSearch, context: ServingContext
) -> None:
    answer = search(engine, context, Search("shoes"))
    ruled = [hit.rule is not None for hit in answer.hits]
    assert ruled == sorted(ruled)
    assert any(ruled)
    assert all((hit.rule == UNAVAILABLE) is (hit.product["available"] is False) for hit in answer.hits)


@pytest.mark.live
def test_an_image_finds_products_of_its_colour(engine: OpenSearch, context: ServingContext) -> None:
    answer = search(engine, context, Search(image=picture("green"), order="engine"))
    with_image = [product["id"] for product in products() if "images" in product]
    green = {product for product in with_image if COLOUR_OF[product] == "green"}
    assert set(ids_of(answer)[: len(green)]) == green
    assert set(ids_of(answer)) <= set(with_image)


@pytest.mark.live
def test_words_and_an_image_are_combined(engine: OpenSearch, context: ServingContext) -> None:
    answer = search(engine, context, Search("dress", picture("blue"), order="engine"))
    first = answer.hits[0]
    assert "dress" in first.product["title"]
    assert COLOUR_OF[first.id] == "blue"
    assert set(first.sub_query_scores) == {"lexical", "text", "image"}


@pytest.mark.live
def test_filters_facets_and_sort_columns_are_applied(engine: OpenSearch, context: ServingContext) -> None:
    plan = context.schema.plan
    answer = search(
        engine, context, Search("red", filters=parse_filters(["price<20"], plan), facets=["thing"])
    )
    assert answer.hits
    assert all(hit.product["numbers"]["price"] < 20 for hit in answer.hits)
    assert sum(row["count"] for row in answer.retrieved.facets["thing"]["values"]) == answer.retrieved.total
    dear = search(engine, context, Search("shoes", sort=parse_sort("-price", plan)))
    prices = [hit.product["numbers"]["price"] for hit in dear.hits]
    assert prices == sorted(prices, reverse=True)
    assert dear.order == "engine"


@pytest.mark.live
def test_candidates_are_all_ranked_and_nothing_else(engine: OpenSearch, context: ServingContext) -> None:
    wanted = ["p47", "no such", "p00", "p30", "p47"]
    for order in ("engine", "reranked"):
        request = Search("red shoes", order="engine" if order == "engine" else "reranked", candidates=wanted)
        answer = search(engine, context, request)
        assert sorted(ids_of(answer)) == ["no such", "p00", "p30", "p47"]
        assert ids_of(answer)[0] == "p00"
        assert [hit.id for hit in answer.hits if hit.engine_rank == 4] == ["no such"]


@pytest.mark.live
def test_a_chinese_query_uses_no_english_encoder(engine: OpenSearch, context: ServingContext) -> None:
    assert context.encoders.vectors("红色跑鞋") == {}
    assert search(engine, context, Search("红色跑鞋")).degraded is None


@pytest.mark.live
def test_clicks_are_read_oldest_first(engine: OpenSearch, alias: str) -> None:
    shopper = "0" * 32
    write_profiles(engine, alias, {shopper: [Click("p03", 20.0), Click("p01", 10.0)]})
    try:
        assert read_history(engine, alias, shopper) == (Click("p01", 10.0), Click("p03", 20.0))
        assert read_history(engine, alias, "f" * 32) == ()
    finally:
        engine.delete(index=SHOPPERS, id=f"{alias}:{shopper}")


@pytest.mark.live
def test_a_missing_index_is_reported_in_one_sentence(engine: OpenSearch, store: Store) -> None:
    with pytest.raises(IndexMissingError, match="there is no index 'srv-nothing'"):
        open_context(engine, store, "srv-nothing")


@pytest.mark.live
def test_a_model_for_other_vectors_is_refused_with_both_encoders_named(
    engine: OpenSearch, store: Store, context: ServingContext, tmp_path: Path
) -> None:
    pointer = ArtifactSet(**rrf_artifacts(store, context.schema, tmp_path))
    other = replace(
        context.schema, vectors={**context.schema.vectors, "text": VectorField("clip-9", "clip-9", 10)}
    )
    with pytest.raises(Exception, match=r"text vectors of the index are by clip-9, model .* of words-"):
        open_ranker(store, other, context.alias, pointer)


@pytest.mark.live
def test_an_image_query_on_an_index_without_image_vectors_is_refused(
    engine: OpenSearch, context: ServingContext, store: Store
) -> None:
    schema = replace(context.schema, vectors={"text": context.schema.vectors["text"]})
    bare = replace(context, schema=schema, encoders=QueryEncoders(schema, store))
    with pytest.raises(QueryError, match="no image vectors"):
        search(engine, bare, Search(image=picture("red")))
