"""Rankers as they are served: orders, unknown products, artifacts that belong together."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import training_log

from opensearch.logs.profiles import Click
from rerank.models.card import load_model, read_model_card, save_model
from rerank.models.ranker import load_ranker, order_of, pin_unknown
from rerank.models.rrf import DECISION_FUSIONS, RRF_AFTER_HYBRID, RRFSettings, rrf_after_bm25, rrf_scores
from rerank.request import RerankRequest
from rerank.training.artifacts import TrainingData
from rerank.training.log.events import Log
from rerank.training.train import TrainingResult, make_rrf
from vitrine.errors import ArtifactError, RerankError
from vitrine.store import ArtifactSet, Store

AS_OF = training_log.START + 900 * 600.0


def quiet(stage: str, done: int, total: int) -> None: ...


def training_data(log: Log | None = None) -> TrainingData:
    return TrainingData("shop-v1", training_log.SCHEMA, training_log.products(), log or Log([], []))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def rrf(store: Store) -> TrainingResult:
    return make_rrf(training_data(training_log.log(300)), store, rrf_after_bm25(), quiet)


def request(ids: list[str], query: str = "kind 1", **given: object) -> RerankRequest:
    values: dict[str, object] = {"vectors": training_log.embed([query])[0], "as_of": AS_OF}
    return RerankRequest(ids, query, **{**values, **given})  # type: ignore[arg-type]


@given(st.lists(st.floats(-5, 5, width=32), max_size=12), st.data())
def test_unknown_products_keep_their_position_and_known_ones_their_order(
    scores: list[float], data: st.DataObject
) -> None:
    known = np.array([data.draw(st.booleans()) for _ in scores], dtype=bool)
    values = np.array(scores, dtype=np.float32)
    order = order_of(pin_unknown(values, known))
    assert sorted(order) == list(range(len(scores)))
    assert [order[place] for place in np.flatnonzero(~known)] == np.flatnonzero(~known).tolist()
    expected = [place for place in order_of(np.where(known, values, 0)) if known[place]]
    assert [place for place in order if known[place]] == expected


def test_equal_scores_keep_engine_order() -> None:
    assert order_of([1.0, 2.0, 1.0, 2.0]) == [1, 3, 0, 2]


def test_votes_by_hand() -> None:
    signals = {"engine": np.array([3.0, 2.0, 1.0]), "text": np.array([1.0, np.nan, 2.0])}
    # engine gives 1, 2/3, 1/3; text gives the third 1 and the first 2/3, and the second has no text
    votes = DECISION_FUSIONS["votes"](signals, {"engine": 3.0, "text": 1.0})
    assert votes.tolist() == pytest.approx([(1 + 2 / 3) / 2, 2 / 3, (1 / 3 + 1) / 2])
    weighted = DECISION_FUSIONS["weighted votes"](signals, {"engine": 3.0, "text": 1.0})
    assert weighted.tolist() == pytest.approx([(3 + 2 / 3) / 4, 2 / 3, (1 + 1) / 4])


def test_rrf_scores_by_hand() -> None:
    signals = np.array([[3.0, 0.1], [2.0, np.nan], [1.0, 0.9]], dtype=np.float32)
    scores = rrf_scores(
        {"engine": signals[:, 0], "text": signals[:, 1]}, {"engine": 1.0, "text": 0.5}, offset=1.0
    )
    expected = [(1 / 2 + 0.5 / 3) / 1.5, 1 / 3, (1 / 4 + 0.5 / 2) / 1.5]  # the second has only one signal
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_rrf_ranks_products_that_fit_the_query_higher(store: Store, rrf: TrainingResult) -> None:
    ranker = load_ranker(store, rrf.artifacts)
    ids = [training_log.IDS[n] for n in np.random.default_rng(1).permutation(training_log.PRODUCTS)]
    order = np.array(order_of(ranker.scores(request(ids))))
    fits = np.array([training_log.KIND[int(i[1:])] == 1 for i in ids])
    assert np.flatnonzero(fits[order]).mean() < np.flatnonzero(fits).mean() - 10
    assert ranker.artifacts == rrf.artifacts


def test_rrf_of_a_hybrid_order_corrects_the_ranks_of_products_without_image(store: Store) -> None:
    result = make_rrf(training_data(), store, replace(RRF_AFTER_HYBRID, missing_image_correction=2.0), quiet)
    ranker = load_ranker(store, result.artifacts)
    ids = training_log.IDS[10:20]  # of them p18 has no image, at rank 9
    order = [ids[place] for place in order_of(ranker.scores(request(ids)))]
    assert order.index("p18") == 4  # as if at rank 4.5
    assert [id_ for id_ in order if id_ != "p18"] == [id_ for id_ in ids if id_ != "p18"]
    # without an image sub-query nothing is lost
    text_only = {"text": training_log.embed(["kind 1"])[0]["text"]}
    assert order_of(ranker.scores(request(ids, vectors=text_only))) == list(range(10))


def test_an_rrf_without_weights_is_refused() -> None:
    with pytest.raises(ArtifactError, match="vitrine train --fusion rrf"):
        RRFSettings.from_arrays({})


def test_scores_are_finite_without_vectors_and_for_unknown_products(
    store: Store, rrf: TrainingResult
) -> None:
    ranker = load_ranker(store, rrf.artifacts)
    ids = [*training_log.IDS[:20], "unknown"]
    scores = ranker.scores(request(ids, vectors={}, query="?"))
    assert np.isfinite(scores).all()
    assert len(scores) == 21
    assert ranker.scores(request([])).shape == (0,)


def test_a_vector_of_another_encoder_is_refused(store: Store, rrf: TrainingResult) -> None:
    ranker = load_ranker(store, rrf.artifacts)
    with pytest.raises(RerankError, match="the item table holds 12 values"):
        ranker.scores(request(["p1"], vectors={"text": np.ones(3, dtype=np.float32)}))


def test_clicks_on_unknown_products_change_nothing(store: Store, rrf: TrainingResult) -> None:
    ranker = load_ranker(store, rrf.artifacts)
    known = ranker.scores(request(training_log.IDS[:9], history=[Click("unknown", AS_OF + 50)]))
    np.testing.assert_array_equal(known, ranker.scores(request(training_log.IDS[:9])))


def test_tables_of_another_model_are_refused(store: Store, rrf: TrainingResult) -> None:
    other = make_rrf(training_data(), store, rrf_after_bm25(), quiet)
    mixed = ArtifactSet(rrf.artifacts.model, other.artifacts.items, rrf.artifacts.behaviour)
    with pytest.raises(ArtifactError, match=rf"item table was built for model {other.artifacts.model}"):
        load_ranker(store, mixed)


def test_a_model_with_other_features_is_refused(store: Store, rrf: TrainingResult, tmp_path: Path) -> None:
    card, weights = load_model(store.get("models", rrf.artifacts.model))
    save_model(tmp_path / "m", card, weights)
    assert read_model_card(tmp_path / "m") == card
    document = json.loads((tmp_path / "m" / "model.json").read_text())
    (tmp_path / "m" / "model.json").write_text(json.dumps({**document, "features_version": 99}))
    with pytest.raises(ArtifactError, match="version 99 of the features"):
        load_model(tmp_path / "m")
    (tmp_path / "m" / "model.json").write_text("{")
    with pytest.raises(ArtifactError, match="holds no model"):
        load_model(tmp_path / "m")


def test_serving_imports_no_torch() -> None:
    code = "import sys, rerank.models.ranker; assert 'torch' not in sys.modules and 'lightgbm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
