"""`vitrine rules` on a live node: what is refused, what is kept, and what a search makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from support.rerank_index import create_rerank_index, delete_rerank_index

from opensearch.index.fields import FieldPlan
from opensearch.logs.query_rules import QUERY_RULES, read_query_rules
from rerank.rules.checks import contradictions
from rerank.rules.query_rule import QueryRule
from rerank.search import search
from rerank.search_request import Search, SearchRequest, resolve
from rerank.serving_context import ServingContext, open_context
from vitrine.cli import main
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

PLAN = FieldPlan(numbers=("price",), keywords=("brand",))


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([{"name": "r"}], "does nothing"),
        ([{"name": "r", "pin": {"a": 1}}, {"name": "r", "pin": {"b": 2}}], "two rules with the name 'r'"),
        ([{"name": "r", "pin": {"a": 1, "b": 1}}], r"rule 'r' pin two products \(a, b\) to position 1"),
        ([{"name": "r", "pin": {"a": 1}, "bury": ["a"]}], "rule 'r' pin and bury a"),
        (
            [{"name": "r", "query": "dress", "pin": {"a": 1}}, {"name": "s", "pin": {"b": 1}}],
            "rules 'r' and 's' pin two products",
        ),
        (
            [
                {"name": "r", "query": "dress", "pin": {"a": 1}},
                {"name": "s", "query": "DRESS", "bury": ["a"]},
            ],
            "rules 'r' and 's' pin and bury a",
        ),
        (
            [{"name": "r", "bury": ["a"], "from": "2026-12-02", "until": "2026-12-01"}],
            "ends .* before it begins",
        ),
        ([{"name": "r", "bury": ["a"], "from": "tomorrow"}], "'tomorrow' is not a date"),
        ([{"name": "r", "bury_filters": ["colour=red"]}], "no column 'colour'"),
    ],
)
def test_a_rule_that_contradicts_itself_or_another_is_one_sentence(
    rules: list[dict[str, Any]], problem: str
) -> None:
    import re

    import msgspec

    (found,) = contradictions([msgspec.convert(rule, QueryRule) for rule in rules], PLAN)
    assert re.search(problem, found), found
    assert "\n" not in found


def test_rules_that_never_meet_do_not_contradict_each_other() -> None:
    first = QueryRule(name="r", query="dress", pin={"a": 1}, until="2026-11")
    assert list(contradictions([first, QueryRule(name="s", query="shoes", pin={"b": 1})], PLAN)) == []
    assert list(contradictions([first, QueryRule(name="s", pin={"b": 1}, from_="2026-12-01")], PLAN)) == []


@pytest.fixture(scope="module")
def shop(engine: OpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    store = Store(str(tmp_path_factory.mktemp("store")))
    alias, _ = create_rerank_index(engine, store)
    yield alias, store
    delete_rerank_index(engine, alias)
    engine.delete(index=QUERY_RULES, id=alias, params={"ignore": 404})


@pytest.fixture
def run(shop: tuple[str, Store], engine: OpenSearch, engine_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OPENSEARCH_URL", engine_url)
    monkeypatch.setenv("VITRINE_INDEX", shop[0])
    engine.delete(index=QUERY_RULES, id=shop[0], params={"ignore": 404})

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["rules", *arguments])

    return invoke


def context_of(engine: OpenSearch, shop: tuple[str, Store]) -> ServingContext:
    return open_context(engine, shop[1], shop[0])


def found(engine: OpenSearch, context: ServingContext, query: str, **fields: Any) -> list[Any]:
    request = resolve(SearchRequest(query=query, **fields), context.schema, None, context.vocabulary)
    return search(engine, context, request).hits


@pytest.mark.live
def test_rules_are_added_listed_exported_imported_and_removed(
    run: Any, engine: OpenSearch, shop: tuple[str, Store], tmp_path: Path
) -> None:
    assert "No rules" in run("list").output
    options = (
        "--query",
        "red shoes",
        "--pin",
        "p01=1",
        "--bury-filter",
        "thing=bag",
        "--until",
        "2099-12-31",
    )
    assert run("add", "spring", *options).exit_code == 0
    assert run("add", "old", "--bury", "p02").exit_code == 0
    exported = json.loads(run("export").stdout)
    spring = {
        "name": "spring", "query": "red shoes", "pin": {"p01": 1}, "bury_filters": ["thing=bag"], "until": "2099-12-31",
    }  # fmt: skip
    assert exported == {"rules": [spring, {"name": "old", "bury": ["p02"]}], "explore": None}
    assert json.loads(run("list", "--json").stdout) == {"version": 2, **exported}
    assert "p01 at 1" in run("list").stdout
    assert run("remove", "old", "spring").exit_code == 0
    assert read_query_rules(engine, shop[0]).rules == []
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(exported))
    assert json.loads(run("import", str(path), "--json").stdout) == {"version": 4}
    assert json.loads(run("export").stdout) == exported
    assert run("remove", "summer").exit_code == 2
    assert "has no rule 'summer'; it has: 'spring', 'old'" in run("remove", "summer").stderr


@pytest.mark.live
def test_an_import_is_refused_as_a_whole_with_every_problem(
    run: Any, engine: OpenSearch, shop: tuple[str, Store], tmp_path: Path
) -> None:
    assert run("add", "kept", "--bury", "p02").exit_code == 0
    path = tmp_path / "rules.json"
    good = {"name": "good", "bury": ["p03"]}
    path.write_text(
        json.dumps([good, {"name": "r", "pin": {"nowhere": 1}}, {"name": "s", "pin": {"p01": 1}}])
    )
    result = run("import", str(path))
    assert result.exit_code == 2
    assert f"product 'nowhere', which is not in {shop[0]}" in result.stderr
    assert "pin two products (nowhere, p01) to position 1" in result.stderr
    for content, problem in [
        ('[{"name": "r", "then": "s"}]', "cannot refer to another rule"),
        ('[{"name": "r", "pin": {"p01": 0}}]', ">= 1"),
        ('{"rules": {}}', "holds no list of rules"),
        ("{", "is not JSON"),
    ]:
        path.write_text(content)
        result = run("import", str(path))
        assert (result.exit_code, problem in result.stderr) == (2, True), result.stderr
    assert "cannot be read" in run("import", str(tmp_path / "none")).stderr
    assert [rule["name"] for rule in read_query_rules(engine, shop[0]).rules] == ["kept"]


@pytest.mark.live
def test_a_pinned_product_appears_though_the_query_does_not_find_it(
    run: Any, engine: OpenSearch, shop: tuple[str, Store]
) -> None:
    plain = found(engine, context_of(engine, shop), "red shoes", window=5)
    assert "p40" not in {hit.id for hit in plain}
    assert run("add", "r", "--query", "red shoes", "--pin", "p40=2", "--pin", "p03=1").exit_code == 0
    context = context_of(engine, shop)
    hits = found(engine, context, "red shoes", window=5, explain=True)
    in_stock = [hit.id for hit in plain if hit.rule is None]
    assert [hit.id for hit in hits][:3] == [in_stock[0], "p40", in_stock[1]]  # p03 is sold out
    assert hits[1].rule == "pinned to position 2 by rule 'r'"
    assert list(hits[1].explanation.rules) == [hits[1].rule]
    assert hits[1].product["title"]
    assert [hit.rank for hit in hits] == list(range(1, 7))
    assert "p40" not in {
        hit.id for hit in found(engine, context, "red shoes", window=5, filters=["price<20"])
    }
    engine_order = found(engine, context, "red shoes", window=5, order="engine")
    assert sorted(hit.id for hit in engine_order) == sorted(hit.id for hit in plain)


@pytest.mark.live
def test_a_filter_buries_what_matches_it(run: Any, engine: OpenSearch, shop: tuple[str, Store]) -> None:
    assert run("add", "r", "--bury-filter", "thing=shoes", "--bury-filter", "price<15").exit_code == 0
    hits = found(engine, context_of(engine, shop), "red shoes")
    buried = [hit.rule == "buried by rule 'r'" for hit in hits if hit.product["available"]]
    assert sum(buried) == 2
    assert buried == sorted(buried)


@pytest.mark.live
def test_a_pinned_variant_stands_for_its_group_at_its_position(
    run: Any, engine: OpenSearch, shop: tuple[str, Store]
) -> None:
    assert run("add", "r", "--query", "red shoes", "--pin", "p01=3").exit_code == 0
    context = context_of(engine, shop)
    group = "ctx._source.group = 'g'"
    for product in ("p00", "p01"):
        engine.update(index=shop[0], id=product, body={"script": group}, params={"refresh": "true"})
    hits = found(engine, context, "red shoes", collapse=True)
    assert (hits[2].id, hits[2].rank, hits[2].variant_ids) == ("p01", 3, ["p01", "p00"])
    assert "p00" not in {hit.id for hit in hits}


@pytest.mark.live
def test_new_products_are_promoted_when_that_is_switched_on(
    run: Any, engine: OpenSearch, shop: tuple[str, Store]
) -> None:
    plain = context_of(engine, shop)
    assert run("set", "--explore", "3", "--half-life", "300").exit_code == 0
    hits = found(engine, context_of(engine, shop), "red shoes")
    assert not any("new" in (hit.rule or "") for hit in hits)  # all are equally new
    older = {
        "script": "ctx._source.created = '2020-01-01'",
        "query": {"bool": {"must_not": {"term": {"id": "p34"}}}},
    }
    engine.update_by_query(index=shop[0], body=older, params={"refresh": "true"})
    before = [hit.id for hit in found(engine, plain, "red shoes")]
    after = found(engine, context_of(engine, shop), "red shoes")
    place = [hit.id for hit in after].index("p34")
    assert 1 <= before.index("p34") - place <= 3
    assert after[place].rule == "new: up to 3 positions higher"
    assert [hit.id for hit in after if hit.id != "p34"] == [product for product in before if product != "p34"]
    assert run("set", "--explore", "0").exit_code == 0
    assert read_query_rules(engine, shop[0]).explore == {}
    assert [hit.id for hit in found(engine, context_of(engine, shop), "red shoes")] == before


@pytest.mark.live
def test_a_stored_rule_that_the_index_no_longer_supports_costs_only_itself(
    run: Any, engine: OpenSearch, shop: tuple[str, Store], caplog: pytest.LogCaptureFixture
) -> None:
    assert run("add", "r", "--bury-filter", "thing=shoes").exit_code == 0
    assert run("add", "s", "--query", "red shoes", "--pin", "p40=1").exit_code == 0
    from rerank.rules.stored import open_rules

    context = context_of(engine, shop)
    schema = replace(context.schema, plan=replace(context.schema.plan, keywords=()))
    rules = open_rules(read_query_rules(engine, shop[0]), schema, shop[0])
    assert [one.rule.name for one in rules.rules] == ["s"]
    assert "a rule of" in caplog.text
    assert search(engine, replace(context, rules=rules), Search("red shoes")).hits[0].id == "p40"
