"""Searches on the live node: what each sub-query finds, filters, facets, sort, pages, and hostile words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.search_index import CHINESE, COLOURS, IMAGES, PLAN, SCHEMA, TEXTS, products, search_index

from opensearch.index.spaces import sub_queries
from opensearch.search.filters import ids_filter, parse_filters, parse_sort
from opensearch.search.fusion import FUSIONS, shares
from opensearch.search.query import Boost, Fusion, Page, Query, hybrid_body
from opensearch.search.retrieve import Candidate, Retrieved, parse, retrieve
from rerank.search_request import SearchRequest, decode_request, resolve
from vitrine.errors import EngineError, IndexMissingError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

PRODUCTS = list(products())


@pytest.fixture(scope="module")
def alias(engine: OpenSearch) -> Iterator[str]:
    with search_index(engine) as name:
        yield name


def find(
    engine: OpenSearch,
    alias: str,
    query: Query,
    *,
    window: int = 200,
    page: Page | None = None,
    fusion: Fusion | None = None,
) -> Retrieved:
    body = hybrid_body(query, SCHEMA, window=window, page=page or Page(), fusion=fusion or Fusion())
    return retrieve(engine, alias, body)


def ids(retrieved: Retrieved) -> list[str]:
    return [candidate.id for candidate in retrieved.candidates]


def only(*names: str) -> Fusion:
    return Fusion(sub_queries=names)


def test_an_answer_is_parsed_whole() -> None:
    answer = {
        "took": 7,
        "timed_out": False,
        "_shards": {"failed": 1},
        "profile": {"shards": []},
        "hits": {
            "total": {"value": 10_000, "relation": "gte"},
            "hits": [{"_id": "a", "_score": 0.5, "_source": {"id": "a"}, "matched_queries": {"lexical": 2}}],
        },
    }
    assert parse(answer) == Retrieved(
        [Candidate("a", 0.5, {"lexical": 2.0}, {"id": "a"})], 10_000, {}, 7, False, True, True
    )


def test_an_answer_that_was_not_fused_is_refused() -> None:
    hits = [{"_id": "a", "_score": -9.5e9}]
    with pytest.raises(EngineError, match="without fusing"):
        parse({"hits": {"hits": hits}})


@pytest.mark.live
def test_each_sub_query_finds_its_own_products(engine: OpenSearch, alias: str) -> None:
    query = Query("blue shirt", {"text": TEXTS[7], "image": IMAGES[11, 1]})
    alone = {name: find(engine, alias, query, fusion=only(name)).candidates for name in sub_queries()}
    assert {candidate.source["title"].split()[0] for candidate in alone["lexical"][:5]} == {"blue"}
    assert alone["text"][0].id == "p07"
    assert alone["image"][0].id == "p11"  # by its second image
    assert alone["image"][0].sub_query_scores == {"image": pytest.approx(1.0, abs=1e-5)}
    together = find(engine, alias, query)
    assert set(ids(together)) == {candidate.id for hits in alone.values() for candidate in hits}
    assert len(ids(together)) == len(set(ids(together)))
    best = next(candidate for candidate in together.candidates if candidate.id == "p07")
    assert best.sub_query_scores["text"] == pytest.approx(1.0, abs=1e-5)


WEIGHTS = [(1, 1, 1), (0.1, 0.2, 0.7), (1e-9, 3, 5), (7, 0, 0), (0.7, 0.2, 0.1)]
RED_SHOES = Query("red shoes", {"text": TEXTS[3], "image": IMAGES[4, 0]})


@pytest.mark.live
@pytest.mark.parametrize("values", WEIGHTS)
def test_min_max_fusion_is_the_weighted_mean_of_scaled_scores(
    engine: OpenSearch, alias: str, values: tuple[float, ...]
) -> None:
    """The engine's min-max normalization and arithmetic mean, recomputed from the sub-queries' raw scores."""
    weights = dict(zip(sub_queries(), values, strict=True))
    candidates = find(engine, alias, RED_SHOES, fusion=Fusion(weights=weights)).candidates
    total = np.zeros(len(candidates))
    for name, share in zip(sub_queries(), shares(weights), strict=True):
        raw = np.array([candidate.sub_query_scores.get(name, np.nan) for candidate in candidates])
        if share:
            scaled = (raw - np.nanmin(raw)) / (np.nanmax(raw) - np.nanmin(raw))
            total += share * np.nan_to_num(np.maximum(scaled, 0.001))
    assert [candidate.score for candidate in candidates] == pytest.approx(total.tolist(), abs=1e-4)
    assert sorted(total, reverse=True) == pytest.approx(total.tolist(), abs=1e-4)
    used = {name for candidate in candidates for name in candidate.sub_query_scores}
    assert used == {name for name, weight in weights.items() if weight}


@pytest.mark.live
@pytest.mark.parametrize("values", WEIGHTS)
def test_rank_fusion_adds_weighted_reciprocal_ranks(
    engine: OpenSearch, alias: str, values: tuple[float, ...]
) -> None:
    """Cormack, Clarke and Büttcher 2009, with k = 60; ranks from one."""
    weights = dict(zip(sub_queries(), values, strict=True))
    retrieved = find(engine, alias, RED_SHOES, fusion=Fusion("rrf", weights))
    # equal scores share their ranks in an order of the engine's own
    low, high = defaultdict[str, float](float), defaultdict[str, float](float)
    for name, share in zip(sub_queries(), shares(weights), strict=True):
        if share:
            alone = find(engine, alias, RED_SHOES, fusion=only(name)).candidates
            scores = [candidate.sub_query_scores[name] for candidate in alone]
            for candidate, score in zip(alone, scores, strict=True):
                first = 1 + scores.index(score)
                low[candidate.id] += share / (60 + first + scores.count(score) - 1)
                high[candidate.id] += share / (60 + first)
    assert set(low) == set(ids(retrieved))
    for candidate in retrieved.candidates:
        assert low[candidate.id] - 1e-6 <= candidate.score <= high[candidate.id] + 1e-6


@pytest.mark.live
def test_rank_fusion_by_hand(engine: OpenSearch, alias: str) -> None:
    query = Query(None, {"text": TEXTS[3], "image": IMAGES[4, 0]}, language="en")
    weights = {"lexical": 0.2, "text": 0.5, "image": 0.3}
    candidates = find(engine, alias, query, fusion=Fusion("rrf", weights)).candidates
    text = ids(find(engine, alias, query, fusion=only("text")))
    image = ids(find(engine, alias, query, fusion=only("image")))
    for candidate in candidates:
        expected = 0.5 / (61 + text.index(candidate.id))
        if candidate.id in image:
            expected += 0.3 / (61 + image.index(candidate.id))
        assert candidate.score == pytest.approx(expected, abs=1e-6)


def geometric(parameters: dict[str, Any]) -> dict[str, Any]:
    """Each sub-query's scores scaled to [0, 1], then the weighted geometric mean of those that found the product."""
    combination = {"technique": "geometric_mean", "parameters": parameters}
    return {
        "normalization-processor": {"normalization": {"technique": "min_max"}, "combination": combination}
    }


