"""Versions behind an alias, on the live node."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from indexer.commands.index import index as index_command
from indexer.load.report import LoadReport
from indexer.load.seen_ids import SeenIds
from indexer.load.target import choose_target, complete, publish_target
from opensearch.analysis.survey import Survey
from opensearch.checks.index import alias_of
from opensearch.index import meta, versions
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.index.schema import Sharding
from opensearch.index.synonyms import parse_rules, read_synonyms, refused_rules, set_synonyms
from vitrine.errors import EngineError, IndexMissingError, SchemaMismatchError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live

SCHEMA = IndexSchema(
    FieldPlan(numbers=("price",), keywords=("brand",), dates=("released",)),
    {
        "text": VectorField("text-aaaaaaaaaaaa", "text-aaaaaaaaaaaa", 4, ("en",)),
        "image": VectorField("image-bbbbbbbbbbbb", "text-aaaaaaaaaaaa", 4, ("en",)),
    },
)


LEARNED = {"lexical": 0.2, "text": 0.2, "image": 0.6}


@pytest.fixture
def alias(engine: OpenSearch) -> Iterator[str]:
    name = f"t-index-{uuid.uuid4().hex[:8]}"
    yield name
    engine.indices.delete(index=f"{name}*", ignore_unavailable=True)


def _document(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "title": f"red sofa {number}",
        "texts": {"description": "soft " * 20_000},
        "search": {"en": f"red sofa {number} for the living room"},
        "text_vec": [1.0, 0.0, 0.0, number + 1.0],
        "images": [{"hash": "h", "ref": "data:" + "x" * 100_000, "vec": [0.5, 1, 0, 0]}, {"hash": "i"}],
        "numbers": {"price": 9.5, "unplanned": 3},
        "keywords": {"brand": ["acme", "x" * 40_000], "unplanned": "y"},
        "dates": {"released": "2026-11-20"},
        "language": "en",
        "available": True,
        "hashes": {"text": "t", "row": "r"},
        **changes,
    }


def _published(engine: OpenSearch, alias: str, documents: int = 3, **settings: Any) -> str:
    index = versions.create_version(engine, alias, SCHEMA, **settings)
    for number in range(documents):
        engine.index(index=index, id=str(number), body=_document(number))
    versions.publish(engine, alias, index)
    return index


def _count(engine: OpenSearch, alias: str, field: str, words: str) -> int:
    return int(engine.count(index=alias, body={"query": {"match": {field: words}}})["count"])


def test_a_version_is_visible_only_after_publishing(engine: OpenSearch, alias: str) -> None:
    index = versions.create_version(engine, alias, SCHEMA, layout=Sharding(2))
    engine.index(index=index, id="1", body=_document(1))
    assert versions.current(engine, alias) is None
    assert versions.unfinished(engine, alias) == index
    assert engine.count(index=index)["count"] == 0  # no refresh while it loads

    versions.publish(engine, alias, index)
    assert versions.current(engine, alias) == index
    assert versions.unfinished(engine, alias) is None
    assert engine.count(index=alias)["count"] == 1
    settings = engine.indices.get_settings(index=index)[index]["settings"]["index"]
    assert settings["refresh_interval"] == "1s"
    assert settings["number_of_shards"] == "2"
    schema = versions.read_schema(engine, alias)
    assert schema == replace(SCHEMA, chains=schema.chains)
    assert set(schema.chains) == {"en", "zh", "any"}


def test_unknown_top_level_field_is_refused(engine: OpenSearch, alias: str) -> None:
    from opensearchpy.exceptions import RequestError

    index = versions.create_version(engine, alias, SCHEMA)
    with pytest.raises(RequestError, match="strict_dynamic_mapping_exception"):
        engine.index(index=index, id="1", body=_document(1, colour="red"))


def test_title_of_a_megabyte_is_stored_matched_and_highlighted(engine: OpenSearch, alias: str) -> None:
    index = versions.create_version(engine, alias, SCHEMA)
    for number, title in enumerate(["armchair " * 120_000, "x" * 1_000_000 + " armchair"]):
        engine.index(
            index=index,
            id=str(number),
            body=_document(number, title=title, search={"en": title}, group=title),
        )
    versions.publish(engine, alias, index)
    body = {
        "query": {"match": {"title": "armchair"}},
        "highlight": {"fields": {"title": {}}},
        "_source": False,
    }
    assert engine.search(index=alias, body=body)["hits"]["total"]["value"] == 2


def test_swap_is_atomic_for_a_searcher(engine: OpenSearch, alias: str) -> None:
    _published(engine, alias)
    stop, trouble, searches = threading.Event(), [], []

    def search() -> None:
        while not stop.is_set():
            try:
                searches.append(engine.search(index=alias, body={"size": 0})["hits"]["total"]["value"])
            except Exception as error:
                trouble.append(error)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        for _ in range(3):
            _published(engine, alias)
            set_synonyms(engine, alias, [f"sofa, {uuid.uuid4().hex}"])
    finally:
        stop.set()
        thread.join()
    assert not trouble
    assert set(searches) == {3}


def test_rollback_goes_to_the_version_before_and_can_be_written(engine: OpenSearch, alias: str) -> None:
    first = _published(engine, alias, 1)
    second = _published(engine, alias, 2)
    third = set_synonyms(engine, alias, ["sofa, couch"]).index
    abandoned = versions.create_version(engine, alias, SCHEMA)
    assert versions.rollback(engine, alias) == second
    engine.index(index=alias, id="9", body=_document(9))  # the block that the clone needed is gone
    assert versions.rollback(engine, alias) == first
    assert engine.count(index=alias)["count"] == 1
    with pytest.raises(EngineError, match=f"no version of {alias} before {first}"):
        versions.rollback(engine, alias)
    listed = [(v.index, v.current, v.published is not None) for v in versions.versions(engine, alias)]
    assert listed == [
        (first, True, True),
        (second, False, True),
        (third, False, True),
        (abandoned, False, False),
    ]


def test_default_pipeline_goes_along_with_the_alias(engine: OpenSearch, alias: str) -> None:
    first = _published(engine, alias, 1)
    engine.search_pipeline.put(id=alias, body={"response_processors": []})
    engine.indices.put_settings(index=first, body={"index.search.default_pipeline": alias})
    try:
        for index in (_published(engine, alias, 1), set_synonyms(engine, alias, ["sofa, couch"]).index):
            settings = engine.indices.get_settings(index=index)[index]["settings"]["index"]
            assert settings["search"]["default_pipeline"] == alias
    finally:
        engine.search_pipeline.delete(id=alias)


def test_prune_keeps_what_is_in_service_the_one_before_and_what_loads(engine: OpenSearch, alias: str) -> None:
    first = _published(engine, alias, 1)
    abandoned = versions.create_version(engine, alias, SCHEMA)
    second = _published(engine, alias, 1)
    third = _published(engine, alias, 1)
    loading = versions.create_version(engine, alias, SCHEMA)
    assert versions.prune(engine, alias, keep=2) == [first, abandoned]
    assert [v.index for v in versions.versions(engine, alias)] == [second, third, loading]
    assert versions.prune(engine, alias, keep=1) == [second]
    with pytest.raises(EngineError, match="keep at least 1"):
        versions.prune(engine, alias, keep=0)


def test_alias_that_is_an_index_is_refused(engine: OpenSearch, alias: str) -> None:
    engine.indices.create(index=alias)
    for call in (versions.current, versions.versions, versions.read_schema):
        with pytest.raises(EngineError, match=f"{alias} is an index and not an alias"):
            call(engine, alias)
    with pytest.raises(EngineError, match=f"vitrine index --from {alias}"):
        versions.create_version(engine, alias, SCHEMA)


def test_an_alias_over_two_foreign_indices_is_refused(engine: OpenSearch, alias: str) -> None:
    for name in ("a", "b"):
        engine.indices.create(index=f"{alias}-{name}", body={"aliases": {alias: {}}})
    with pytest.raises(EngineError, match=f"names 2 indices \\({alias}-a, {alias}-b\\)"):
        versions.current(engine, alias)


def test_an_alias_over_two_versions_is_the_one_published_last_until_it_is_mended(
    engine: OpenSearch, alias: str
) -> None:
    first, second = _published(engine, alias, 1), _published(engine, alias, 2)
    actions = [{"add": {"index": first, "alias": alias}}]
    engine.indices.update_aliases(body={"actions": actions})
    assert versions.current(engine, alias) == second
    assert versions.published(engine)[alias] == second
    assert versions.searched_index(engine, alias) == second
    assert [v.current for v in versions.versions(engine, alias)] == [False, True]
    assert alias_of(alias, second, versions.holders(engine, alias)).level == "fail"

    mended = versions.mend(engine, alias)
    assert mended == f"alias {alias} named 2 indices; it names {second} alone now, no longer {first}"
    assert versions.holders(engine, alias) == [second]
    assert versions.searched_index(engine, alias) is None
    assert versions.mend(engine, alias) is None
    assert alias_of(alias, second, versions.holders(engine, alias)).level == "ok"

    engine.indices.update_aliases(body={"actions": actions})
    assert versions.rollback(engine, alias) == first
    assert versions.holders(engine, alias) == [first]


def test_versions_published_at_once_leave_one_index_behind_the_alias(engine: OpenSearch, alias: str) -> None:
    indices = [f"{versions.version_name(alias)[:-1]}{n}" for n in range(4)]
    for index in indices:
        engine.indices.create(index=index, body={"mappings": {"_meta": {}}})
    counts: set[int] = set()
    moved: list[str] = []
    refused: list[str] = []

    def move(index: str) -> None:
        try:
            versions.publish(engine, alias, index)
            moved.append(index)
        except EngineError as error:  # another thread moved the alias before the check
            refused.append(str(error))

    threads = [threading.Thread(target=move, args=[index]) for index in indices]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counts.add(len(versions.holders(engine, alias)))
    for thread in threads:
        thread.join()
    assert counts <= {0, 1}  # none before the first of them
    (in_service,) = versions.holders(engine, alias)
    assert in_service in moved
    assert all("another process has moved" in reason for reason in refused)


def test_missing_alias_names_what_exists(engine: OpenSearch, alias: str) -> None:
    _published(engine, f"{alias}-there", 1)
    with pytest.raises(IndexMissingError, match=rf"there is no index '{alias}' at .* \(existing: "):
        versions.read_schema(engine, alias)
    with pytest.raises(IndexMissingError):
        versions.rollback(engine, alias)


def test_foreign_index_behind_an_alias_is_refused(engine: OpenSearch, alias: str) -> None:
    engine.indices.create(index=f"{alias}-foreign", body={"aliases": {alias: {}}})
    with pytest.raises(EngineError, match="was not created by Vitrine"):
        versions.read_schema(engine, alias)


def test_other_plan_or_encoder_is_refused() -> None:
    meta.require_same_schema("products", SCHEMA, SCHEMA)
    other = IndexSchema(
        SCHEMA.plan,
        {"text": VectorField("text-cccccccccccc", "text-cccccccccccc", 8), "image": SCHEMA.vectors["image"]},
    )
    with pytest.raises(SchemaMismatchError, match=r"text-aaaaaaaaaaaa \(4.*text-cccccccccccc \(8"):
        meta.require_same_schema("products", SCHEMA, other)


def test_synonyms_change_without_indexing_again(engine: OpenSearch, alias: str) -> None:
    first = _published(engine, alias, 3, synonyms=["sofa, couch"])
    assert _count(engine, alias, "search.en", "couches") == 3  # the rule meets the plural
    second = set_synonyms(
        engine, alias, ["# seating", "sofa, davenport", "end of the line => sofa", ""]
    ).index
    assert second > first
    assert versions.current(engine, alias) == second
    assert read_synonyms(engine, alias) == ["sofa, davenport", "end of the line => sofa"]
    assert _count(engine, alias, "search.en", "couches") == 0
    assert _count(engine, alias, "search.en", "davenport") == 3
    assert _count(engine, alias, "search.en", "end of the line") == 3
    engine.index(index=alias, id="9", body=_document(9), refresh=True)  # the new version takes writes
    knn = {"knn": {"text_vec": {"vector": [1, 0, 0, 10], "k": 1}}}
    best = engine.search(index=alias, body={"query": knn, "size": 1, "_source": False})["hits"]["hits"][0]
    assert best["_id"] == "9"
    assert set_synonyms(engine, alias, read_synonyms(engine, alias)).index == second  # nothing to do
    third = set_synonyms(engine, alias, []).index
    assert _count(engine, alias, "search.en", "davenport") == 0
    assert read_synonyms(engine, alias) == []
    assert versions.current(engine, alias) == third


def test_changing_synonyms_often_leaves_three_versions_and_a_load(engine: OpenSearch, alias: str) -> None:
    _published(engine, alias, 1)
    loading = versions.create_version(engine, alias, SCHEMA)
    created = [set_synonyms(engine, alias, [f"sofa, couch{number}"]).index for number in range(4)]
    assert [v.index for v in versions.versions(engine, alias)] == [loading, *created[1:]]


def test_a_killed_rebuild_is_resumed_with_the_learned_weights(engine: OpenSearch, alias: str) -> None:
    live = _published(engine, alias)
    meta.set_weights(engine, live, LEARNED)
    target = choose_target(engine, alias, SCHEMA, rebuild=True)
    assert meta.schema_of(engine, target.index).weights == LEARNED
    resumed = choose_target(engine, alias, SCHEMA, rebuild=True)
    assert (resumed.index, resumed.empty) == (target.index, False)


def test_synonyms_changed_while_a_rebuild_loads_stay_in_force(engine: OpenSearch, alias: str) -> None:
    _published(engine, alias, 1)
    target = choose_target(engine, alias, SCHEMA, rebuild=True)
    set_synonyms(engine, alias, ["sofa, couch"])
    report = LoadReport(read=1, indexed=1)
    assert complete(target, report, SeenIds(), sync=False, confirmed=True)
    publish_target(target, report)
    try:
        assert read_synonyms(engine, alias) == ["sofa, couch"]
        assert engine.count(index=alias)["count"] == 0  # what was loaded: nothing here
    finally:
        engine.indices.delete(index=f"{alias}*")
        engine.search_pipeline.delete(id=f"{alias}-fusion")


def test_synonyms_from_the_command_line(
    engine: OpenSearch, engine_url: str, alias: str, tmp_path: Path
) -> None:
    _published(engine, alias, 2)
    rules = tmp_path / "rules.txt"
    rules.write_text("# seating\nsofa, couch\n", encoding="utf-8-sig")
    given = ["--url", engine_url, "--index", alias, "--synonyms", str(rules)]
    done = CliRunner().invoke(index_command, given)
    assert done.exit_code == 0, done.output
    assert "1 synonym rules" in done.stderr
    assert _count(engine, alias, "search.en", "couch") == 2
    rules.write_text("sofa, divan\nsofa\n!, ?\n", encoding="utf-8")
    partly = CliRunner().invoke(index_command, given)
    assert partly.exit_code == 1
    assert "line 2, 'sofa': write `sofa, couch`" in partly.stderr
    assert "line 3, '!, ?': '!' has no letter and no digit" in partly.stderr
    assert read_synonyms(engine, alias) == ["sofa, divan"]
    rules.write_text("sofa\n", encoding="utf-8")
    assert "line 1, 'sofa'" in str(CliRunner().invoke(index_command, given).exception)
    rules.write_bytes(b"\xff\xfe\xff")
    assert "as a UTF-8 file" in str(CliRunner().invoke(index_command, given).exception)
    rules.unlink()
    assert "cannot be read" in str(CliRunner().invoke(index_command, given).exception)


def test_synonyms_are_taken_over_by_the_next_version(engine: OpenSearch, alias: str) -> None:
    _published(engine, alias, 1, synonyms=["sofa, couch"])
    _published(engine, alias, 1)
    assert read_synonyms(engine, alias) == ["sofa, couch"]


def test_bad_synonyms_change_nothing(engine: OpenSearch, alias: str) -> None:
    index = _published(engine, alias, 1, synonyms=["sofa, couch"])
    for rules in (["sofa"], ["x => y => z"], ["a,,b"], ["!!!, ???", "x"]):
        with pytest.raises(EngineError, match="synonym rules can be used"):
            set_synonyms(engine, alias, rules)
    assert versions.current(engine, alias) == index
    assert read_synonyms(engine, alias) == ["sofa, couch"]
    engine.index(index=alias, id="9", body=_document(9))  # and writes are open


def test_rules_name_each_bad_line() -> None:
    read = parse_rules(["a, b", "sofa", "# comment", "=> x"])
    assert read.rules == {1: "a, b"}
    assert [problem.split(":")[0] for problem in read.problems] == ["line 2, 'sofa'", "line 4, '=> x'"]


SIGNS = {
    "tshirt, t-shirt, tee": ("tee", "T-Shirt"),
    "wifi => wi-fi": ("wifi", "Wi-Fi router"),
    "e-bike, electric bike": ("electric bike", "E-Bike"),
    "men's, gents": ("gents", "Men's shoes"),
    "h&m, hennes": ("hennes", "H&M"),
    "a/c, air conditioner": ("air conditioner", "A/C unit"),
    "&, plus": ("plus", "Salt & pepper"),
    "c++, cpp": ("cpp", "C++ primer"),
    "rock'n'roll, rnr": ("rnr", "Rock'n'Roll"),
    "连衣裙, t-裙": ("t-裙", "红色连衣裙"),
}


def test_rules_with_signs_work_in_every_chain(engine: OpenSearch, alias: str) -> None:
    chains = ("en", "zh", "any", "de", "fr")
    survey = Survey(("de", "fr"))
    index = versions.create_version(engine, alias, SCHEMA, synonyms=list(SIGNS), survey=survey)
    rules = dict(enumerate(SIGNS, 1))
    assert refused_rules(engine, versions.read_analysis(engine, index), rules) == {}
    for language in chains:
        for number, (_, title) in enumerate(SIGNS.values()):
            document = {**_document(number), "search": {language: title}}
            engine.index(index=index, id=f"{language}{number}", body=document)
    versions.publish(engine, alias, index)
    # `and`, `und` and `et` are no words of a product there
    stop_words = {("en", "&, plus"), ("de", "&, plus"), ("fr", "&, plus")}
    for number, (rule, (words, _)) in enumerate(SIGNS.items()):
        for language in chains:
            if (language, rule) in stop_words:
                continue
            match = {"match": {f"search.{language}": {"query": words, "operator": "and"}}}
            hits = engine.search(index=alias, body={"query": match, "_source": False})["hits"]["hits"]
            assert f"{language}{number}" in {hit["_id"] for hit in hits}, (language, rule)


def test_chinese_words_are_found_without_separators(engine: OpenSearch, alias: str) -> None:
    index = versions.create_version(engine, alias, SCHEMA, synonyms=["连衣裙, 洋装"])
    for number, title in enumerate(["红色连衣裙女夏季", "黑色运动鞋 Nike running shoes", "白色衬衫"]):
        engine.index(index=index, id=str(number), body=_document(number, title=title, search={"zh": title}))
    versions.publish(engine, alias, index)

    def matches(words: str) -> set[str]:
        body = {"query": {"match": {"search.zh": {"query": words, "operator": "and"}}}, "_source": False}
        return {hit["_id"] for hit in engine.search(index=alias, body=body)["hits"]["hits"]}

    assert matches("连衣裙") == {"0"}
    assert matches("运动鞋") == {"1"}
    assert matches("洋装") == {"0"}
    assert matches("Running shoe") == {"1"}
    assert matches("衬衫") == {"2"}
    assert matches("汽车") == set()


def test_english_stop_words_and_possessives(engine: OpenSearch, alias: str) -> None:
    index = versions.create_version(engine, alias, SCHEMA)
    engine.index(index=index, id="1", body=_document(1, search={"en": "the women's café chairs"}))
    versions.publish(engine, alias, index)
    assert _count(engine, alias, "search.en", "woman") == 0  # irregular plurals are no stems
    assert _count(engine, alias, "search.en", "women") == 1
    assert _count(engine, alias, "search.en", "cafe") == 1
    assert _count(engine, alias, "search.en", "chair") == 1
    assert _count(engine, alias, "search.en", "the of and") == 0
