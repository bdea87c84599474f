"""`vitrine search` as a command: tables, JSON, runs, and one sentence for every error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from rich.table import Table
from support.rerank_index import (
    create_rerank_index,
    delete_rerank_index,
    drop_pointer,
    picture,
    rrf_artifacts,
)

from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.logs.pointer import swap_pointer
from rerank.answer import Hit
from rerank.commands.search_tables import fill_table
from vitrine.cli import main
from vitrine.store import ArtifactSet, Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def aliases(
    engine: OpenSearch, engine_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Two aliases on one store: one with a model in service, one without."""
    folder = tmp_path_factory.mktemp("store")
    store = Store(str(folder))
    ranked, schema = create_rerank_index(engine, store)
    plain, _ = create_rerank_index(engine, store)
    names = rrf_artifacts(store, schema, tmp_path_factory.mktemp("model"))
    swap_pointer(engine, ranked, ArtifactSet(**names))
    yield {"ranked": ranked, "plain": plain, "store": str(folder), "url": engine_url}
    for alias in (ranked, plain):
        delete_rerank_index(engine, alias)
        drop_pointer(engine, alias)


@pytest.fixture
def run(aliases: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OPENSEARCH_URL", aliases["url"])
    monkeypatch.setenv("VITRINE_STORE", aliases["store"])
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "a key for tests")
    monkeypatch.setenv("VITRINE_INDEX", aliases["ranked"])

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["search", *arguments])

    return invoke


def test_a_table_shows_how_far_each_hit_moved(run: Any) -> None:
    result = run("red shoes")
    assert result.exit_code == 0, result.output
    assert "reranked order" in result.stdout
    assert "price" in result.stdout
    assert "red shoes" in result.stdout
    assert any(sign in result.stdout for sign in "▲▼=")


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ({"price": 1249.0}, "1,249.00"),
        ({"price": [89.0, 49.5, 60.0]}, "49.50 to 89.00"),
        ({"price": [60.0, 60.0]}, "60.00"),
        ({}, "-"),
    ],
)
def test_a_table_shows_the_prices_of_all_variants(numbers: dict[str, Any], shown: str) -> None:
    table = Table()
    hit = Hit("p1", 1, 1, 0.5, product={"title": "shirt", "numbers": numbers})
    fill_table(table, False, [hit], IndexSchema(FieldPlan(numbers=("price",), price="price")), ())
    assert list(table.columns[3].cells) == [shown]


def test_both_orders_are_shown_side_by_side(run: Any) -> None:
    result = run("red shoes", "--order", "both", "--size", "3")
    assert result.exit_code == 0, result.output
    assert "engine: id" in result.stdout
    assert "reranked: id" in result.stdout


def test_json_holds_both_orders_of_one_window(run: Any) -> None:
    result = run("red shoes", "--order", "both", "--size", "48", "--json")
    answer = json.loads(result.stdout)
    assert [hit["engine_rank"] for hit in answer["engine"]] == list(range(1, len(answer["engine"]) + 1))
    assert sorted(hit["id"] for hit in answer["engine"]) == sorted(hit["id"] for hit in answer["hits"])
    assert answer["artifacts"]["model"].startswith("model-")
    assert answer["degraded"] is None


def test_explain_shows_the_raw_scores_of_the_sub_queries(run: Any) -> None:
    answer = json.loads(run("red shoes", "--explain", "--json").stdout)
    first = answer["hits"][0]["sub_query_scores"]
    assert 0 < first["text"] <= 1
    assert first["lexical"] > 1
    table = run("red shoes", "--explain").stdout
    assert all(name in table for name in ("lexical", "text", "image"))


def test_why_shows_what_the_score_of_a_hit_is_made_of(run: Any) -> None:
    result = run("red shoes", "--why", "p01")
    assert result.exit_code == 0, result.output
    rows = dict(re.findall(r"│ ([a-z][a-z' ]*?) +│ +([+-]?\d+\.\d+) │", result.stdout))
    score = float(rows.pop("score"))
    assert set(rows) == {"the engine's rank alone", "text", "image", "numbers", "behaviour"}
    assert sum(map(float, rows.values())) == pytest.approx(score, abs=5e-4)
    answer = json.loads(run("red shoes", "--why", "p01", "--json").stdout)
    assert answer["why"]["id"] == "p01"
    assert answer["why"]["explanation"]["parts"]["text"] == pytest.approx(float(rows["text"]), abs=1e-4)
    assert answer["why"] in answer["hits"]
    engine = run("red shoes", "--why", "p01", "--order", "engine")
    assert all(f"│ {name}" in engine.stdout for name in ("lexical", "text", "image"))
    refused = run("red shoes", "--why", "p99")
    assert refused.exit_code == 2
    assert "'p99' is not among the" in refused.stderr


def test_sub_queries_filters_facets_and_sort_columns_are_options(run: Any) -> None:
    words = json.loads(run("red shoes", "--sub-queries", "lexical", "--order", "engine", "--json").stdout)
    assert all(set(hit["sub_query_scores"]) == {"lexical"} for hit in words["hits"])
    result = run("red", "--filter", "price<20", "--facet", "thing", "--sort", "price:desc", "--json")
    answer = json.loads(result.stdout)
    prices = [hit["product"]["numbers"]["price"] for hit in answer["hits"]]
    assert prices == sorted(prices, reverse=True)
    assert max(prices) < 20
    assert answer["facets"]["thing"]["values"]