@pytest.mark.live
def test_a_further_fusion_is_one_entry(
    engine: OpenSearch, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FUSIONS, "geometric", geometric)
    weights = {"lexical": 0.2, "text": 0.5, "image": 0.3}
    fields = {"query": "red shoes", "fusion": "geometric", "weights": weights}
    search = resolve(decode_request(fields, SearchRequest), SCHEMA)
    candidates = find(engine, alias, RED_SHOES, fusion=search.fusion).candidates
    logarithms, total = np.zeros(len(candidates)), np.zeros(len(candidates))
    for name, weight in weights.items():
        raw = np.array([candidate.sub_query_scores.get(name, np.nan) for candidate in candidates])
        scaled = np.maximum((raw - np.nanmin(raw)) / (np.nanmax(raw) - np.nanmin(raw)), 0.001)
        logarithms += np.nan_to_num(weight * np.log(scaled))
        total += weight * np.isfinite(raw)
    expected = np.exp(logarithms / total)
    assert [candidate.score for candidate in candidates] == pytest.approx(expected.tolist(), abs=1e-4)
    assert total.min() < total.max()  # some products were not found by every sub-query


@pytest.mark.live
def test_filters_apply_in_each_sub_query_before_the_nearest_are_counted(
    engine: OpenSearch, alias: str
) -> None:
    filters = parse_filters(["price=10..40", "colour=red,blue", "available=true", "released>=2017"], PLAN)
    wanted = {
        product["id"]
        for product in PRODUCTS
        if 10 <= product["numbers"].get("price", -1) <= 40
        and product["keywords"]["colour"] in ("red", "blue")
        and product["available"]
        and product["dates"]["released"] >= "2017"
    }
    everything = find(engine, alias, Query("", filters=filters))
    assert set(ids(everything)) == wanted
    assert everything.total == len(wanted)
    nearest = find(
        engine, alias, Query("", {"text": TEXTS[0]}, filters=filters), fusion=only("text"), window=5
    )
    assert len(nearest.candidates) == 5
    assert set(ids(nearest)) <= wanted
    with_image = find(
        engine, alias, Query("x", {"image": IMAGES[0, 0]}, filters=filters), fusion=only("image")
    )
    assert set(ids(with_image)) == {key for key in wanted if int(key[1:]) % 3}


