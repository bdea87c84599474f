"""Training end to end: from an index and a log on a live node to a pointer, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from support import training_log

from opensearch.logs.profiles import Click
from rerank.features.groups import fit_scaler
from rerank.models.ranker import load_ranker, order_of
from rerank.models.served import FusedModel
from rerank.request import RerankRequest
from rerank.training.events import Event, Log
from rerank.training.fit import Settings, SlateDataset, fit, score
from rerank.training.propensity import estimate_positions
from rerank.training.slates import ExampleMaker, gains_of, showings
from rerank.training.train import Trained, TrainingData, _card, _queries, _store, train_fused
from vitrine.errors import RerankError
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

ALIAS = "learn-test"
SETTINGS = Settings(epochs=12, rate=3e-3)


def quiet(stage: str, done: int, total: int) -> None: ...


def ground(log: Log) -> TrainingData:
    return TrainingData("shop-v1", training_log.SCHEMA, training_log.catalogue(), log)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Trained]:
    store = Store(str(tmp_path_factory.mktemp("store")))
    return store, train_fused(ground(training_log.log()), store, training_log.embed, SETTINGS, quiet)


def ranked(store: Store, trained: Trained, shopper: int, ids: list[str]) -> list[str]:
    """What a shopper of the small shop sees for "kind 2", with the clicks of the log."""
    vectors = training_log.embed(["kind 2"])[0]
    history = tuple(trained.clicks[f"{shopper:032x}"])
    as_of = training_log.START + 600.0 * 901
    request = RerankRequest(ids, "kind 2", vectors, history, as_of)
    return [ids[n] for n in order_of(load_ranker(store, trained.artifacts).scores(request))]


def test_the_model_beats_the_engine_without_position_bias(trained: tuple[Store, Trained]) -> None:
    comparison = trained[1].comparison
    assert comparison is not None
    rows = {row.arm: row for row in comparison.rows}
    assert {"engine order", "rank fusion", "LightGBM LambdaMART", "fused model"} <= rows.keys()
    assert rows["fused model"].unbiased.difference.low > 0


def test_two_shoppers_see_their_own_styles_first(trained: tuple[Store, Trained]) -> None:
    ids = [i for n, i in enumerate(training_log.IDS) if training_log.KIND[n] == 2]
    for shopper in (0, 1, 2):
        best = ranked(*trained, shopper, ids)[:5]
        assert sum(training_log.STYLE[int(i[1:])] == shopper for i in best) >= 4, shopper


def test_served_scores_are_those_of_training(tmp_path: Path) -> None:
    """From ids, history and the artifacts alone come the scores that the network gives the same slate in training."""
    log = training_log.log(400)
    shown = log.slates[7].engine[:12]
    last = replace(
        log.slates[7], query_id="last", at=log.slates[-1].at + 7200.0, engine=shown, shown=shown, arm="engine"
    )
    log = Log([*log.slates, last], [*log.events, Event("last", "click", shown[3], last.at + 5, last.shopper)])
    here, store = ground(log), Store(str(tmp_path))
    positions = estimate_positions(showings(log.slates, gains_of(log)))
    queries, scaler = _queries(here, training_log.embed), fit_scaler(here.catalogue.numbers)
    maker = ExampleMaker(log, here.catalogue, scaler, queries, positions)
    examples = maker.examples(log.slates)  # and the counters now stand at the last slate
    material = SlateDataset(here.catalogue, scaler, queries, maker.features)
    parts = examples.part(slice(200)), examples.part(slice(200, None))
    network = fit(material, *parts, positions, Settings(epochs=3, rate=3e-3)).network
    wanted = score(network, material, examples.part(slice(-1, None)))[0, :12]
    weights = network.served(scaler)
    card = _card("fused", here, {}, None)
    artifacts = _store(here, store, card, weights, FusedModel(weights), maker.history, scaler)
    clicks = maker.history.clicks[str(last.shopper)]
    vectors = training_log.embed([last.query])[0]
    request = RerankRequest(
        shown,
        last.query,
        vectors,
        [Click(here.catalogue.ids[row], at) for row, at in clicks],
        last.at,
    )
    served = load_ranker(store, artifacts).scores(request)
    assert len(clicks) > 5
    np.testing.assert_allclose(served - served.mean(), wanted - wanted.mean(), atol=2e-3 * wanted.std())


def test_too_few_clicks_say_how_many_there_are(tmp_path: Path) -> None:
    log = training_log.log(60)
    with pytest.raises(
        RerankError, match=r"has 60 searches, \d+ of them with a click .* at least 100 are needed"
    ):
        train_fused(ground(log), Store(str(tmp_path)), training_log.embed, SETTINGS, quiet)


def test_clicks_at_random_teach_nothing_and_say_so(tmp_path: Path) -> None:
    log = training_log.log(600)
    rng = np.random.default_rng(0)
    events = [
        Event(s.query_id, "click", str(rng.choice(s.shown[:12])), s.at + 5)
        for s in log.slates
        if not s.random
    ]
    with pytest.raises(RerankError, match=r"learned nothing|diverged"):
        train_fused(
            ground(Log(log.slates, events)),
            Store(str(tmp_path)),
            training_log.embed,
            Settings(epochs=2, rate=1.0),
            quiet,
        )


# ---- on a live node


@pytest.fixture(scope="module")
def shop(engine: OpenSearch) -> Iterator[OpenSearch]:
    from opensearch.index.bulk import Action, write
    from opensearch.index.versions import create_version, publish
    from opensearch.logs.pointer import drop_pointer

    index = create_version(engine, ALIAS, training_log.SCHEMA)
    actions = (Action("index", d["id"], {**d, "language": "en"}) for d in training_log.documents())
    assert not [o for o in write(engine, index, actions) if o.reason]
    publish(engine, ALIAS, index)
    yield engine
    drop_pointer(engine, ALIAS)
    engine.indices.delete(index=index)
    for name, field in (
        ("ubi_queries", "application"),
        ("ubi_events", "application"),
        ("vitrine-slates", "alias"),
        ("vitrine-shoppers", "alias"),
    ):
        engine.delete_by_query(
            index=name,
            body={"query": {"term": {field: ALIAS}}},
            params={"ignore_unavailable": "true", "refresh": "true", "conflicts": "proceed"},
        )


def write_log(engine: OpenSearch, log: Log) -> None:
    from opensearch.logs.slates import write_slates
    from opensearch.logs.ubi import write_events

    def iso(at: float) -> str:
        from datetime import UTC, datetime

        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")

    slates = [
        {
            "query_id": s.query_id,
            "alias": ALIAS,
            "at": iso(s.at),
            "query": s.query,
            "shopper": s.shopper,
            "engine": s.engine,
            "shown": s.shown[: s.viewed],
            "window": 30,
            "arm": s.arm,
        }
        for s in log.slates
    ]
    events = [
        {
            "application": ALIAS,
            "action_name": e.action,
            "query_id": e.query_id,
            "client_id": e.shopper,
            "timestamp": iso(e.at),
            "event_attributes": {"object": {"object_id": e.id, "object_id_field": "id"}},
        }
        for e in log.events
    ]
    assert not write_slates(engine, slates)
    assert not write_events(engine, events)


@pytest.mark.live
def test_from_the_command_line_to_the_pointer_and_back(
    shop: OpenSearch, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opensearch.logs.pointer import read_pointer
    from opensearch.logs.profiles import read_profile
    from rerank.query_encoders import QueryEncoders
    from vitrine.cli import main

    monkeypatch.setenv("VITRINE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(QueryEncoders, "batch", lambda _, texts, __: training_log.embed(texts))
    common = ["--index", ALIAS, "--url", engine_url]

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, [*words, *common])
        assert result.exit_code == code, result.output
        return result.output

    def told(*words: str) -> Any:
        return json.loads(run(*words, "--json").splitlines()[-1])

    assert "No model" in run("model", "list")
    assert "no model for alias" in run("model", "rollback", code=1)

    first = told("train")
    assert (first["kind"], first["comparison"]) == ("fusion", None)

    write_log(shop, training_log.log())
    second = told("train", "--epochs", "8", "--rate", "0.003")
    assert second["kind"] == "fused"
    assert second["training"]["searches"] == 900
    pointer = read_pointer(shop, ALIAS)
    assert pointer is not None
    assert (pointer.model, pointer.items) == (second["model"], second["items"])
    ranker = load_ranker(Store(str(tmp_path / "store")), pointer)
    profile = read_profile(shop, ALIAS, f"{1:032x}")
    assert len(profile) == 50
    history = [Click(click.id, click.at) for click in profile]
    scores = ranker.scores(
        RerankRequest(training_log.IDS[:40], "kind 1", history=history, as_of=profile[-1].at)
    )
    assert len(set(scores.tolist())) > 30

    assert first["model"] in run("model", "rollback")
    assert "there is none before it" in run("model", "rollback", code=1)
    assert second["model"] in run("model", "use", second["model"])
    assert "was never in service" in run("model", "use", "nonsense", code=1)
    listed = told("model", "list")
    assert [row["model"] for row in listed] == [
        second["model"],
        first["model"],
        second["model"],
        first["model"],
    ]
    assert [row["in service"] for row in listed] == [True, False, False, False]
    assert second["model"] in run("model", "list")


@pytest.mark.live
def test_a_wrong_index_name_is_named(engine_url: str, tmp_path: Path) -> None:
    from vitrine.cli import main

    words = ["train", "--index", "nobody-made-this", "--url", engine_url, "--store", str(tmp_path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert "nobody-made-this" in result.output
