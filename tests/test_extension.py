"""A vector space, a feature group, a product array, a loss and a fusion are each one entry in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import training_log

from opensearch.index.fields import VectorField
from opensearch.index.spaces import SPACES, VectorSpace
from rerank.arrays import FloatArray, IndexArray
from rerank.features.behaviour import ARRAYS, BehaviourSource, ProductArray
from rerank.features.groups import (
    GROUPS,
    FeatureGroup,
    FeatureInputs,
    QueryVectors,
    dropped_columns,
    feature_names,
)
from rerank.features.product_table import read_products
from rerank.models.card import load_model, read_model_card
from rerank.models.neural.fusions import FUSIONS, NeuralFusion
from rerank.models.neural.losses import LOSSES, Loss
from rerank.models.ranker import ArtifactRanker, load_ranker
from rerank.models.rrf import rrf_after_bm25
from rerank.request import RerankRequest
from rerank.training.artifacts import TrainingData
from rerank.training.fit import TrainingSettings
from rerank.training.train import TrainingResult, make_rrf, train_ranker
from vitrine.errors import ArtifactError
from vitrine.store import Store

if TYPE_CHECKING:
    from torch import Tensor

SETTINGS = TrainingSettings(epochs=4, rate=3e-3)
AS_OF = training_log.START + 600.0 * 301


def quiet(stage: str, done: int, total: int) -> None: ...


def training_data() -> TrainingData:
    return TrainingData("shop-v1", training_log.SCHEMA, training_log.products(), training_log.log(300))


def train(store: Store, settings: TrainingSettings = SETTINGS) -> TrainingResult:
    return train_ranker(training_data(), store, training_log.embed, settings, quiet, ("fused",))


def request(trained: TrainingResult, vectors: QueryVectors) -> RerankRequest:
    history = trained.clicks[training_log.shopper_of(1)]
    return RerankRequest(training_log.IDS[:40], "kind 2", vectors, history, as_of=AS_OF)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_a_third_vector_space_is_trained_saved_and_served(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SPACES, "sound", VectorSpace("sound", "sound_vec", 0.2))
    schema = replace(
        training_log.SCHEMA,
        vectors={**training_log.SCHEMA.vectors, "sound": VectorField("ear", "words", 5)},
    )
    rng = np.random.default_rng(2)
    sounds = rng.normal(size=(training_log.PRODUCTS, 5)).tolist()
    documents = [
        {**document, **({"sound_vec": sounds[n]} if n % 4 else {})}
        for n, document in enumerate(training_log.documents())
    ]

    def embed(texts: Sequence[str]) -> list[QueryVectors]:
        vectors = training_log.embed(texts)
        return [{**vector, "sound": np.eye(5, dtype=np.float32)[0]} for vector in vectors]

    data = TrainingData("shop-v1", schema, read_products(documents, schema), training_log.log(300))
    assert data.products.has["sound"].sum() == 60
    trained = train_ranker(data, store, embed, SETTINGS, quiet, ("fused",))
    card = read_model_card(store.get("models", trained.artifacts.model))
    assert card.dimensions == {"text": 12, "image": 12, "sound": 5}
    assert card.encoders["sound"] == "ear"
    assert {"sound_cosine", "sound_missing", "sound_nearest", "sound_mean"} <= set(card.features)
    assert trained.comparison is not None
    assert "sound cosine" in {row.ranker for row in trained.comparison.rows}
    ranker = load_ranker(store, trained.artifacts)
    vectors = embed(["kind 2"])[0]
    scores = ranker.scores(request(trained, vectors))
    without = {space: vector for space, vector in vectors.items() if space != "sound"}
    assert np.isfinite(scores).all()
    assert np.abs(ranker.scores(request(trained, without)) - scores).max() > 1e-5
    rrf = make_rrf(data, store, rrf_after_bm25(), quiet)
    fused = load_ranker(store, rrf.artifacts).scores(request(trained, vectors))
    assert np.abs(load_ranker(store, rrf.artifacts).scores(request(trained, without)) - fused).max() > 0


def co_clicks(source: BehaviourSource, rows: IndexArray | slice) -> FloatArray:
    """Return, by product, how many shoppers clicked it: a stand-in for collaborative factors, (n, 2)."""
    counts = np.zeros((len(source.products.ids), 2), dtype=np.float32)
    for clicks in source.clicks.values():
        counts[[row for row, _ in clicks], 0] += 1
    counts[:, 1] = 1.0
    return np.asarray(counts[rows])


def co_click_scores(inputs: FeatureInputs) -> FloatArray:
    if inputs.history is None:
        return np.zeros((len(inputs), 1), dtype=np.float32)
    factors, clicked = (p.arrays["co_clicks"] for p in (inputs.candidates, inputs.history))
    return np.asarray(np.log1p(factors @ clicked.mean(axis=0))[:, None])


def test_a_feature_of_the_log_is_one_group_and_one_array(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = train(store).artifacts
    with monkeypatch.context() as patch:
        patch.setitem(ARRAYS, "co_clicks", ProductArray(co_clicks, 0.0))
        patch.setitem(GROUPS, "co_clicks", FeatureGroup(lambda _: ("co_clicks",), co_click_scores, "history"))
        trained = train(store)
        ranker = load_ranker(store, trained.artifacts)
        ask = request(trained, training_log.embed(["kind 2"])[0])
        rows = ranker.feature_rows(ask, range(40))
        column = rows.names.index("co_clicks")
        assert rows.values[:, column].std() > 0
        assert not ranker.feature_rows(replace(ask, history=()), range(40)).values[:, column].any()
        # training drops the column together with the history
        plan = training_data().products.plan
        assert feature_names(plan).index("co_clicks") in dropped_columns(plan)["history"].values
        assert len(set(ranker.scores(ask).tolist())) > 30
        with pytest.raises(ArtifactError, match=r"other features than this release computes \(co_clicks\)"):
            load_model(store.get("models", before.model))
    with pytest.raises(ArtifactError, match=r"other features than this release computes \(co_clicks\)"):
        load_model(store.get("models", trained.artifacts.model))


def margin(outputs: Tensor, gains: Tensor, mask: Tensor, offsets: Tensor) -> Tensor:
    """Return max(0, 1 + s_j - s_i) over pairs of a slate in which i has the higher gain."""
    adjusted = outputs[..., 0] + offsets
    difference = adjusted[:, None, :] - adjusted[:, :, None]
    pairs = (gains[:, :, None] > gains[:, None, :]) & mask[:, :, None] & mask[:, None, :]
    return (1 + difference[pairs]).clamp(min=0).mean()


def test_a_loss_is_one_entry(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "margin", Loss(margin))
    trained = train(store, replace(SETTINGS, loss="margin"))
    assert trained.training["settings"]["loss"] == "margin"
    assert (
        trained.training["validation loss of equal scores"]
        != train(store).training["validation loss of equal scores"]
    )


def test_a_neural_fusion_is_one_entry(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        FUSIONS, "copy", NeuralFusion(FUSIONS["gated"].training_class, FUSIONS["gated"].served_class)
    )
    trained = train(store, replace(SETTINGS, fusion="copy"))
    assert read_model_card(store.get("models", trained.artifacts.model)).fusion == "copy"
    assert isinstance(load_ranker(store, trained.artifacts), ArtifactRanker)
    monkeypatch.delitem(FUSIONS, "copy")
    with pytest.raises(ArtifactError, match="with fusion 'copy'; this release serves"):
        load_ranker(store, trained.artifacts)
