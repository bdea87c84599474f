"""Training end to end: from an index and a log on the live node to a pointer, and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from click.testing import CliRunner
from support import training_log
from support.rerank_index import drop_pointer

from opensearch.logs.profiles import Click
from rerank.audience import likely_audience
from rerank.commands.train import CANDIDATE_NAMES
from rerank.features.behaviour import BehaviourSource
from rerank.features.scaler import fit_scaler
from rerank.models.neural.losses import LOSSES
from rerank.models.neural.served import GatedModel
from rerank.models.ranker import load_ranker, order_of
from rerank.request import RerankRequest
from rerank.shoppers import sealed, shopper_hash
from rerank.training.artifacts import TrainedModel, TrainingData, store_artifacts
from rerank.training.candidates import CANDIDATES
from rerank.training.collaborative.stream import NeighboursAsOf
from rerank.training.comparison.compare import Comparison
from rerank.training.dataset import SlateDataset
from rerank.training.examples import embed_log_queries, example_builder
from rerank.training.fit import TrainingSettings, fit, score
from rerank.training.log.events import Event, Log, gains_of
from rerank.training.log.product_ids import column_values
from rerank.training.propensity import estimate_positions, impressions
from rerank.training.train import TrainingResult, train_ranker
from vitrine.errors import NothingLearnedError, RerankError, SmallLogError
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

ALIAS = f"learn-{uuid4().hex[:8]}"
SETTINGS = TrainingSettings(epochs=12, rate=3e-3)


def quiet(stage: str, done: int, total: int) -> None: ...


def training_data(log: Log) -> TrainingData:
    return TrainingData("shop-v1", training_log.SCHEMA, training_log.products(), log)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, TrainingResult]:
    store = Store(str(tmp_path_factory.mktemp("store")))
    return store, train_ranker(training_data(training_log.log()), store, training_log.embed, SETTINGS, quiet)


def ranked(store: Store, trained: TrainingResult, shopper: int, ids: list[str]) -> list[str]:
    """What a shopper of the small shop sees for "kind 2", with the clicks of the log."""
    vectors = training_log.embed(["kind 2"])[0]
    history = tuple(trained.clicks[training_log.shopper_of(shopper)])
    as_of = training_log.START + 600.0 * 901
    request = RerankRequest(ids, "kind 2", vectors, history, as_of)
    return [ids[n] for n in order_of(load_ranker(store, trained.artifacts).scores(request))]


def test_the_model_beats_the_engine_without_position_bias(trained: tuple[Store, TrainingResult]) -> None:
    comparison = trained[1].comparison
    assert comparison is not None
    rows = {row.ranker: row for row in comparison.rows}
    assert {"engine order", "fusion without learning", "LightGBM LambdaMART", "neural fusion"} <= rows.keys()
    assert rows["neural fusion"].unbiased.difference.low > 0


def test_the_best_candidate_is_ablated(trained: tuple[Store, TrainingResult]) -> None:
    comparison = trained[1].comparison
    assert comparison is not None
    rows = {row.signal: row.unbiased.difference for row in comparison.ablations}
    assert list(rows) == ["engine", "text", "image", "numbers", "behaviour"]
    assert rows["behaviour"].high < 0  # shoppers of the small shop prefer a style, which no query names
    assert Comparison.from_dict(json.loads(json.dumps(comparison.to_dict()))) == comparison


def test_shoppers_see_the_style_they_prefer_first(trained: tuple[Store, TrainingResult]) -> None:
    ids = [i for n, i in enumerate(training_log.IDS) if training_log.KIND[n] == 2]
    for shopper in (0, 1, 2):
        best = ranked(*trained, shopper, ids)[:5]
        assert sum(training_log.STYLE[int(i[1:])] == shopper for i in best) >= 4, shopper


def test_the_likely_audience_of_a_product_are_the_shoppers_who_prefer_its_style(
    trained: tuple[Store, TrainingResult],
) -> None:
    store, result = trained
    ranker = load_ranker(store, result.artifacts)
    documents = {document["id"]: document for document in training_log.documents()}
    values = {product: document["keywords"] for product, document in documents.items()}
    as_of = training_log.START + 600.0 * 901
    for product in ("p30", "p31", "p32"):
        others = [other for other in training_log.IDS[:50] if other != product]
        found = likely_audience(ranker, product, others, result.clicks, values, as_of)
        assert 5 <= found.audience < found.shoppers
        style = documents[product]["keywords"]["style"]
        first = found.affinities[0]
        assert (first.column, first.value) == ("style", style)
        assert first.audience > first.everyone
    with pytest.raises(RerankError, match="ranks p30 alike for every shopper"):
        likely_audience(ranker, "p30", [], result.clicks, values, as_of)
    with pytest.raises(RerankError, match="0 shoppers have clicks"):
        likely_audience(ranker, "p30", ["p31"], {}, values, as_of)


def test_served_scores_are_those_of_training(tmp_path: Path) -> None:
    """From ids, history and the artifacts alone come the scores that the network gives the same slate in training."""
    log = training_log.log(400)
    shown = log.slates[7].engine[:12]
    last = replace(
        log.slates[7], query_id="last", at=log.slates[-1].at + 7200.0, engine=shown, shown=shown, arm="engine"
    )
    log = Log([*log.slates, last], [*log.events, Event("last", "click", shown[3], last.at + 5, last.shopper)])
    data, store = training_data(log), Store(str(tmp_path))
    products, scaler = data.products, fit_scaler(data.products.numbers)
    positions = estimate_positions(impressions(log.slates, gains_of(log)))
    queries = embed_log_queries(
        [slate.query for slate in log.slates], products.dimensions, training_log.embed
    )
    builder = example_builder(log, products, scaler, queries, positions)
    examples = builder.examples(log.slates)
    dataset = SlateDataset(products, scaler, queries)
    parts = examples.part(slice(200)), examples.part(slice(200, None))
    network = fit(dataset, *parts, positions, TrainingSettings(epochs=3, rate=3e-3)).network
    expected = score(network, dataset, examples.part(slice(-1, None)))[0, :12]
    weights = network.served(scaler)
    model = TrainedModel("neural", weights, GatedModel(weights, tuple(products.dimensions)), "gated")
    numbers, seen = scaler.scale(products.numbers), builder.behaviour.clicks
    source = BehaviourSource(products, numbers, seen, last.at, NeighboursAsOf(products, seen))
    artifacts = store_artifacts(store, data, model, source, builder.behaviour.tables(last.at))
    clicks = builder.behaviour.clicks.before(last.shopper, last.at)
    vectors = training_log.embed([last.query])[0]
    request = RerankRequest(
        shown,
        last.query,
        vectors,
        [Click(products.ids[row], at) for row, at in clicks],
        last.at,
        last.shopper,
    )
    served = load_ranker(store, artifacts).scores(request)
    assert len(clicks) > 5
    np.testing.assert_allclose(served - served.mean(), expected - expected.mean(), atol=2e-3 * expected.std())


def test_too_few_clicks_are_refused_with_their_number(tmp_path: Path) -> None:
    log = training_log.log(60)
    with pytest.raises(
        SmallLogError, match=r"has 60 searches, \d+ of them with a click .* at least 100 are needed"
    ):
        train_ranker(training_data(log), Store(str(tmp_path)), training_log.embed, SETTINGS, quiet)


def test_random_clicks_are_refused_as_a_training_set(tmp_path: Path) -> None:
    log = training_log.log(600)
    rng = np.random.default_rng(0)
    events = [
        Event(s.query_id, "click", str(rng.choice(s.shown[:12])), s.at + 5)
        for s in log.slates
        if not s.random
    ]
    with pytest.raises(NothingLearnedError, match="no lower than"):
        train_ranker(
            training_data(Log(log.slates, events)),
            Store(str(tmp_path)),
            training_log.embed,
            TrainingSettings(epochs=2, rate=1.0),
            quiet,
            ("fused",),
        )


def test_the_best_candidate_is_served_whichever_kind_it_is(tmp_path: Path) -> None:
    store, data = Store(str(tmp_path)), training_data(training_log.log(400))
    settings = replace(SETTINGS, epochs=1, rate=1e-5)  # the fused model hardly learns
    try:
        result = train_ranker(data, store, training_log.embed, settings, quiet)
    except NothingLearnedError:
        pytest.fail("the candidates that were made are compared although one learned nothing")
    comparison = result.comparison
    assert comparison is not None
    assert (result.kind, result.label) == ("lambdamart", "LightGBM LambdaMART")
    best = max(comparison.row(label).unbiased.mean for label in result.training["candidates"])
    assert comparison.row("LightGBM LambdaMART").unbiased.mean == best
    ids = [i for n, i in enumerate(training_log.IDS) if training_log.KIND[n] == 2]
    assert len(set(ranked(store, result, 1, ids)[:5])) == 5
    scores = load_ranker(store, result.artifacts).scores(
        RerankRequest(ids, "kind 2", training_log.embed(["kind 2"])[0], (), data.log.slates[-1].at)
    )
    assert np.unique(scores).size > 3


def test_a_ceiling_is_compared_and_never_served(tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=2, fusion="transformer")
    data, store = training_data(training_log.log(300)), Store(str(tmp_path))
    result = train_ranker(data, store, training_log.embed, settings, quiet, ("fused", "rrf"))
    assert result.label == "fusion without learning"
    assert "neural fusion" in result.training["candidates"]
    with pytest.raises(NothingLearnedError, match="no candidate has a served form"):
        train_ranker(data, store, training_log.embed, settings, quiet, ("fused",))


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_learns_the_shop(tmp_path: Path, name: str) -> None:
    data, store = training_data(training_log.log(600)), Store(str(tmp_path))
    settings = replace(SETTINGS, loss=name)
    result = train_ranker(data, store, training_log.embed, settings, quiet, ("fused",))
    assert result.comparison is not None
    assert result.comparison.row("neural fusion").unbiased.difference.low > 0


def test_the_names_of_candidates_are_those_of_the_table() -> None:
    assert tuple(CANDIDATES) == CANDIDATE_NAMES


# ---- on a live node


@pytest.fixture(scope="module")
def shop(engine: OpenSearch) -> Iterator[OpenSearch]:
    from opensearch.index.bulk import Action, write
    from opensearch.index.versions import create_version, publish

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
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")

    slates = [replace(s, alias=ALIAS, shown=s.viewed_ids).to_record() for s in log.slates]
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
    from opensearch.index.versions import read_schema
    from opensearch.logs.pointer import read_pointer
    from opensearch.logs.profiles import profile_names, read_profile, write_profiles
    from opensearch.understanding.vocabulary.artifact import open_vocabulary
    from rerank.query_encoders import QueryEncoders
    from vitrine.cli import main

    monkeypatch.setenv("VITRINE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(QueryEncoders, "batch", lambda _, texts, __: training_log.embed(texts))
    common = ["--index", ALIAS, "--url", engine_url]

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, [*words, *common])
        assert result.exit_code == code, result.output
        return result.output

    def run_json(*words: str, code: int = 0) -> Any:
        return json.loads(run(*words, "--json", code=code).splitlines()[-1])

    assert "No model" in run("model", "list")
    assert "no model for alias" in run("model", "rollback", code=2)

    first = run_json("train")
    assert (first["kind"], first["comparison"]) == ("catalogue", None)
    assert f"product 'nowhere' is not in {ALIAS}" in run("model", "audience", "nowhere", code=2)
    assert "0 shoppers have clicks" in run("model", "audience", "p30", code=2)

    # the service has answered a few searches, and an earlier release has stored profiles under raw ids
    write_log(shop, Log(training_log.log(3).slates, []))
    write_profiles(shop, ALIAS, {"anna@example.com": [Click("p1", training_log.START)]})
    small = run_json("train")
    assert small["kind"] == "catalogue"
    assert re.search(
        r"3 searches, 0 of them with a click .* at least 100 are needed; it has no events", small["reason"]
    )
    assert small["moved_profiles"] == 1
    assert profile_names(shop, ALIAS) == [shopper_hash("anna@example.com")]
    assert "leave out --fusion" in run("train", "--fusion", "gated", code=2)

    write_log(shop, training_log.log())
    fused = ("--candidates", "fused")
    with monkeypatch.context() as judged:  # no log makes a model worse for certain
        judged.setattr("rerank.training.comparison.verdict.reason_against", lambda *_: "it is worse")
        refused = run_json("train", *fused, "--epochs", "4", "--rate", "0.003", code=1)
        assert (refused["model"], refused["reason"]) == (refused["model"], "it is worse")
        assert refused["kind"] == "catalogue"
        aside = run_json("model", "list")[-1]
        assert (aside["model"], aside["set aside"]) == (refused["refused"]["model"], "it is worse")
        assert f"{aside['model']} was set aside: it is worse" in run("model", "list")
        forced = run_json("train", *fused, "--epochs", "2", "--rate", "0.003", "--force")
        assert (forced["kind"], forced["refused"]) == ("neural", None)
    # the words of clicked queries are known
    vocabulary = read_schema(shop, ALIAS).vocabulary
    assert vocabulary is not None
    assert open_vocabulary(Store(str(tmp_path / "store")), vocabulary).typed["kind"] >= 3
    # a log that has become too small does not take the place of what was learned before
    stays = run_json("train", "--until", "2026-02-02T03:00")
    assert (stays["kind"], stays["model"]) == (None, forced["model"])
    assert "at least 100 are needed" in stays["reason"]
    second = {**refused, **refused["refused"]}
    assert second["training"]["searches"] == 900
    assert [note for note in second["notes"] if "other applications" not in note["what"]] == []
    found = run_json("model", "audience", "p31")
    assert 5 <= found["audience"] < found["shoppers"]
    assert found["affinities"][0]["column"] == "style"
    assert second["model"] in run("model", "use", second["model"])
    pointer = read_pointer(shop, ALIAS)
    assert pointer is not None
    assert (pointer.model, pointer.items) == (second["model"], second["items"])
    ranker = load_ranker(Store(str(tmp_path / "store")), pointer)
    profile = read_profile(shop, ALIAS, sealed(training_log.shopper_of(1)))
    assert len(profile) == 50
    history = [Click(click.id, click.at) for click in profile]
    scores = ranker.scores(
        RerankRequest(training_log.IDS[:40], "kind 1", history=history, as_of=profile[-1].at)
    )
    assert len(set(scores.tolist())) > 30

    earlier = [forced["model"], refused["model"], small["model"], first["model"]]
    for model in earlier:
        assert model in run("model", "rollback")
    assert "there is none before it" in run("model", "rollback", code=2)
    assert second["model"] in run("model", "use", second["model"])
    assert "was never in service" in run("model", "use", "nonsense", code=2)
    listed = run_json("model", "list")
    assert [row["model"] for row in listed] == [
        second["model"],
        *reversed(earlier),
        second["model"],
        *earlier,
    ]
    assert [row["in service"] for row in listed] == [True] + [False] * (len(listed) - 1)
    assert second["model"] in run("model", "list")


@pytest.mark.live
def test_products_are_found_by_the_values_of_a_column(shop: OpenSearch) -> None:
    values = column_values(shop, ALIAS, training_log.PLAN, "Price")
    assert values is not None
    assert (values["6"], values.get("5")) == ("p1", None)  # 5 + n of product n; every seventh has no price
    assert column_values(shop, ALIAS, training_log.PLAN, "style") == dict.fromkeys(
        f"style {n}" for n in range(3)
    )
    assert column_values(shop, ALIAS, training_log.PLAN, "ean") is None
    # the documents of this index hold no codes
    assert column_values(shop, ALIAS, replace(training_log.PLAN, codes=("ean",)), "EAN") == {}


@pytest.mark.live
def test_a_missing_index_is_refused(engine_url: str, tmp_path: Path) -> None:
    from vitrine.cli import main

    words = ["train", "--index", "nobody-made-this", "--url", engine_url, "--store", str(tmp_path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "nobody-made-this" in result.output