@pytest.mark.live
def test_a_boost_doubles_scores_and_reaches_products_beyond_the_nearest(
    engine: OpenSearch, alias: str
) -> None:
    cheap = Boost({"range": {"numbers.price": {"lte": 20}}}, 2.0, nearest=True)
    query = Query("shirt", {"text": TEXTS[40], "image": IMAGES[40, 0]}, boosts=[cheap])
    boosted = {p["id"] for p in PRODUCTS if p["numbers"].get("price", 99) <= 20}
    scores = (1 + TEXTS @ TEXTS[40]) / 2  # as the engine scores a cosine
    by_score = sorted(range(60), key=lambda n: -scores[n] * (2 if PRODUCTS[n]["id"] in boosted else 1))
    found = find(engine, alias, query, window=10, fusion=only("text"))
    assert ids(found) == [PRODUCTS[n]["id"] for n in by_score[:10]]
    raw = [hit.sub_query_scores["text"] for hit in found.candidates]
    assert raw == pytest.approx([scores[n] for n in by_score[:10]], abs=1e-5)
    for space in ("lexical", "image"):
        assert set(ids(find(engine, alias, query, window=5, fusion=only(space)))) <= boosted | {"p40"}


def test_products_filtered_by_id_are_all_ranked(engine: OpenSearch, alias: str) -> None:
    chosen = ["p05", "p17", "p33", "p58"]
    retrieved = find(engine, alias, Query("red shoes", {"text": TEXTS[17]}, filters=[ids_filter(chosen)]))
    assert sorted(ids(retrieved)) == chosen


@pytest.mark.live
def test_facets_count_the_whole_match_and_not_the_page(engine: OpenSearch, alias: str) -> None:
    facets = ["colour", "price", "price:20,40", "released", "available"]
    page = find(engine, alias, Query(""), page=Page(facets=facets[:2], size=3))
    assert len(page.candidates) == 3
    assert page.total == 60
    assert page.total_is_exact
    counts = {value["value"]: value["count"] for value in page.facets["colour"]["values"]}
    assert counts == dict.fromkeys(COLOURS, 20)
    prices = [product["numbers"]["price"] for product in PRODUCTS if product["numbers"]]
    assert page.facets["price"] == {"count": 48, "min": 1, "max": 59, "mean": pytest.approx(np.mean(prices))}
    retrieved = find(engine, alias, Query(""), page=Page(facets=facets[2:], size=0)).facets
    assert [part["count"] for part in retrieved["price"]["ranges"]] == [16, 16, 16]
    assert retrieved["released"]["min"].startswith("2015-06-15")
    assert {value["value"]: value["count"] for value in retrieved["available"]["values"]} == {
        "true": sum(product["available"] for product in PRODUCTS),
        "false": sum(not product["available"] for product in PRODUCTS),
    }


@pytest.mark.live
def test_facets_without_hits_are_answered_repeatedly(engine: OpenSearch, alias: str) -> None:
    counts = [
        find(engine, alias, Query("red", {"text": TEXTS[0]}), page=Page(facets=["colour"], size=0)).facets
        for _ in range(3)
    ]
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.live
@pytest.mark.parametrize("shards", [1, 3])
def test_pages_neither_repeat_nor_lose_a_product(engine: OpenSearch, shards: int) -> None:
    with search_index(engine, shards) as alias:
        query = Query("red shoes", {"text": TEXTS[3], "image": IMAGES[4, 0]})
        whole = find(engine, alias, query, window=40)
        pages = [find(engine, alias, query, window=40, page=Page(start, 7)) for start in range(0, 60, 7)]
    assert [candidate for page in pages for candidate in page.candidates] == whole.candidates
    assert len(whole.candidates) == 40
    assert pages[-1].candidates == []  # beyond the window: an empty page, no error


