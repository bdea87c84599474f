"""The sample shop: images, a catalogue whose text omits attributes, and shoppers with tastes."""

from __future__ import annotations

import json
import math
import random
import re
import tomllib
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pytest
from click.testing import CliRunner

from opensearch.index.fields import FieldPlan, IndexSchema
from rerank.features.product_table import read_products
from scripts.bench.simulated.judging import draw_searches
from scripts.bench.simulated.logs import log_of_pasts, pasts, simulated_log
from scripts.bench.simulated.shop import Shop
from scripts.sample.catalogue import Catalogue, Truth, draw_catalogue, read_truths, write_catalogue
from scripts.sample.click_models import CLICK_MODELS, Browsing, examination, with_noise
from scripts.sample.images.canvas import IMAGE_PX, curve, mirror
from scripts.sample.images.drawing import COLOURS, SHAPES, ImageSpec, draw
from scripts.sample.queries import DEMO_QUERIES, query_pool
from scripts.sample.query_intent import parse_intent, true_ndcg, true_relevance
from scripts.sample.shoppers import write_files
from scripts.sample.simulation import (
    ATTRACTION,
    Log,
    Plan,
    attraction,
    simulate,
)
from scripts.sample.tastes import NAMED_SHOPPERS, Shopper, draw_shoppers, liking, look_of
from scripts.sample.words import COLOURS as COLOUR_WORDS
from scripts.sample.words import KINDS, PATTERNS

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

TODAY = date(2026, 3, 1)
UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANA, BEN, MEI = NAMED_SHOPPERS


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return draw_catalogue(2000, seed=7, today=TODAY)


@pytest.fixture(scope="module")
def truths(catalogue: Catalogue) -> dict[str, Truth]:
    return {truth.id: truth for truth in catalogue.truths}


def shuffled_engine(truths: dict[str, Truth]) -> dict[str, list[str]]:
    """For every query 200 products in an order that knows nothing: position says nothing of relevance."""
    orders = {}
    for query in query_pool():
        rng = random.Random(query.text)
        relevant = [i for i in truths if true_relevance(query.text, truths[i]) > 0]
        orders[query.text] = rng.sample(relevant, min(200, len(relevant)))
    return orders


@pytest.fixture(scope="module")
def log(truths: dict[str, Truth]) -> Log:
    orders = shuffled_engine(truths)
    plan = Plan(UNTIL, alias="shop", searches=3000)
    return simulate(draw_shoppers(150), query_pool(), truths, orders.__getitem__, "hash-{}".format, plan)


def truth_of(**changes: object) -> Truth:
    plain: dict[str, object] = {
        "id": "p1",
        "category": "dress",
        "shape": "v-neck",
        "colour": "red",
        "pattern": "floral",
        "brand": "Marlow",
        "gender": "women",
        "price": 59.0,
        "quality": 0.5,
        "language": "en",
        "pictured": True,
        "tells_colour": True,
        "tells_pattern": True,
        "created": "2025-01-01",
    }
    return Truth.from_dict({**plain, **changes})


# pictures


def test_a_quadratic_curve_ends_where_it_should_and_passes_its_middle() -> None:
    points = curve([(0, 0), (10, 20, 20, 0)], pieces=2)
    # B(1/2) = (P0 + 2 P1 + P2) / 4
    assert points[1] == pytest.approx((10, 10))
    assert points[-1] == pytest.approx((20, 0))


def test_mirror_is_symmetric() -> None:
    outline = mirror([(50, 10), (60, 10), (70, 50, 65, 90), (50, 90)])
    assert sorted((round(100 - x, 6), y) for x, y in outline) == sorted((round(x, 6), y) for x, y in outline)


@pytest.mark.parametrize(("category", "shape"), sorted(SHAPES))
def test_every_shape_can_be_drawn_and_shows_its_colour(category: str, shape: str) -> None:
    picture = np.asarray(draw(ImageSpec(category, shape, "red", "plain"), "seed"), dtype=np.int32)
    assert picture.shape == (IMAGE_PX, IMAGE_PX, 3)
    red = (picture[..., 0] > picture[..., 1] + 60) & (picture[..., 0] > picture[..., 2] + 60)
    assert red.mean() > 0.03
    # nothing is cut off by the picture's edge
    assert not red[0].any()
    assert not red[-1].any()


