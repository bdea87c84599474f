"""The ranker that a catalogue alone teaches: words, scores, attribute queries, weights, and the command that serves it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from support import training_log
from support.rerank_index import create_rerank_index, delete_rerank_index

from encoders.training.captions import ProductText
from rerank.features.groups import feature_names
from rerank.features.scaler import fit_scaler
from rerank.features.words import Coverage, ProductWords, read_words
from rerank.models.catalogue import CatalogueWeights, Signals, catalogue_scores, standard_scores
from rerank.models.ranker import load_ranker, order_of
from rerank.request import RerankRequest
from rerank.training.artifacts import TrainingData
from rerank.training.catalogue.attribute_queries import attribute_queries
from rerank.training.catalogue.learn import LearnedCatalogue, Window, choose_catalogue_weights
from rerank.training.catalogue.log_scores import catalogue_scores_of
from rerank.training.examples import embed_log_queries, example_builder
from rerank.training.log.events import Log, gains_of
from rerank.training.propensity import estimate_positions, impressions
from rerank.training.train import make_catalogue_ranker
from vitrine.cli import main
from vitrine.errors import ArtifactError
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_RANK_COLUMN = feature_names(training_log.products().plan).index("rank")
PRODUCTS = [
    (0, "Red running shoes", "Red running shoes light"),
    (
        2,
        "Wireless mouse pad",
        "Wireless mouse pad for gamers",
    ),  # rows come in any order, and row 1 does not come
    (3, "红色连衣裙", "红色连衣裙 夏季"),
]


@pytest.fixture
def words() -> ProductWords:
    return read_words(reversed(PRODUCTS), 4, "en")


def coverage(words: ProductWords, query: str) -> Coverage:
    return words.coverage(np.arange(4), query)


def test_the_share_of_held_words_is_weighed_by_how_rare_they_are(words: ProductWords) -> None:
    rare, unknown = math.log1p(3.5 / 1.5), math.log1p(4.5 / 0.5)  # in one product of four, and in none
    found = coverage(words, "The RED shoe, waterproof")
    assert found.count == 3
    np.testing.assert_allclose(found.share, [2 * rare / (2 * rare + unknown), 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(found.focus, [2 / 3, 0, 0, 0], rtol=1e-6)
    assert coverage(words, "light").focus.tolist() == [0, 0, 0, 0]  # held, but not in the title
    assert coverage(words, "light").share[0] == 1


def test_words_joined_or_split_and_pairs_of_chinese_signs_are_held(words: ProductWords) -> None:
    assert coverage(words, "mousepads").share.tolist() == [0, 0, 1, 0]
    joined = read_words([(0, "Mousepad", "")], 1, "en")
    assert joined.coverage(np.array([0]), "mouse pad").share.tolist() == [1]
    assert coverage(words, "连衣裙").share.tolist() == [0, 0, 0, 1]
    assert coverage(words, "").share.tolist() == [0, 0, 0, 0]
    assert coverage(words, "!?").count == 0


def test_the_words_are_the_same_after_a_round_trip(words: ProductWords, tmp_path: Path) -> None:
    assert ProductWords.open(tmp_path) is None
    words.save(tmp_path)
    opened = ProductWords.open(tmp_path)
    assert opened is not None
    for query in ("red shoes", "mouse pad", "连衣裙"):
        np.testing.assert_array_equal(coverage(opened, query).share, coverage(words, query).share)
    (tmp_path / "words.counts.npy").unlink()
    with pytest.raises(ArtifactError, match="train the model again"):
        ProductWords.open(tmp_path)


def signals(count: int, share: Any, focus: Any = 0.0, **cosines: Any) -> Signals:
    size = len(share)
    return Signals(
        Coverage(count, np.array(share, np.float32), np.full(size, focus, np.float32)),
        np.arange(size),
        {space: np.array(values, dtype=float) for space, values in cosines.items()},
    )


def test_scores_by_hand() -> None:
    weights = CatalogueWeights(words=3, focus=2, rank=4, spaces={"text": 1, "image": 0.5})
    scores = catalogue_scores(signals(2, [0.5, 1], 0.25, text=[2, -1], image=[1, 3]), weights)
    np.testing.assert_allclose(scores, [3 + 0.5 + 2 + 0.5, 6 + 0.5 - 0.5 - 1 + 1.5], rtol=1e-6)
    # nothing is known of the query but the engine's order
    assert np.argsort(-catalogue_scores(signals(0, [0, 0, 0]), weights)).tolist() == [0, 1, 2]


def test_images_decide_where_no_product_holds_the_words() -> None:
    text, image = [2.0, 1, 0, 0], [0.0, 1, 2, 3]
    held = catalogue_scores(signals(2, [1, 0.5, 0, 0], text=text, image=image), CatalogueWeights())
    assert np.argsort(-held).tolist()[0] == 0
    unknown = catalogue_scores(signals(2, [0, 0, 0, 0], text=text, image=image), CatalogueWeights())
    assert np.argsort(-unknown).tolist() == [3, 2, 1, 0]
    # unless text vectors stand far out
    far = catalogue_scores(signals(2, [0, 0, 0, 0], text=[9, 6, 5, 5], image=image), CatalogueWeights())
    assert np.argsort(-far).tolist()[0] == 0


def test_a_missing_vector_counts_as_that_of_the_others_with_the_same_signals() -> None:
    share = np.linspace(0, 1, 21)
    weights = CatalogueWeights(words=3, focus=0, rank=0, spaces={"image": 1.0})
    complete = signals(1, share, image=2 * share)
    missing = signals(1, share, image=np.where(np.arange(21) == 7, np.nan, 2 * share))
    np.testing.assert_allclose(
        catalogue_scores(missing, weights), catalogue_scores(complete, weights), atol=1e-5
    )
    nothing = signals(1, share, image=np.full(21, np.nan))
    np.testing.assert_allclose(catalogue_scores(nothing, weights), 3 * share, atol=1e-6)


def test_a_cosine_is_compared_with_those_of_any_products() -> None:
    background = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float32)
    vectors = {"text": np.array([[0.5, 0.5], [0, 0]], dtype=np.float32)}
    has, query = {"text": np.array([True, False])}, {"text": np.array([2, 0], dtype=np.float32)}
    scores = standard_scores(vectors, has, query, {"text": background})["text"]
    np.testing.assert_allclose(scores, [0.5 / math.sqrt(0.5), np.nan])
    assert standard_scores(vectors, has, {}, {"text": background}) == {}


def test_attribute_queries_grade_every_product_by_the_values_it_carries() -> None:
    colours, kinds = ("red", "blue", "green"), ("shoes", "dress")
    products = [
        ProductText(
            f"{colour} {kind}",
            (),
            {"colour": (colour,), "kind": (kind,), "sold": ("true",), "code": (str(n),)},
        )
        for n, (colour, kind) in enumerate((c, k) for _ in range(5) for c in colours for k in kinds)
    ]
    queries = attribute_queries(products, 40)
    assert queries
    assert len({query.words for query in queries}) == len(queries)
    for query in queries:
        typed = query.words.split()
        assert set(typed) <= {*colours, *kinds}
        expected = [sum(word in product.title.split() for word in typed) for product in products]
        assert query.grades.tolist() == expected
    # what titles say is no attribute, because titles would answer every query of it
    assert attribute_queries([ProductText(product.title, (), {}) for product in products], 40) == []


def test_weights_move_only_for_a_gain_that_queries_show() -> None:
    rng = np.random.default_rng(1)

    def windows(count: int, strength: float) -> list[Window]:
        made = []
        for _ in range(count):
            grades = rng.integers(0, 3, 40).astype(float)
            noise = rng.normal(size=(2, 40))
            held = signals(2, rng.random(40), text=noise[0], image=strength * grades + noise[1])
            made.append(Window(held, held, grades, np.sort(grades)[::-1][:10]))
        return made

    default = CatalogueWeights()
    assert choose_catalogue_weights(windows(20, 3.0)).weights == default  # too few
    telling = choose_catalogue_weights(windows(100, 1.0))
    assert telling.weights.spaces["image"] > default.spaces["image"]
    assert telling.weights.words < default.words
    assert telling.weights.spaces["text"] == default.spaces["text"]
    assert telling.ndcg is not None
    assert telling.default_ndcg is not None
    assert telling.ndcg > telling.default_ndcg + 0.05
    silent = choose_catalogue_weights(windows(100, 0.0)).weights
    assert silent.spaces["image"] <= default.spaces["image"]


def test_a_model_without_weights_is_refused() -> None:
    weights = CatalogueWeights(2.5, 1, 0.5, {"text": 1.0, "image": 2.0})
    assert CatalogueWeights.from_arrays(weights.to_arrays()) == weights
    with pytest.raises(ArtifactError, match="run `vitrine train`"):
        CatalogueWeights.from_arrays({})


def test_the_stored_ranker_serves_explains_and_keeps_unknown_products(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    data = TrainingData("shop-v1", training_log.SCHEMA, training_log.products(), Log([], []))
    titles = (
        (row, f"kind {training_log.KIND[int(id_[1:])]}", "") for row, id_ in enumerate(data.products.ids)
    )
    held = read_words(titles, len(data.products.ids), "en")
    learned = LearnedCatalogue(CatalogueWeights())
    trained = make_catalogue_ranker(data, store, learned, held, lambda *_: None)
    ranker = load_ranker(store, trained.artifacts)
    ids = [training_log.IDS[n] for n in np.random.default_rng(1).permutation(training_log.PRODUCTS)]
    request = RerankRequest(ids, "kind 1", training_log.embed(["kind 1"])[0], as_of=training_log.START)
    scores = ranker.scores(request)
    ranked = [ids[place] for place in order_of(scores)]
    assert all(training_log.KIND[int(id_[1:])] == 1 for id_ in ranked[:20])
    parts = ranker.parts(ranker.inputs(request))
    np.testing.assert_allclose(parts.scores, scores, atol=1e-4)
    text = parts.values[:, parts.signals.index("text")]
    assert text[ids.index(ranked[0])] > text[ids.index(ranked[-1])]
    without = ranker.without("text").without("image").scores(request)
    assert order_of(without) == list(range(len(ids)))  # the engine's order alone
    unknown = ranker.scores(replace(request, ids=["unknown", *ids[:20]], vectors={}))
    assert order_of(unknown)[0] == 0
    items = store.get("items", trained.artifacts.items)
    (items / "words.json").chmod(0o644)
    (items / "words.json").unlink()
    with pytest.raises(ArtifactError, match="holds no words of products"):
        load_ranker(store, trained.artifacts)


def test_its_scores_of_logged_slates_are_those_that_are_served(tmp_path: Path) -> None:
    data = TrainingData("shop-v1", training_log.SCHEMA, training_log.products(), training_log.log(40))
    products = data.products
    titles = ((row, f"kind {training_log.KIND[int(id_[1:])]}", "") for row, id_ in enumerate(products.ids))
    held, store = read_words(titles, len(products.ids), "en"), Store(str(tmp_path))
    learned = LearnedCatalogue(CatalogueWeights())
    queries = embed_log_queries([s.words for s in data.log.slates], products.dimensions, training_log.embed)
    positions = estimate_positions(impressions(data.log.slates, gains_of(data.log)))
    builder = example_builder(data.log, products, fit_scaler(products.numbers), queries, positions)
    examples = builder.examples(data.log.slates)
    scores = catalogue_scores_of(examples, products, queries, held, learned.weights)
    assert np.isneginf(scores[~examples.mask]).all()
    ranker = load_ranker(store, make_catalogue_ranker(data, store, learned, held, lambda *_: None).artifacts)
    for slate in (0, len(examples) - 1):
        mask, query = examples.mask[slate], int(examples.query[slate])
        rows = examples.items[slate][mask]
        ask = RerankRequest([products.ids[row] for row in rows], queries.texts[query], queries.vectors(query))
        inputs = ranker.inputs(ask)
        ranks = np.rint(np.exp2(-8 * examples.x[slate][mask][:, _RANK_COLUMN]) - 1).astype(np.int64)
        inputs = replace(inputs, features=replace(inputs.features, ranks=ranks))
        np.testing.assert_allclose(scores[slate][mask], ranker.score(inputs), atol=2e-3)


@pytest.fixture(scope="module")
def shop(
    engine: OpenSearch, engine_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    folder = str(tmp_path_factory.mktemp("store"))
    alias, _ = create_rerank_index(engine, Store(folder))
    yield ["--index", alias, "--url", engine_url, "--store", folder]
    delete_rerank_index(engine, alias)


def vitrine(*arguments: str) -> Any:
    result = CliRunner().invoke(main, [*arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1]) if "--json" in arguments else result.stdout


@pytest.mark.live
def test_without_a_log_the_command_serves_the_ranker_and_names_it(shop: list[str]) -> None:
    trained = vitrine("train", *shop, "--json")
    assert trained["kind"] == "catalogue"
    assert trained["training"]["catalogue"]["weights"]["text"] == 1.0
    assert trained["model"] in vitrine("model", "list", *shop)
    assert "the catalogue ranker with the weights words" in vitrine("train", "--fusion", "catalogue", *shop)
    search = ("search", "red shoes", *shop, "--json", "--size", "48", "--order")
    plain, ranked = (
        [hit["id"] for hit in vitrine(*search, order)["hits"]] for order in ("engine", "reranked")
    )
    assert sorted(ranked) == sorted(plain)
    assert ranked[0] == "p00"  # which has both words
    # p01 are red shoes whose title lacks the colour
    neither = [id_ for id_ in plain if int(id_[1:]) >= 12 and int(id_[1:]) % 12 > 1 and int(id_[1:]) % 8 != 3]
    assert all(ranked.index("p01") < ranked.index(id_) for id_ in neither)
