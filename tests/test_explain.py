"""Explanations of scores: they add up, a signal that is unknown adds nothing, and equal signals add the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import training_log

from opensearch.logs.profiles import Click
from rerank.arrays import FloatArray
from rerank.explanation import explain_ranking
from rerank.features.behaviour import BehaviourSnapshot, BehaviourSource
from rerank.features.groups import ENGINE, FeaturePlan, feature_names, signal_columns
from rerank.features.item_table import ItemTable, build_items
from rerank.features.product_table import read_products
from rerank.features.scaler import fit_scaler
from rerank.models.card import load_model
from rerank.models.explain import column_parts, shapley
from rerank.models.neural.fusions import FUSIONS
from rerank.models.neural.mixing import GatedNetwork
from rerank.models.neural.network import NetworkSizes
from rerank.models.neural.served import GatedModel
from rerank.models.ranker import ArtifactRanker, FeatureStore, load_ranker
from rerank.models.rrf import rrf_after_bm25
from rerank.models.scorers import NeuralScorer
from rerank.request import RerankRequest
from rerank.rules.window import UNAVAILABLE, apply_rules
from rerank.training.artifacts import TrainedModel, TrainingData, store_artifacts
from rerank.training.behaviour.as_of import Behaviour
from rerank.training.log.events import gains_of
from rerank.training.propensity import estimate_positions, impressions
from rerank.training.train import make_rrf
from vitrine.store import ArtifactSet, Store

AS_OF = training_log.START + 600.0 * 301
SIGNALS = ("text", "image", "numbers", "behaviour")


def quiet(stage: str, done: int, total: int) -> None: ...


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData("shop-v1", training_log.SCHEMA, training_log.products(), training_log.log(300))


@pytest.fixture(scope="module")
def artifacts(store: Store, data: TrainingData) -> ArtifactSet:
    """A network with random weights, which depends on all of its inputs, and the behaviour of the whole log."""
    products, names = data.products, feature_names(data.products.plan)
    torch.manual_seed(11)
    network = GatedNetwork(NetworkSizes(products.dimensions, len(products.number_names), len(names)))
    network.standardise(np.random.default_rng(5).normal(size=(50, len(names))).astype(np.float32))
    scaler = fit_scaler(products.numbers)
    weights = network.served(scaler)
    numbers = scaler.scale(products.numbers)
    positions = estimate_positions(impressions(data.log.slates, gains_of(data.log)))
    tables = Behaviour(data.log, products, numbers, positions).tables()
    model = TrainedModel("neural", weights, GatedModel(weights, tuple(products.dimensions)), "gated")
    return store_artifacts(store, data, model, BehaviourSource(products, numbers), tables)


@pytest.fixture(scope="module")
def neural(store: Store, artifacts: ArtifactSet) -> ArtifactRanker:
    return load_ranker(store, artifacts)


@pytest.fixture(scope="module")
def rrf(store: Store, data: TrainingData) -> ArtifactRanker:
    return load_ranker(store, make_rrf(data, store, rrf_after_bm25(), quiet).artifacts)


@st.composite
def requests(draw: st.DrawFn) -> RerankRequest:
    """A window with unknown products among the known ones, and a query and a shopper that may lack anything."""
    ids = draw(
        st.lists(st.sampled_from([*training_log.IDS, "x1", "x2"]), min_size=1, max_size=30, unique=True)
    )
    query = draw(st.sampled_from(["kind 0", "kind 3", "anything"]))
    vectors = {
        space: vector for space, vector in training_log.embed([query])[0].items() if draw(st.booleans())
    }
    clicked = draw(st.lists(st.sampled_from(training_log.IDS), max_size=6))
    history = [Click(product, AS_OF - 3600.0 * n) for n, product in enumerate(clicked)]
    shopper = draw(st.sampled_from([None, training_log.shopper_of(1)]))
    return RerankRequest(ids, query, vectors, history, as_of=AS_OF, shopper=shopper)


@settings(max_examples=25, deadline=None)
@given(request=requests())
def test_the_parts_add_up_to_the_score_of_every_ranker(
    neural: ArtifactRanker, rrf: ArtifactRanker, request: RerankRequest
) -> None:
    for ranker in (neural, rrf):
        inputs = ranker.inputs(request)
        parts = ranker.parts(inputs)
        assert parts.signals == SIGNALS
        np.testing.assert_allclose(parts.scores, ranker.score(inputs), atol=1e-4)
        # the base of a known product is the served score of one of which nothing is known
        if isinstance(ranker._scorer, NeuralScorer) and inputs.known.all():
            nothing = ranker
            for signal in SIGNALS:
                nothing = nothing.without(signal)
            np.testing.assert_allclose(parts.base, nothing.score(inputs), atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(request=requests())
def test_a_signal_that_a_product_lacks_adds_nothing(neural: ArtifactRanker, request: RerankRequest) -> None:
    inputs = neural.inputs(request)
    values = dict(zip(SIGNALS, neural.parts(inputs).values.T, strict=True))
    for space in ("text", "image"):
        assert not values[space][~inputs.rows.has[space]].any()
        assert values[space][inputs.rows.has[space] & inputs.known].all()
    assert not np.array(list(values.values()))[:, ~inputs.known].any()
    without_log = replace(
        inputs,
        click_rows=None,
        features=replace(inputs.features, history=None, affinities=None, rates=inputs.features.rates * 0),
    )
    assert not neural.parts(without_log).values[:, SIGNALS.index("behaviour")].any()


@settings(max_examples=12, deadline=None)
@given(request=requests())
def test_signals_that_a_model_reads_alike_add_the_same(
    store: Store, artifacts: ArtifactSet, neural: ArtifactRanker, request: RerankRequest
) -> None:
    """The model made symmetric in text and image, and products whose image is their text."""
    card, weights = load_model(store.get("models", artifacts.model))
    model = GatedModel(symmetric(weights, card.plan), tuple(card.dimensions))
    inputs = neural.inputs(replace(request, ids=[i for i in request.ids if i in training_log.IDS] or ["p1"]))
    vectors = dict.fromkeys(("text", "image"), inputs.rows.vectors["text"])
    has = inputs.rows.has["text"]
    numbers = model.scaler.unscale(inputs.features.candidates.numbers)
    present = inputs.rows.present.copy()
    present[:, 0] = present[:, 1] = has
    values = np.concatenate([*vectors.values(), model.rows(vectors, numbers)], axis=1)
    rows = replace(inputs.rows, values=values, present=present)
    query = dict.fromkeys(("text", "image"), training_log.embed(["kind 1"])[0]["text"])
    candidates = replace(inputs.features.candidates, vectors=vectors, has=dict.fromkeys(vectors, has))
    alike = replace(
        inputs,
        rows=rows,
        features=replace(inputs.features, candidates=candidates, query=query, history=None, affinities=None),
        click_rows=None,
    )
    parts = NeuralScorer(model, card.plan).parts(alike)
    np.testing.assert_allclose(parts.values[:, 0], parts.values[:, 1], atol=1e-5)
    assert parts.values[has, 0].all()


def symmetric(weights: dict[str, FloatArray], plan: FeaturePlan) -> dict[str, FloatArray]:
    """Return the weights averaged with those of the same model with text and image exchanged."""
    names, hidden = feature_names(plan), len(weights["query.bias"])
    columns = [names.index(_exchanged(name)) for name in names]
    blocks = np.arange(3 * hidden).reshape(3, hidden)[[1, 0, 2]].ravel()
    exchanged = {}
    for name, array in weights.items():
        other = weights[_exchanged(name)]
        if name in ("x", "gate.x"):
            other = other[columns]
        if name.startswith("item."):
            other = other[blocks]
        if name.startswith("gate.") or name == "item.gates":
            other = other[..., [1, 0, 2]]
        exchanged[name] = ((array + other) / 2).astype(np.float32)
    return exchanged


def _exchanged(name: str) -> str:
    return name.replace("text", "?").replace("image", "text").replace("?", "image")


@given(st.lists(st.floats(-9, 9), min_size=16, max_size=16))
def test_shapley_values_are_the_mean_over_all_orders(table: list[float]) -> None:
    def value(known: Collection[str]) -> list[float]:
        return [table[sum(2 ** SIGNALS.index(signal) for signal in known)]]

    expected = np.zeros(4)
    for order in permutations(
        SIGNALS
    ):  # as Shapley defines them: what each adds when they come in one by one
        for place, signal in enumerate(order):
            before, after = value(order[:place]), value(order[: place + 1])
            expected[SIGNALS.index(signal)] += (after[0] - before[0]) / 24
    parts = shapley(value, SIGNALS)
    np.testing.assert_allclose(parts.values[0], expected, atol=1e-9)
    assert parts.base.tolist() == [table[0]]


def variant(
    change: Callable[[dict[str, Any]], dict[str, Any]], folder: Path, store: Store, names: ArtifactSet
) -> ArtifactRanker:
    """The model over an item table of other products."""
    card, weights = load_model(store.get("models", names.model))
    model = FUSIONS["gated"].served(weights, tuple(card.dimensions))
    products = read_products((change(document) for document in training_log.documents()), training_log.SCHEMA)
    build_items(products, model, {}, folder)
    behaviour = BehaviourSnapshot.open(store.get("behaviour", names.behaviour))
    return ArtifactRanker(
        names, NeuralScorer(model, card.plan), FeatureStore(ItemTable.open(folder), behaviour)
    )


def test_a_masked_image_is_what_the_model_reads_of_products_without_one(
    neural: ArtifactRanker, store: Store, artifacts: ArtifactSet, tmp_path: Path
) -> None:
    other = variant(lambda document: {**document, "images": []}, tmp_path, store, artifacts)
    request = RerankRequest(training_log.IDS[:40], "kind 2", training_log.embed(["kind 2"])[0], as_of=AS_OF)
    masked = neural.without("image").scores(request)
    np.testing.assert_allclose(masked, other.scores(request), atol=1e-4)
    assert np.abs(masked - neural.scores(request)).max() > 1e-2


def test_masked_numbers_are_those_of_a_product_at_the_medians(
    neural: ArtifactRanker, store: Store, artifacts: ArtifactSet, tmp_path: Path
) -> None:
    _, weights = load_model(store.get("models", artifacts.model))
    medians = dict(zip(("price", "stock"), weights["scaler.centre"].tolist(), strict=True))

    def at_median(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "numbers": {name: medians[name] for name in document["numbers"]}}

    other = variant(at_median, tmp_path, store, artifacts)
    request = RerankRequest(training_log.IDS[:40], "kind 2", training_log.embed(["kind 2"])[0], as_of=AS_OF)
    inputs = other.inputs(
        request
    )  # the columns come from the behaviour snapshot, which is of the real products
    inputs = replace(inputs, features=neural.inputs(request).features)
    expected = other.without("numbers").score(inputs)
    np.testing.assert_allclose(neural.without("numbers").scores(request), expected, atol=1e-4)
    assert np.abs(expected - neural.scores(request)).max() > 1e-2


def test_lambdamart_is_explained_by_its_own_contributions(data: TrainingData, neural: ArtifactRanker) -> None:
    import lightgbm

    rng = np.random.default_rng(1)
    plan = data.products.plan
    x = rng.normal(size=(300, len(feature_names(plan)))).astype(np.float32)
    labels = (x[:, 0] + x[:, 3] + rng.normal(size=300) > 0).astype(np.int64)
    booster = lightgbm.train(
        {"objective": "lambdarank", "verbosity": -1, "num_threads": 1},
        lightgbm.Dataset(x, label=labels, group=[30] * 10),
        num_boost_round=10,
    )
    parts = column_parts(np.asarray(booster.predict(x, pred_contrib=True)), plan)
    np.testing.assert_allclose(parts.scores, booster.predict(x), atol=1e-4)
    assert np.abs(parts.values).max(axis=0)[:2].min() > 0


def test_every_column_belongs_to_one_signal(data: TrainingData) -> None:
    columns = signal_columns(data.products.plan)
    assert set(columns) == {ENGINE, *SIGNALS}
    every = sorted(column for of in columns.values() for column in of.all)
    assert every == list(range(len(feature_names(data.products.plan))))


def explained(ranker: Any, request: RerankRequest) -> Iterator[tuple[str, float, Any]]:
    inputs = ranker.inputs(request)
    scores = ranker.score(inputs)
    window = explain_ranking(ranker, inputs, scores, apply_rules(request, scores))
    for place, score in zip(window.order, window.scores, strict=True):
        yield request.ids[place], score, window.explanations[place]


def test_a_rule_is_named_with_what_it_adds(neural: ArtifactRanker) -> None:
    request = RerankRequest(
        training_log.IDS[:9], "kind 2", training_log.embed(["kind 2"])[0], as_of=AS_OF, unavailable={"p3"}
    )
    hits = list(explained(neural, request))
    for product, score, found in hits:
        total = found.base + sum(found.parts.values()) + sum(found.rules.values())
        assert total == pytest.approx(score, abs=1e-4)
        assert found.engine_rank == 1 + training_log.IDS.index(product)
        assert set(found.rules) == ({UNAVAILABLE} if product == "p3" else set())
    assert hits[-1][2].rules[UNAVAILABLE] < -1


def test_an_explanation_that_fails_leaves_the_order(
    neural: ArtifactRanker, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ArtifactRanker):
        def parts(self, inputs: Any) -> Any:
            raise ZeroDivisionError

    broken = Broken(neural.artifacts, neural._scorer, neural._tables)
    request = RerankRequest(training_log.IDS[:9], "kind 2", as_of=AS_OF, vectors={})
    assert [(i, score) for i, score, _ in explained(broken, request)] == [
        (i, score) for i, score, _ in explained(neural, request)
    ]
    assert [found.base for _, _, found in explained(broken, request)] == sorted(neural.scores(request))[::-1]
    assert "not explained: ZeroDivisionError" in caplog.text