def test_images_are_equal_for_equal_seeds_only() -> None:
    look = ImageSpec("mug", "tall", "blue", "starry")
    assert draw(look, "a").tobytes() == draw(look, "a").tobytes()
    assert draw(look, "a").tobytes() != draw(look, "b").tobytes()


def test_vocabulary_and_drawing_have_the_same_shapes_and_patterns() -> None:
    assert set(COLOURS) == set(COLOUR_WORDS)
    assert set(SHAPES) == {(category, shape) for category, kind in KINDS.items() for shape in kind.shapes}
    for pattern in PATTERNS:
        draw(ImageSpec("hat", "bucket", "green", pattern), "seed")


# the catalogue


def test_the_same_seed_draws_the_same_catalogue(catalogue: Catalogue) -> None:
    assert draw_catalogue(2000, seed=7, today=TODAY) == catalogue
    assert draw_catalogue(2000, seed=8, today=TODAY).rows != catalogue.rows


def test_shares_of_what_is_missing(catalogue: Catalogue) -> None:
    rows = catalogue.rows
    assert len(rows) == 2000
    assert len({row["id"] for row in rows}) == 2000

    def share(count: int) -> float:
        return count / len(rows)

    assert share(sum(row["lang"] == "zh" for row in rows)) == pytest.approx(0.12, abs=0.025)
    assert share(sum(not row["images"] for row in rows)) == pytest.approx(0.04, abs=0.015)
    assert share(sum(row["price"] is None for row in rows)) == pytest.approx(0.04, abs=0.015)
    assert share(sum("description" not in row for row in rows)) == pytest.approx(0.25, abs=0.04)
    assert share(sum("colour" in row for row in rows)) == pytest.approx(0.59, abs=0.05)
    assert share(sum(not row["in_stock"] for row in rows)) == pytest.approx(0.05, abs=0.02)
    assert all(row["in_stock"] == (row["stock"] > 0) for row in rows)


def _name_of(row: dict[str, object], values: dict[str, tuple[str, ...]], value: str) -> bool:
    text = json.dumps({k: v for k, v in row.items() if k != "images"}, ensure_ascii=False).lower()
    return any(re.search(rf"\b{w}\b" if w.isascii() else w, text) for w in (value, *values[value]))


def test_the_truth_records_which_attributes_the_title_names(catalogue: Catalogue) -> None:
    for row, truth in zip(catalogue.rows, catalogue.truths, strict=True):
        assert _name_of(row, COLOUR_WORDS, truth.colour) == truth.tells_colour, row
        assert _name_of(row, PATTERNS, truth.pattern) == truth.tells_pattern, row
    titles = [
        _name_of({"title": row["title"]}, COLOUR_WORDS, truth.colour)
        for row, truth in zip(catalogue.rows, catalogue.truths, strict=True)
    ]
    assert sum(titles) / len(titles) == pytest.approx(0.5, abs=0.08)
    without_colour = sum(not truth.tells_colour for truth in catalogue.truths)
    assert 0.2 < without_colour / len(titles) < 0.45


def test_variants_of_a_style_differ_in_colour_only(catalogue: Catalogue) -> None:
    styles = defaultdict(list)
    for row, truth in zip(catalogue.rows, catalogue.truths, strict=True):
        styles[row["style_id"]].append(truth)
    groups = [group for group in styles.values() if len(group) > 1]
    assert len(groups) > 200
    for group in groups:
        assert len({(t.category, t.shape, t.pattern, t.brand, t.price) for t in group}) == 1
        assert len({t.colour for t in group}) == len(group)


