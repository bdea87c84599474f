"""What matches a query: total, facets and hits against sets computed with numpy; nonsense matches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.rerank_index import create_rerank_index, delete_rerank_index, picture, products

from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.search.filters import parse_filters, parse_sort
from opensearch.search.matches import FOREIGN, PHOTO, all_counted, may_match, query_floors
from opensearch.tuning.floors import choose_floors, foreign_spaces
from opensearch.tuning.nonsense import foreign_nonsense, nonsense_queries, title_phrases
from rerank.answer import answer_to_dict
from rerank.search import search
from rerank.search_request import Search, SearchRequest, resolve
from rerank.serving_context import ServingContext, open_context
from vitrine.errors import WeightsError
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

FLOORS = {"text": 0.75, "image": 0.9, PHOTO: 0.95}
NONSENSE = "qwertyzxcv asdf"
PRODUCTS = {product["id"]: product for product in products()}


@pytest.fixture(scope="module")
def alias(engine: OpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    store = Store(str(tmp_path_factory.mktemp("store")))
    name, _ = create_rerank_index(engine, store)
    yield name, store
    delete_rerank_index(engine, name)


@pytest.fixture(scope="module")
def bare(engine: OpenSearch, alias: tuple[str, Store]) -> ServingContext:
    """Without floors: nothing was learned."""
    return open_context(engine, alias[1], alias[0])


@pytest.fixture(scope="module")
def context(bare: ServingContext) -> ServingContext:
    return replace(bare, schema=replace(bare.schema, floors=FLOORS))


def matching(context: ServingContext, words: str, floors: dict[str, float] | None = None) -> set[str]:
    """The products with one of the words, or with a vector as near as the floor of its space, by numpy."""
    query = context.encoders.vectors(words)
    floors = FLOORS if floors is None else floors
    found = set()
    for id_, product in PRODUCTS.items():
        images = [image["vec"] for image in product.get("images", ())]
        near = {
            "text": float(np.dot(query["text"], product["text_vec"])),
            "image": max((float(np.dot(query["image"], image)) for image in images), default=-1.0),
        }
        lexical = bool(set(words.split()) & set(product["title"].split()))
        if lexical or any(near[name] >= floors.get(name, 2.0) for name in near):
            found.add(id_)
    return found


@pytest.mark.live
@pytest.mark.parametrize("words", ["red shoes", "blue", "green qwertyzxcv"])
def test_total_facets_and_hits_are_the_matches(
    engine: OpenSearch, context: ServingContext, words: str
) -> None:
    expected = matching(context, words)
    assert 0 < len(expected) < len(PRODUCTS)
    answer = search(engine, context, Search(words, facets=["thing"]))
    assert {hit.id for hit in answer.hits} == expected
    assert (answer.retrieved.total, answer.retrieved.total_is_exact) == (len(expected), True)
    counts = {row["value"]: row["count"] for row in answer.retrieved.facets["thing"]["values"]}
    things = [PRODUCTS[id_]["keywords"]["thing"] for id_ in expected]
    assert counts == {thing: things.count(thing) for thing in set(things)}
    assert [hit.rank for hit in answer.hits] == list(range(1, len(expected) + 1))
    assert not answer.no_match
    assert answer.nearest == []


@pytest.mark.live
@pytest.mark.parametrize("sort", ["", "price"])
def test_nonsense_matches_nothing_and_the_nearest_products_stand_apart(
    engine: OpenSearch, context: ServingContext, sort: str
) -> None:
    plan = context.schema.plan
    clauses = parse_sort(sort, plan) if sort else ()
    for filters in ([], parse_filters(["price<40"], plan)):
        asked = Search(NONSENSE, facets=["thing"], sort=clauses, filters=filters)
        values = answer_to_dict(search(engine, context, asked), 1, 10)
        assert (values["total"], values["total_is_exact"], values["no_match"]) == (0, True, True)
        assert values["hits"] == []
        assert values["facets"]["thing"] == {"values": [], "other": 0}
        assert len(values["nearest"]) == 10


@pytest.mark.live
def test_a_sorted_search_takes_products_with_any_word_where_none_has_most(
    engine: OpenSearch, context: ServingContext
) -> None:
    sort = parse_sort("-price", context.schema.plan)
    answer = search(engine, context, Search("green qwertyzxcv", sort=sort))
    assert answer.retrieved.total == len(matching(context, "green qwertyzxcv"))
    prices = [hit.product["numbers"]["price"] for hit in answer.hits]
    assert prices == sorted(prices, reverse=True)


@pytest.mark.live
def test_a_request_sets_its_own_floor_or_none(engine: OpenSearch, context: ServingContext) -> None:
    low = search(engine, context, Search(NONSENSE, min_cosine=0.1))
    expected = matching(context, NONSENSE, {"text": 0.1, "image": 0.1})
    assert low.retrieved.total == len(expected) == len(low.hits) > 0
    off = search(engine, context, Search(NONSENSE, min_cosine=0))
    assert (off.no_match, len(off.hits)) == (False, len(PRODUCTS))
    high = search(engine, context, Search("red", min_cosine=0.9))
    assert {hit.id for hit in high.hits} == matching(context, "red", {"text": 0.9, "image": 0.9})


@pytest.mark.live
def test_without_floors_the_words_alone_decide(engine: OpenSearch, bare: ServingContext) -> None:
    nothing = search(engine, bare, Search(NONSENSE))
    assert (nothing.no_match, nothing.hits, len(nothing.nearest)) == (True, [], 10)
    some = search(engine, bare, Search("red"))
    assert some.retrieved.total == len(matching(bare, "red", {}))
    assert len(some.hits) == len(PRODUCTS)  # nothing judges the neighbours


@pytest.mark.live
def test_candidates_and_queries_without_words_are_as_they_were(
    engine: OpenSearch, context: ServingContext
) -> None:
    asked = search(engine, context, Search(NONSENSE, candidates=["p01", "p02"]))
    assert {hit.id for hit in asked.hits} == {"p01", "p02"}
    for words in ("", "!?"):
        assert search(engine, context, Search(words)).retrieved.total == len(PRODUCTS), words


@pytest.mark.live
def test_a_photo_of_something_else_matches_nothing(engine: OpenSearch, context: ServingContext) -> None:
    green = search(engine, context, Search(image=picture("green")))
    with_image = [p for p in PRODUCTS.values() if "images" in p]
    assert green.retrieved.total == sum(p["images"][0]["vec"][1] > 0.9 for p in with_image)
    strict = replace(context, schema=replace(context.schema, floors={PHOTO: 0.999}))
    filters = parse_filters(["price>=22"], context.schema.plan)  # no red product
    red = search(engine, strict, Search(image=picture("red"), filters=filters))
    assert (red.no_match, red.hits, len(red.nearest)) == (True, [], 10)
    # without a floor for photos nothing can be told
    assert search(
        engine, replace(context, schema=replace(context.schema, floors={})), Search(image=picture("red"))
    ).hits


@pytest.mark.live
def test_a_collapsed_answer_has_the_best_product_of_each_group(
    engine: OpenSearch, context: ServingContext
) -> None:
    # the products of a thing are variants; lamps belong to no group
    script = "if (ctx._source.keywords.thing != 'lamp') {ctx._source.group = ctx._source.keywords.thing}"
    engine.update_by_query(
        index=context.alias, body={"script": {"source": script}}, params={"refresh": "true"}
    )
    asked = Search("red shoes", facets=["thing"])
    every = search(engine, context, asked)
    answer = search(engine, context, replace(asked, collapse=True))
    thing = {hit.id: PRODUCTS[hit.id]["keywords"]["thing"] for hit in every.hits}
    first: dict[str, str] = {}
    for hit in every.hits:
        first.setdefault(hit.id if thing[hit.id] == "lamp" else thing[hit.id], hit.id)
    assert [hit.id for hit in answer.hits] == list(first.values())
    assert answer.retrieved.total == len(first)
    assert answer.retrieved.facets == every.retrieved.facets  # of products
    for hit in answer.hits:
        members = (
            [id_ for id_ in thing if thing[id_] == thing[hit.id]] if thing[hit.id] != "lamp" else [hit.id]
        )
        assert hit.variant_ids == members
        assert hit.variants == len(members)
    sort = parse_sort("price", context.schema.plan)
    prices = [
        hit.product["numbers"]["price"]
        for hit in search(engine, context, replace(asked, sort=sort, collapse=True)).hits
    ]
    assert prices == sorted(prices)


@pytest.mark.live
def test_a_run_holds_the_whole_window_of_a_query_that_something_matches(
    engine: OpenSearch, context: ServingContext
) -> None:
    strict = replace(context, schema=replace(context.schema, floors={"text": 1.0, "image": 1.0}))
    answer = search(engine, strict, Search("red lamp"))
    without = search(engine, strict, Search("red lamp", min_cosine=0))
    assert len(answer.hits) < len(without.hits) == len(PRODUCTS)
    assert answer.ranking() == without.ranking() == [hit.id for hit in without.hits]
    assert search(engine, strict, Search(NONSENSE)).ranking() == []


def test_a_collapsed_request_retrieves_a_longer_window() -> None:
    schema = IndexSchema(FieldPlan())
    assert resolve(SearchRequest(query="x", window=100, collapse=True), schema).window == 300
    assert resolve(SearchRequest(query="x", window=9_000, collapse=True), schema).window == 10_000


def test_a_hit_is_kept_unless_every_space_that_found_it_puts_it_below_its_floor() -> None:
    floors = {"text": 0.5}  # the engine's score of a cosine of 0.5 is 0.75
    assert may_match({"text": 0.75}, floors)
    assert not may_match({"text": 0.7499}, floors)
    assert may_match({"text": 0.1, "lexical": 0.01}, floors)
    assert may_match({"text": 0.1, "image": 0.1}, floors)  # the image space has no floor


def test_the_count_is_exact_when_the_nearest_products_end_below_the_floor() -> None:
    hits: list[dict[str, float]] = [{"text": 0.9}, {"text": 0.8}]
    assert all_counted(hits, {"text": 0.5}, size=3)  # fewer than were asked for
    assert not all_counted(hits, {"text": 0.5}, size=2)
    assert all_counted(hits, {"text": 0.7}, size=2)  # 0.8 is a cosine of 0.6


def test_the_floor_of_words_and_an_image_lets_the_image_match_alone() -> None:
    schema = IndexSchema(
        FieldPlan(), dict.fromkeys(("text", "image"), VectorField("a", "b", 8)), floors=FLOORS
    )
    assert query_floors(schema, "red", has_image=False) == {"text": 0.75, "image": 0.9}
    assert query_floors(schema, "", has_image=True) == {"text": 0.75, "image": 0.95}
    floors = query_floors(schema, "red", has_image=True)
    assert floors == {"text": 0.75, "image": pytest.approx(0.95 / 2**0.5)}
    words, image, product = np.eye(3)[0], np.eye(3)[1], np.array([0, 0.95, (1 - 0.95**2) ** 0.5])
    halfway = (words + image) / np.linalg.norm(words + image)
    assert halfway @ product == pytest.approx(floors["image"])
    assert query_floors(replace(schema, floors={}), "red", has_image=True) is None


def test_words_in_another_script_have_floors_of_their_own() -> None:
    floors = {"text": 0.8, FOREIGN + "text": 0.7}
    english = IndexSchema(FieldPlan(language="en"), {"text": VectorField("a", "b", 8)}, floors=floors)
    assert query_floors(english, "red shoes", has_image=False) == {"text": 0.8}
    assert query_floors(english, "红鞋", has_image=False) == {"text": 0.7}
    chinese = replace(english, plan=FieldPlan(language="zh"))
    assert query_floors(chinese, "红鞋", has_image=False) == {"text": 0.8}
    assert query_floors(chinese, "red shoes", has_image=False) == {"text": 0.7}
    assert all(word.isascii() for word in foreign_nonsense("zh", 20))
    assert not any(word.isascii() for word in foreign_nonsense("de", 20))


def test_foreign_words_match_only_where_the_encoder_knows_both_languages() -> None:
    english = VectorField("minilm", "texts", 8, languages=("en",))
    schema = IndexSchema(FieldPlan(language="zh"), {"text": english, "image": VectorField("e5", "texts", 8)})
    assert foreign_spaces(schema) == ["image"]
    both = replace(schema, vectors={"text": replace(english, languages=("en", "zh"))})
    assert foreign_spaces(both) == ["text"]
    assert foreign_spaces(replace(both, plan=FieldPlan(language="de"))) == []


def test_a_floor_lies_between_nonsense_and_the_queries_that_fit() -> None:
    nonsense, fitting = np.linspace(0.1, 0.3, 101), np.linspace(0.59, 0.99, 101)
    floor = choose_floors({"text": fitting}, {"text": nonsense})["text"]
    # a tenth of the way from 0.29, which 95 % of the nonsense stay below, to 0.61, which 95 % of the others reach
    assert floor.cosine == pytest.approx(0.29 + 0.1 * (0.61 - 0.29), abs=1e-4)
    assert (floor.kept, floor.rejected) == (1.0, 1.0)
    overlapping = choose_floors({"text": nonsense + 0.1}, {"text": nonsense})["text"]
    assert overlapping.cosine == pytest.approx(0.21, abs=1e-3)
    assert (overlapping.kept or 0) >= 0.95 > overlapping.rejected


def test_a_space_that_tells_nothing_apart_rejects_nonsense_and_leaves_the_fitting_to_the_others() -> None:
    noise, fitting = np.linspace(0.1, 0.3, 101), np.linspace(0.5, 0.9, 101)
    floors = choose_floors({"text": fitting, "image": noise}, {"text": noise, "image": noise})
    assert floors["text"].kept == 1.0
    assert floors["image"].rejected == pytest.approx(0.95, abs=0.01)
    with pytest.raises(WeightsError, match="at least 30"):
        choose_floors({"text": fitting[:5]}, {"text": noise})


def test_nonsense_has_no_word_of_the_titles_and_phrases_are_of_one_title() -> None:
    titles = [f"{colour} cotton dress {number} cm" for number, colour in enumerate(("red", "blue", "green"))]
    known = {word for title in titles for word in title.split()}
    nonsense = nonsense_queries(titles, 100)
    assert len(nonsense) == 100
    assert not {word for query in nonsense for word in query.split()} & known
    phrases = title_phrases(titles, 10)
    assert phrases
    assert all(any(phrase in title for title in titles) for phrase in phrases)
    assert title_phrases(["红色连衣裙夏季"], 1)[0] in "红色连衣裙夏季"