def test_an_image_file_is_searched(run: Any, tmp_path: Path) -> None:
    picture("blue").save(tmp_path / "blue.png")
    answer = json.loads(run("--image", str(tmp_path / "blue.png"), "--order", "engine", "--json").stdout)
    assert all(24 <= int(hit["id"][1:]) < 36 for hit in answer["hits"][:5])


def test_weights_decide_between_words_and_image(run: Any, tmp_path: Path) -> None:
    picture("green").save(tmp_path / "green.png")
    like = ["red lamp", "--image", str(tmp_path / "green.png"), "--order", "engine", "--json"]
    by_words = json.loads(run(*like, "--weights", "1,0,0").stdout)["hits"]
    by_image = json.loads(run(*like, "--weights", "0,0,1").stdout)["hits"]
    assert by_words[0]["product"]["title"] == "red lamp"
    assert all(set(hit["sub_query_scores"]) == {"lexical"} for hit in by_words)
    assert all(set(hit["sub_query_scores"]) == {"image"} for hit in by_image)


def test_without_a_model_the_next_step_is_named(run: Any, aliases: dict[str, str]) -> None:
    result = run("red shoes", "--index", aliases["plain"])
    assert result.exit_code == 0
    assert f"no model for alias {aliases['plain']} yet: run `vitrine train`" in result.stderr
    assert "engine order" in result.stdout


def queries(folder: Path, *lines: Any) -> tuple[str, ...]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "queries.jsonl").write_text(text)
    return "--queries", str(folder / "queries.jsonl"), "--run", str(folder / "out.trec")


def read(folder: Path) -> dict[str, list[str]]:
    rankings: dict[str, list[str]] = {}
    for line in (folder / "out.trec").read_text().splitlines():
        query, _, product, rank, _, _ = line.split()
        rankings.setdefault(query, []).append(product)
        assert int(rank) == len(rankings[query])
    return rankings


def test_many_queries_give_the_same_order_as_one(run: Any, tmp_path: Path) -> None:
    picture("green").save(tmp_path / "green.png")
    arguments = queries(
        tmp_path,
        {"id": "q1", "query": "red shoes"},
        {"id": 2, "query": "bag", "filters": "price<40", "shopper": "anna"},
        {"id": "q3", "image": "green.png"},
        {"id": "q4", "query": "red shoes", "candidates": ["p40", "gone", "p00", "p02"]},
    )
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    rankings = read(tmp_path)
    one = json.loads(run("red shoes", "--size", "200", "--json").stdout)
    assert rankings["q1"] == [hit["id"] for hit in one["hits"]]
    assert set(rankings) == {"q1", "2", "q3", "q4"}
    assert all(int(product[1:]) < 30 for product in rankings["2"])
    assert sorted(rankings["q4"]) == ["gone", "p00", "p02", "p40"]


def test_bad_lines_are_reported_and_the_others_are_answered(run: Any, tmp_path: Path) -> None:
    arguments = queries(
        tmp_path,
        {"id": "q1", "query": "red shoes"},
        "{not json",
        "",
        {"query": "no id"},
        {"id": "q5"},
        {"id": "q 6", "query": "bag"},
        {"id": "q1", "query": "twice"},
        {"id": "q8", "query": "bag", "filters": "weight<3"},
        {"id": "q9", "image": "none.png"},
        {"id": "q10", "query": "lamp"},
    )
    result = run(*arguments)
    assert result.exit_code == 1
    assert set(read(tmp_path)) == {"q1", "q10"}
    for number, sentence in {
        2: "not JSON",
        4: "missing required field `id`",
        5: "neither `query` nor `image`",
        6: "contains white space",
        7: "is in an earlier line too",
        8: "no column",
        9: "cannot be read",
    }.items():
        assert f"queries.jsonl, line {number}: " in result.stderr
        assert sentence in result.stderr
    assert "2 queries answered, 7 failed" in result.stderr


def test_a_reranked_run_without_a_model_is_refused(run: Any, aliases: dict[str, str], tmp_path: Path) -> None:
    arguments = queries(tmp_path, {"id": "q1", "query": "red"})
    refused = run(*arguments, "--order", "reranked", "--index", aliases["plain"])
    assert refused.exit_code == 2
    assert "run `vitrine train`" in refused.stderr
    assert not (tmp_path / "out.trec").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("x", "--index", "nothing-here"), "there is no index 'nothing-here'"),
        (("x", "--url", "http://127.0.0.1:9"), "no OpenSearch answers at http://127.0.0.1:9"),
        (("x", "--filter", "weight<3"), "no column 'weight'"),
        (("x", "--facet", "weight"), "no column 'weight'"),
        (("x", "--sort", "weight:desc"), "no column 'weight'"),
        (
            ("x", "--sub-queries", "lexical,smell"),
            "there is no sub-query 'smell'; choose from lexical, text, image",
        ),
        (("x", "--weights", "1,2"), "weights '1,2' are not 3 numbers"),
        (("x", "--weights", "0,0,0"), "at least one of them above zero"),
        (("--image", "/nowhere.png"), "/nowhere.png cannot be read"),
        (("x", "--queries", "q.jsonl"), "--queries and --run belong together"),
        (("--queries", "/no.jsonl", "--run", "/tmp/x"), "/no.jsonl cannot be read"),
        (("x", "--store", "/nowhere/store"), "artifact"),
    ],
)
def test_every_error_is_one_sentence(run: Any, arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code != 0
    assert sentence in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