@pytest.mark.live
def test_sorted_pages_cover_the_match_in_order(engine: OpenSearch, alias: str) -> None:
    sort = parse_sort("-price", PLAN)
    retrieved = find(engine, alias, Query("red shoes"), page=Page(sort=sort))
    prices = [candidate.source["numbers"].get("price") for candidate in retrieved.candidates]
    known = [price for price in prices if price is not None]
    assert known == sorted(known, reverse=True)
    assert prices[: len(known)] == known  # missing prices last
    assert {candidate.source["title"].split(" no ")[0] for candidate in retrieved.candidates} == {"red shoes"}
    pages = [ids(find(engine, alias, Query("red shoes"), page=Page(start, 4, sort=sort))) for start in (0, 4)]
    assert pages[0] + pages[1] == ids(retrieved)[:8]
    everything = find(engine, alias, Query(""), page=Page(sort=parse_sort("id", PLAN)))
    assert ids(everything) == [product["id"] for product in PRODUCTS]


@pytest.mark.live
def test_chinese_words_are_found_without_spaces(engine: OpenSearch, alias: str) -> None:
    retrieved = find(engine, alias, Query("红色连衣裙", {"text": TEXTS[0], "image": TEXTS[0]}))
    assert ids(retrieved)[0] == "p58"
    assert retrieved.candidates[0].source["title"] == CHINESE["p58"]
    assert set(ids(retrieved)) <= set(CHINESE)  # encoders for English only add nothing


@pytest.mark.live
@pytest.mark.parametrize(
    "words",
    [
        "shoes " * 10_000,
        " ".join(f"w{place}" for place in range(5_000)),
        "跑鞋" * 5_000,
        "a1b2" * 5_000,
        "x" * 100_000,
        "the and of",
        "!!! ... ???",
        "👟" * 500,
        "\x00\ud800\u2028\ufeff",
        '"},"size":0,"x":{"y":"',
        "${parameters.docs} {{query}} <script>",
        '-red +shoes ("a AND b") field:x* ~2',
        "null",
        "",
    ],
)
def test_any_words_get_an_answer(engine: OpenSearch, alias: str, words: str) -> None:
    retrieved = find(engine, alias, Query(words, {"text": TEXTS[3]}), page=Page(facets=["colour"]))
    assert retrieved.candidates
    assert not retrieved.partial
    assert find(engine, alias, Query(words), page=Page(sort=parse_sort("price", PLAN))).took_ms >= 0


@pytest.mark.live
def test_vectors_are_not_in_the_answer(engine: OpenSearch, alias: str) -> None:
    for source in (None, ("*",), ("text_vec", "images.vec")):
        retrieved = find(engine, alias, Query("red"), page=Page(source=source)).candidates[0].source
        assert "text_vec" not in retrieved
        assert all("vec" not in image for image in retrieved.get("images", []))


@pytest.mark.live
def test_a_missing_index_is_an_error(engine: OpenSearch) -> None:
    with pytest.raises(IndexMissingError, match="eq-not-there"):
        find(engine, "eq-not-there", Query("red"))


class _LosesShards:
    """The engine's client whose first answers lack the hits of a shard, as when a node dies before they are read."""

    def __init__(self, engine: OpenSearch, count: int) -> None:
        self.transport = engine.transport
        self._engine, self._count = engine, count

    def search(self, **request: Any) -> Any:
        answer = self._engine.search(**request)
        if self._count:
            self._count -= 1
            answer["hits"]["hits"] = answer["hits"]["hits"][:1]
            answer["_shards"]["failed"] = 1
        return answer


def test_an_answer_without_the_hits_of_a_shard_is_searched_once_more(engine: OpenSearch, alias: str) -> None:
    body = hybrid_body(Query("shirt"), SCHEMA)
    whole = retrieve(engine, alias, body)
    again = retrieve(_LosesShards(engine, 1), alias, body)  # type: ignore[arg-type]
    assert len(whole.candidates) > 1
    assert ([c.id for c in again.candidates], again.partial) == ([c.id for c in whole.candidates], False)
    still = retrieve(_LosesShards(engine, 2), alias, body)  # type: ignore[arg-type]
    assert (len(still.candidates), still.partial) == (1, True)