def test_written_files_can_be_read(tmp_path: Path) -> None:
    drawn = draw_catalogue(12, seed=3, today=TODAY)
    write_catalogue(drawn, tmp_path)
    lines = (tmp_path / "catalogue.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == drawn.rows
    assert list(read_truths(tmp_path).values()) == drawn.truths
    fields = tomllib.loads((tmp_path / "catalogue.toml").read_text())["fields"]
    plan = FieldPlan.from_dict(fields)
    assert plan.to_dict() == {**FieldPlan().to_dict(), **fields}
    columns = {plan.id, plan.title, *plan.text, *plan.images, *plan.numbers, *plan.keywords, *plan.dates}
    assert columns <= {key for row in draw_catalogue(2000, today=TODAY).rows for key in row}
    for row in drawn.rows:
        assert all((tmp_path / path).stat().st_size > 1000 for path in row["images"])
    assert not any("tells_colour" in row for row in drawn.rows)


# what queries ask for


@pytest.mark.parametrize(
    ("query", "category", "attributes"),
    [
        ("red floral dress", "dress", {"colour": "red", "pattern": "floral"}),
        ("Polka Dot T-Shirts", "t-shirt", {"pattern": "dotted"}),
        ("rose pink v-neck dresses", "dress", {"colour": "pink", "shape": "v-neck"}),
        ("round mug", "mug", {}),
        ("round lamp", "lamp", {"shape": "round"}),
        ("lumen & co cushion", "cushion", {"brand": "Lumen & Co"}),
        ("蓝色波点连衣裙", "dress", {"colour": "blue", "pattern": "dotted"}),
        ("圆领T恤", "t-shirt", {"shape": "crew-neck"}),
    ],
)
def test_the_intent_of_a_query(query: str, category: str, attributes: dict[str, str]) -> None:
    intent = parse_intent(query)
    assert (intent.category, intent.attributes) == (category, attributes)


def test_every_query_of_the_pool_is_understood() -> None:
    pool = query_pool()
    assert len(pool) == len({query.text for query in pool}) == 300
    for query in pool:
        intent = parse_intent(query.text)
        assert intent.category or intent.occasion, query
        if len(query.text.split()) > 1 and query.language == "en":
            assert intent.attributes or intent.cheap or intent.occasion or query.text in ("table lamp",), (
                query
            )


@pytest.mark.parametrize(
    ("query", "grade"),
    [
        ("red floral dress", 3),
        ("dress", 3),
        ("红色连衣裙", 3),
        ("red dotted dress", 2),
        ("blue dress", 1),
        ("blue dotted dress", 1),
        ("red mug", 0),
        ("cheap dress", 1),
        ("summer outfit", 3),
        ("gift for him", 0),
        ("nothing known", 0),
    ],
)
def test_true_relevance(query: str, grade: int) -> None:
    assert true_relevance(query, truth_of()) == grade


def test_true_ndcg_by_hand() -> None:
    shop = {
        "red": truth_of(),
        "blue": truth_of(colour="blue"),
        "mug": truth_of(category="mug"),
    }
    # gains 7, 1, 0: (0 + 7 / log2 3 + 1 / 2) over (7 + 1 / log2 3)
    expected = (7 / math.log2(3) + 0.5) / (7 + 1 / math.log2(3))
    assert true_ndcg("red dress", ["mug", "red", "blue"], shop) == pytest.approx(expected)
    assert true_ndcg("red dress", ["red", "blue", "unknown"], shop) == pytest.approx(1)
    assert true_ndcg("red lamp", ["red"], shop) is None
    by_colour = true_ndcg(
        "dress", ["blue", "red"], shop, lambda _, truth: float(truth.colour == "red"), depth=2
    )
    assert by_colour == pytest.approx(((1 / math.log2(3)) + 0) / (1 + 1 / math.log2(3)))


def test_demo_queries_are_what_they_claim(truths: dict[str, Truth]) -> None:
    picture, taste, chinese = DEMO_QUERIES
    answers = [t for t in truths.values() if true_relevance(picture.text, t) == 3]
    assert len(answers) >= 8
    assert sum(t.pictured for t in answers) >= 7
    assert not any(t.tells_colour or t.tells_pattern for t in answers)
    assert [s.name for s in NAMED_SHOPPERS if s.name in taste.shoppers] == ["ana", "ben"]
    chinese_products = [
        t for t in truths.values() if true_relevance(chinese.text, t) == 3 and t.language == "zh"
    ]
    assert len(chinese_products) >= 5


# shoppers


def test_tastes_are_separable(truths: dict[str, Truth]) -> None:
    dresses = [t for t in truths.values() if t.category == "dress"]
    for_ana = sorted(dresses, key=lambda t: -liking(ANA, t))[:10]
    for_ben = sorted(dresses, key=lambda t: -liking(BEN, t))[:10]
    assert {(t.colour, t.pattern) for t in for_ana} == {("red", "floral")}
    assert {(t.colour, t.pattern) for t in for_ben} == {("black", "plain")}
    assert max(liking(BEN, t) for t in for_ana) < 0.1 < 0.8 < min(liking(ANA, t) for t in for_ana)


def test_liking_adds_log_odds() -> None:
    shopper = Shopper("x", "en", "women", {"red": 1.0}, {"floral": 0.5}, {"Marlow": -0.2}, 0.7, 2.0)
    # -0.6 + 2.0 * (0.75 - 0.5) + 1.0 + 0.5 - 0.2 - 0.7 * ln 1
    assert liking(shopper, truth_of(quality=0.75)) == pytest.approx(1 / (1 + math.exp(-1.2)))
    dear = liking(shopper, truth_of(quality=0.75, price=59 * math.e))
    assert dear == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_a_taste_is_no_sum_over_columns() -> None:
    """Colours in one category only, looks, loyalty to a brand, and a best price."""
    shopper = Shopper(
        "x",
        "en",
        "women",
        {},
        {},
        {"Marlow": 0.5},
        0.0,
        0.0,
        colours_of={"dress": {"red": 1.0}},
        looks={"warm natural": 0.7},
        loyalty=0.4,
        price_point=0.2,
        price_curve=1.5,
    )

    def log_odds(**changes: object) -> float:
        chance = liking(shopper, truth_of(**changes))
        return math.log(chance / (1 - chance))

    # -0.6 + 1.0 + 0.7 + 0.5 - 1.5 * 0.2 ** 2
    assert log_odds() == pytest.approx(1.54)
    assert log_odds(price=59 * math.exp(0.2)) == pytest.approx(1.6)
    assert log_odds(price=59 * math.exp(0.4)) == pytest.approx(1.54)
    assert log_odds(brand="Okapi") == pytest.approx(1.54 - 0.5 - 0.4)
    assert log_odds(pattern="plain") == pytest.approx(1.54 - 0.7)
    assert log_odds(category="bag", price=68.0) == pytest.approx(1.54 - 1.0)
    assert look_of(truth_of()) == "warm natural"


def test_a_taste_moves_from_the_first_to_the_later_one() -> None:
    later = replace(BEN, name="ana")
    moving = replace(ANA, later=later)
    red, black = truth_of(), truth_of(colour="black", pattern="plain")
    for truth in (red, black):
        assert liking(moving, truth, 0.0) == pytest.approx(liking(ANA, truth))
        assert liking(moving, truth) == pytest.approx(liking(BEN, truth))
    assert liking(ANA, red) > liking(moving, red, 0.3) > liking(moving, red, 0.6) > liking(BEN, red)
    drawn = draw_shoppers(300)[3:]
    assert sum(shopper.later is not None for shopper in drawn) / 300 == pytest.approx(0.3, abs=0.08)


def test_named_shoppers_click_their_taste(log: Log, truths: dict[str, Truth]) -> None:
    shares = {}
    for shopper in (ANA, BEN):
        clicks = [
            truths[event["event_attributes"]["object"]["object_id"]]
            for event in log.events
            if event["client_id"] == f"hash-{shopper.name}" and event["action_name"] == "click"
        ]
        assert len(clicks) > 15
        shares[shopper.name] = (
            sum(t.colour in ("red", "pink") or t.pattern == "floral" for t in clicks) / len(clicks),
            sum(t.colour in ("black", "grey") or t.pattern == "plain" for t in clicks) / len(clicks),
        )
    assert shares["ana"][0] > 0.6 > 0.3 > shares["ana"][1]
    assert shares["ben"][1] > 0.6 > 0.3 > shares["ben"][0]


def test_examination_is_the_documented_curve() -> None:
    assert examination(1) == 1
    assert examination(10) == pytest.approx(0.251, abs=1e-3)  # 10 ** -0.6
    assert attraction("red dress", ANA, truth_of()) == pytest.approx(ATTRACTION[3] * liking(ANA, truth_of()))


ATTRACTIONS = [0.5] * 10


def rates(model: str, draws: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """How often each of ten equally attractive positions is examined and clicked."""
    rng = random.Random(model)
    counts = np.zeros((2, len(ATTRACTIONS)))
    for _ in range(draws):
        browsing = CLICK_MODELS[model](ATTRACTIONS, rng)
        counts[0, browsing.examined] += 1
        counts[1, browsing.clicked] += 1
    return counts[0] / draws, counts[1] / draws


@pytest.mark.parametrize(
    ("model", "examined"),
    [
        # each expectation by hand, for an attraction of 1/2
        ("position-based", [k**-0.6 for k in range(1, 11)]),
        ("cascade", [0.5 ** (k - 1) for k in range(1, 11)]),
        # after position k goes on who did not click (1/2), and with 0.7 * k ** -0.3 who did
        ("dependent-click", np.cumprod([1.0, *(0.5 + 0.5 * 0.7 * k**-0.3 for k in range(1, 10))]).tolist()),
        ("unbiased", [sum(k**-0.6 for k in range(1, 11)) / 10] * 10),
    ],
)
def test_a_click_model_examines_as_its_paper_says(model: str, examined: list[float]) -> None:
    seen, clicked = rates(model)
    assert seen == pytest.approx(examined, abs=0.03)
    assert clicked == pytest.approx([share / 2 for share in examined], abs=0.03)


def test_every_click_model_is_described() -> None:
    assert {"position-based", "cascade", "dependent-click", "unbiased"} == set(CLICK_MODELS)
    assert CLICK_MODELS["cascade"]([1.0, 1.0], random.Random(1)) == Browsing([0], [0])


def test_noise_clicks_fall_on_other_examined_products() -> None:
    rng = random.Random(5)
    noisy = clicks = 0
    for _ in range(2000):
        clicked, noise = with_noise(Browsing([0, 2, 3, 7], [2]), 0.3, rng)
        assert len(clicked) == 1
        assert noise == ([] if clicked == [2] else clicked)
        assert set(clicked) <= {0, 2, 3, 7}
        noisy, clicks = noisy + len(noise), clicks + 1
    assert noisy / clicks == pytest.approx(0.3, abs=0.04)
    assert with_noise(Browsing([1], [1]), 1.0, rng) == ([1], [1])  # nothing else was examined


def test_the_truth_of_a_log_stands_apart(truths: dict[str, Truth], tmp_path: Path) -> None:
    orders = shuffled_engine(truths)
    shoppers = draw_shoppers(40)
    plan = Plan(UNTIL, searches=800, noise=0.4, click_model="dependent-click")
    noisy = simulate(shoppers, query_pool(), truths, orders.__getitem__, str.upper, plan)
    clicked = {
        (e["query_id"], e["event_attributes"]["object"]["object_id"])
        for e in noisy.events
        if e["action_name"] == "click"
    }
    noise = {(record["query_id"], product) for record in noisy.truth for product in record["noise"]}
    assert noise <= clicked
    assert len(noise) / len(clicked) == pytest.approx(0.4, abs=0.06)
    write_files(noisy, shoppers, tmp_path)
    files = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.jsonl")}
    assert set(files) == {"ubi_queries.jsonl", "ubi_events.jsonl", "slates.jsonl"}
    assert not any(word in text for text in files.values() for word in ("noise", "looks", "loyalty"))
    written = [json.loads(line) for line in (tmp_path / "truth" / "shoppers.jsonl").read_text().splitlines()]
    assert [shopper["name"] for shopper in written] == [shopper.name for shopper in shoppers]
    lines = (tmp_path / "truth" / "noise.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == noisy.truth


def test_click_rate_falls_with_position_at_equal_relevance(log: Log, truths: dict[str, Truth]) -> None:
    """In an order that knows nothing, the click rate by position is the examination curve."""
    texts = {query["query_id"]: query["user_query"] for query in log.queries}
    shown: Counter[int] = Counter()
    clicked: Counter[int] = Counter()
    for event in log.events:
        place = event["event_attributes"]["position"]["ordinal"]
        product = truths[event["event_attributes"]["object"]["object_id"]]
        if true_relevance(texts[event["query_id"]], product) == 3:
            shown[place] += event["action_name"] == "impression"
            clicked[place] += event["action_name"] == "click"

    def rate(first: int, last: int) -> float:
        places = range(first, last + 1)
        return sum(clicked[p] for p in places) / sum(shown[p] for p in places)

    assert rate(1, 2) > rate(3, 5) > rate(6, 10) > rate(11, 30)
    expected = np.mean([examination(p) for p in range(6, 11)]) / np.mean([examination(p) for p in (1, 2)])
    assert rate(6, 10) / rate(1, 2) == pytest.approx(expected, rel=0.25)


def test_log_is_in_time_order_and_ends_in_time(log: Log) -> None:
    for records, key in ((log.queries, "timestamp"), (log.events, "timestamp"), (log.slates, "at")):
        moments = [datetime.fromisoformat(record[key]) for record in records]
        assert moments == sorted(moments)
        assert UNTIL - timedelta(days=28) <= moments[0]
        assert moments[-1] < UNTIL
    attributes = {query["query_id"]: query["timestamp"] for query in log.queries}
    assert all(event["timestamp"] > attributes[event["query_id"]] for event in log.events)
    assert len(log.queries) == pytest.approx(3000, rel=0.1)


def test_ubi_fields(log: Log) -> None:
    for query in log.queries:
        assert set(query) == {
            "application",
            "query_id",
            "client_id",
            "user_query",
            "timestamp",
            "query_response_id",
            "query_response_hit_ids",
            "query_attributes",
        }
    assert {query["application"] for query in log.queries} == {"shop"}
    hits = {query["query_id"]: query["query_response_hit_ids"] for query in log.queries}
    assert len(hits) == len(log.queries)
    sessions = {query["query_id"]: query["query_attributes"]["session_id"] for query in log.queries}
    for event in log.events:
        place = event["event_attributes"]
        assert hits[event["query_id"]][place["position"]["ordinal"] - 1] == place["object"]["object_id"]
        assert place["object"]["object_id_field"] == "id"
        assert event["session_id"] == sessions[event["query_id"]]
        assert event["client_id"].startswith("hash-")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])
    actions = Counter(event["action_name"] for event in log.events)
    assert actions["impression"] > actions["click"] > actions["add_to_cart"] > actions["purchase"] > 20


def test_slates_hold_engine_order_and_shown_order(log: Log, truths: dict[str, Truth]) -> None:
    orders = shuffled_engine(truths)
    arms = Counter(slate["arm"] for slate in log.slates)
    assert arms["explore"] / len(log.slates) == pytest.approx(0.2, abs=0.05)
    for slate in log.slates:
        listed = [i for i in orders[slate["query"]] if truths[i].created <= slate["at"][:10]]
        assert slate["engine"] == listed
        assert sorted(slate["shown"]) == sorted(slate["engine"])
        if slate["arm"] == "engine":
            assert slate["shown"] == slate["engine"]
    explored = [s for s in log.slates if s["arm"] == "explore" and len(s["engine"]) > 20]
    assert all(slate["shown"] != slate["engine"] for slate in explored)


def test_simulation_is_deterministic_and_searches_each_query_once(truths: dict[str, Truth]) -> None:
    orders = shuffled_engine(truths)
    attributes: Counter[str] = Counter()

    def search(text: str) -> list[str]:
        attributes[text] += 1
        return orders[text]

    plan = Plan(UNTIL, searches=400)
    logs = [simulate(draw_shoppers(20), query_pool(), truths, search, str.upper, plan) for _ in range(2)]
    assert logs[0] == logs[1]
    assert set(attributes.values()) == {2}


# the benchmark of personalisation


def simulated_shop(truths: dict[str, Truth]) -> Shop:
    """A shop without vectors, whose engine lists products in an order that knows nothing."""
    schema = IndexSchema(FieldPlan())
    return Shop(truths, schema, read_products([], schema), {}, shuffled_engine(truths))


def test_an_order_is_judged_by_the_hidden_truth(truths: dict[str, Truth]) -> None:
    shop, shoppers = simulated_shop(truths), draw_shoppers(30)
    judged = draw_searches(shop, shoppers[:5], shoppers, query_pool(), 20, UNTIL.timestamp())
    for search in judged.searches:
        gains = [attraction(search.query, search.shopper, truths[i]) for i in search.ids]
        assert search.gains == pytest.approx(gains)
        best = sorted((attraction(search.query, search.shopper, t) for t in truths.values()), reverse=True)
        assert search.ideal == pytest.approx(sum(g / math.log2(n + 2) for n, g in enumerate(best[:10])))
    oracle, best_for_all, engine = judged.oracle(), judged.best_without_shopper(), judged.engine()
    assert (oracle >= best_for_all - 1e-12).all()
    assert (oracle >= engine - 1e-12).all()
    assert oracle.max() <= 1 + 1e-12
    assert oracle.mean() > best_for_all.mean() + 0.05 > engine.mean() + 0.1


def test_the_past_of_a_shopper_is_cut_to_the_latest_events(truths: dict[str, Truth]) -> None:
    shop, shoppers = simulated_shop(truths), draw_shoppers(20)
    log = simulated_log(shop, shoppers, query_pool(), Plan(UNTIL, searches=600))
    ana = pasts(log)["ana"]
    assert [event.at for event in ana.events] == sorted(event.at for event in ana.events)
    assert {event.action for event in log.events} == {"click", "cart", "purchase"}
    cut = log_of_pasts({"ana@3": ana.last(3), "ana@7": ana.last(7)})
    found = pasts(cut)
    assert [event.id for event in found["ana@3"].events] == [event.id for event in ana.events[-3:]]
    assert [event.at for event in found["ana@7"].events] == [event.at for event in ana.events[-7:]]
    # every event keeps the slate that showed its product, under a name of its own
    slates = {slate.query_id: slate for slate in cut.slates}
    assert len(slates) == len(cut.slates)
    for event in cut.events:
        assert event.id in slates[event.query_id].shown
        assert slates[event.query_id].shopper == event.shopper


# on the live node


@pytest.mark.live
def test_shoppers_search_the_real_engine(
    engine: OpenSearch, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indexer.commands.index import index
    from opensearch.logs import profiles, ubi
    from opensearch.logs import slates as slate_log
    from rerank.shoppers import shopper_hash
    from scripts.sample.shoppers import main

    alias = f"smp-{uuid4().hex[:8]}"
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "a key for this test")
    monkeypatch.setenv("OPENSEARCH_URL", engine_url)
    monkeypatch.setenv("VITRINE_INDEX", alias)
    monkeypatch.setenv("VITRINE_STORE", str(tmp_path / "store"))
    folder, out = tmp_path / "catalogue", tmp_path / "log"
    write_catalogue(draw_catalogue(200, today=TODAY), folder)
    places = [str(folder / "catalogue.jsonl"), "--fields", str(folder / "catalogue.toml")]
    simulated = [
        "--catalogue",
        str(folder),
        "--out",
        str(out),
        "--searches",
        "150",
        "--until",
        "2026-03-01T12:00",
    ]
    try:
        for command, arguments in (
            (index, [*places, "--text-encoder", "none"]),
            (main, simulated),
            (main, simulated),
        ):
            result = CliRunner().invoke(command, arguments)
            assert result.exit_code == 0, result.output
        # the second run took the place of the first
        for name, read in (
            ("ubi_queries", ubi.read_queries),
            ("ubi_events", ubi.read_events),
            ("slates", slate_log.read_slates),
        ):
            written = [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]
            assert sorted(json.dumps(record.source) for record in read(engine, alias)) == sorted(
                map(json.dumps, written)
            )
        slates = [record.source for record in slate_log.read_slates(engine, alias)]
        attributes = {slate["query"]: slate["engine"] for slate in slates}
        truths = read_truths(folder)
        assert all(truths[i].category == "dress" for i in attributes["dress"][:5])
        clicks = [record.source for record in ubi.read_events(engine, alias, actions=["click"])]
        keenest, _ = Counter(event["client_id"] for event in clicks).most_common(1)[0]
        assert keenest in {shopper_hash(shopper.name) for shopper in draw_shoppers()}
        own = [
            event["event_attributes"]["object"]["object_id"]
            for event in clicks
            if event["client_id"] == keenest
        ]
        assert [click.id for click in profiles.read_profile(engine, alias, keenest)] == own[-50:]
    finally:
        _remove(engine, alias)


def _remove(engine: OpenSearch, alias: str) -> None:
    for name in engine.indices.get_alias(name=alias):
        engine.indices.delete(index=name)
    for name, owner in (
        ("ubi_queries", "application"),
        ("ubi_events", "application"),
        ("vitrine-slates", "alias"),
    ):
        engine.indices.refresh(index=name)
        engine.delete_by_query(index=name, body={"query": {"term": {owner: alias}}})
    engine.indices.refresh(index="vitrine-shoppers")
    engine.delete_by_query(index="vitrine-shoppers", body={"query": {"term": {"alias": alias}}})
