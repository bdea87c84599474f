"""Doctor checks: single checks on responses of the engine, and all checks on the live node."""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from opensearch.checks import cluster as check_cluster
from opensearch.checks import index as check_index
from opensearch.checks import pipelines as check_pipelines
from opensearch.checks.logs import log_fields_of
from opensearch.commands.doctor import doctor
from opensearch.hook.connector import PRIVATE_ENDPOINTS, TRUSTED_ENDPOINTS
from opensearch.index import versions as index
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.index.schema import mappings
from opensearch.index.versions import Version
from opensearch.logs.log_fields import LogFields
from opensearch.logs.ubi import UBI_LOGS
from vitrine.doctor import CHECKS, Context, Finding, Level, examine
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

TEXT = VectorField("text-aaaaaaaaaaaa", "text-aaaaaaaaaaaa", 4, ("en",))
IMAGE = VectorField("image-bbbbbbbbbbbb", "text-aaaaaaaaaaaa", 4, ("en",))
SCHEMA = IndexSchema(FieldPlan(), {"text": TEXT, "image": IMAGE})


def _levels(findings: Iterable[Finding]) -> dict[str, Level]:
    results = list(findings)
    assert all(finding.advice for finding in results if finding.level != "ok")
    return {finding.subject: finding.level for finding in results}


@pytest.mark.parametrize(
    ("number", "distribution", "level"),
    [
        ("3.6.0", "opensearch", "ok"),
        ("3.8.1", "opensearch", "warn"),
        ("2.19.0", "opensearch", "fail"),
        ("8.1.0", None, "fail"),
    ],
)
def test_version(number: str, distribution: str | None, level: Level) -> None:
    info = {"version": {"number": number, **({"distribution": distribution} if distribution else {})}}
    assert check_cluster.version(info).level == level


def test_plugins_on_every_node() -> None:
    def rows(*installed: tuple[str, str]) -> list[dict[str, str]]:
        return [{"name": name, "component": part} for name, part in installed]

    both = [
        (node, part)
        for node in "ab"
        for part in ("opensearch-knn", "opensearch-neural-search", "opensearch-ml")
    ]
    whole = _levels(check_cluster.plugins(rows(*both), ["a", "b"]))
    assert set(whole.values()) == {"ok"}
    some = rows(*(pair for pair in both if pair != ("b", "opensearch-knn")), ("a", "analysis-smartcn"))
    incomplete = _levels(check_cluster.plugins(some, ["a", "b"]))
    assert incomplete["plugin opensearch-knn"] == "fail"
    assert incomplete["plugin opensearch-neural-search"] == "ok"
    assert incomplete["plugin analysis-smartcn"] == "fail"
    assert _levels(check_cluster.plugins([], ["a"]))["plugin opensearch-ml"] == "warn"


@pytest.mark.parametrize(("status", "level"), [("green", "ok"), ("yellow", "warn"), ("red", "fail")])
def test_health(status: str, level: Level) -> None:
    response = {"status": status, "number_of_data_nodes": 1, "unassigned_shards": 2}
    assert check_cluster.health_of(response).level == level


@pytest.mark.parametrize(
    ("free", "marks", "level"),
    [
        (20, ("85%", "90%", "95%"), "ok"),
        (12, ("85%", "90%", "95%"), "warn"),
        (8, ("0.85", "0.90", "0.95"), "warn"),
        (4, ("85%", "90%", "95%"), "fail"),
        (4, ("3b", "2b", "1b"), "ok"),  # a watermark may be the space that must stay free
        (4, ("10b", "5b", "1b"), "warn"),
        (4, ("1tb", "1gb", "5b"), "fail"),
    ],
)
def test_disk_against_watermarks(free: int, marks: tuple[str, str, str], level: Level) -> None:
    stats = {
        "nodes": {"x": {"name": "n1", "fs": {"total": {"total_in_bytes": 100, "available_in_bytes": free}}}}
    }
    prefix = "cluster.routing.allocation.disk.watermark."
    settings = {prefix + name: mark for name, mark in zip(("low", "high", "flood_stage"), marks, strict=True)}
    assert _levels(check_cluster.disks(stats, settings)) == {"disk of n1": level}


@pytest.mark.parametrize(
    ("used", "megabytes", "tripped", "level"),
    [(40, 1024, 0, "ok"), (40, 512, 0, "warn"), (96, 1024, 0, "fail"), (40, 1024, 3, "warn")],
)
def test_heap(used: int, megabytes: int, tripped: int, level: Level) -> None:
    memory = {"heap_used_percent": used, "heap_max_in_bytes": megabytes * 1024**2}
    node = {"name": "n1", "jvm": {"mem": memory}, "breakers": {"parent": {"tripped": tripped}}}
    assert _levels(check_cluster.heaps({"nodes": {"x": node}})) == {"heap of n1": level}


def test_a_mapping_of_vitrine_passes() -> None:
    assert set(_levels(check_index.mapping_of(mappings(SCHEMA), SCHEMA)).values()) == {"ok"}


def test_mapping_faults() -> None:
    mapping = mappings(SCHEMA)
    text = mapping["properties"]["text_vec"]

    def broken(**changes: Any) -> dict[str, Level]:
        return _levels(check_index.mapping_of({**mapping, **changes}, SCHEMA))

    assert broken(_source={"excludes": ["text_vec"]})["_source"] == "fail"
    assert broken(_source={"enabled": False})["_source"] == "fail"
    assert broken(dynamic="true")["mapping"] == "warn"
    properties = mapping["properties"]
    faiss = {**text, "method": {**text["method"], "engine": "faiss"}}
    assert broken(properties={**properties, "text_vec": faiss})["text_vec"] == "fail"
    bare = {"type": "knn_vector", "dimension": 4}
    assert broken(properties={**properties, "text_vec": bare})["text_vec"] == "fail"
    far = {**text, "method": {**text["method"], "space_type": "l2"}}
    assert broken(properties={**properties, "text_vec": far})["text_vec"] == "warn"
    assert broken(properties={**properties, "text_vec": {**text, "dimension": 8}})["text_vec"] == "fail"
    without = {name: field for name, field in properties.items() if name != "images"}
    assert broken(properties=without)["images.vec"] == "fail"


def test_settings_faults() -> None:
    def judged(nodes: int = 1, **flat: Any) -> dict[str, Level]:
        settings = {f"index.{name.replace('__', '.')}": value for name, value in flat.items()}
        return _levels(check_index.settings_of("shop-v1", {"index.number_of_shards": "1", **settings}, nodes))

    assert set(judged(number_of_replicas="0", refresh_interval="1s").values()) == {"ok"}
    assert judged(refresh_interval="-1")["refresh"] == "fail"
    assert judged(blocks__write="true")["writes"] == "fail"
    assert judged(blocks__write="false", blocks__read_only_allow_delete="true")["writes"] == "fail"
    assert judged(3, number_of_replicas="0")["copies"] == "warn"
    assert judged(3, number_of_replicas="1")["copies"] == "ok"


def test_documents_without_vectors() -> None:
    assert _levels(check_index.documents_of(0, {"text_vec": 0})) == {"documents": "warn"}
    judged = _levels(check_index.documents_of(10, {"a": 0, "b": 5, "c": 6, "d": 10}))
    assert judged == {"documents": "ok", "a": "ok", "b": "ok", "c": "warn", "d": "fail"}


def test_versions_besides_the_one_in_service() -> None:
    live = Version("v2", "2026-11-20", True, 10)
    old = Version("v1", "2026-11-19", False, 10)
    (finding,) = check_index.versions_of([old, live])
    assert finding == Finding("ok", "versions", "v2; to roll back to: v1")
    assert _levels(check_index.versions_of([live, Version("v3", None, False, 4)])) == {"versions": "warn"}
    assert _levels(check_index.versions_of([Version("v1", None, False, 4), live])) == {"versions": "ok"}


def test_encoders_in_the_store(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    assert _levels(check_index.encoders_of(SCHEMA, store))["encoder of text_vec"] == "fail"
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "encoder.json").write_text(
        json.dumps({"kind": "text", "name": "text", "dimension": 4, "max_tokens": 16})
    )
    store.put("encoders", "text-aaaaaaaaaaaa", encoder)
    assert set(_levels(check_index.encoders_of(SCHEMA, store)).values()) == {"ok"}
    wide = VectorField("image-bbbbbbbbbbbb", "text-aaaaaaaaaaaa", 8)
    judged = _levels(check_index.encoders_of(IndexSchema(FieldPlan(), {"text": TEXT, "image": wide}), store))
    assert judged == {"encoder of text_vec": "ok", "encoder of images.vec": "fail"}


def _fusing(**combination: Any) -> dict[str, Any]:
    return {"phase_results_processors": [{"normalization-processor": {"combination": combination}}]}


def test_fusion_pipeline() -> None:
    assert check_pipelines.fusion_of("f", _fusing(parameters={"weights": [0.6, 0.3, 0.1]})).level == "ok"
    assert check_pipelines.fusion_of("f", _fusing(technique="arithmetic_mean")).level == "ok"
    assert check_pipelines.fusion_of("f", _fusing(parameters={"weights": [0.5, 0.5]})).level == "fail"
    assert check_pipelines.fusion_of("f", {"response_processors": []}).level == "fail"
    ranks = {"phase_results_processors": [{"score-ranker-processor": {"combination": {"technique": "rrf"}}}]}
    assert check_pipelines.fusion_of("f", ranks).level == "ok"


@pytest.mark.parametrize(
    ("phase", "kind", "flags", "level"),
    [
        ("response_processors", "rerank", {"ignore_failure": True}, "ok"),
        ("response_processors", "rerank", {}, "fail"),
        ("response_processors", "ml_inference", {"ignore_failure": True, "ignore_missing": True}, "ok"),
        ("response_processors", "ml_inference", {"ignore_failure": True, "ignore_missing": False}, "fail"),
        ("response_processors", "ml_inference", {"ignore_missing": True}, "fail"),
        ("request_processors", "ml_inference", {"ignore_failure": True}, "ok"),
        ("request_processors", "ml_inference", {"ignore_failure": True, "ignore_missing": True}, "fail"),
        ("request_processors", "ml_inference", {"ignore_missing": False}, "fail"),
    ],
)
def test_flags_of_processors_with_external_calls(
    phase: str, kind: str, flags: dict[str, bool], level: Level
) -> None:
    assert set(_levels(check_pipelines.flags_of("p", {phase: [{kind: flags}]})).values()) == {level}


def test_processors_without_external_calls_need_no_flags() -> None:
    assert list(check_pipelines.flags_of("p", {"response_processors": [{"truncate_hits": {}}]})) == []


def test_trusted_endpoint() -> None:
    name, private = TRUSTED_ENDPOINTS, PRIVATE_ENDPOINTS
    here, away = "http://127.0.0.1:8060", "https://rank.example.org"
    both = {name: [r"^http://127\.0\.0\.1:.*$"], private: "true"}
    assert check_pipelines.trusted(here, both).level == "ok"
    assert check_pipelines.trusted(here, {**both, private: "false"}).level == "fail"
    assert check_pipelines.trusted(away, both).level == "fail"
    assert check_pipelines.trusted(away, {name: r"^https://rank\.example\.org/.*$"}).level == "ok"


def test_log_indices_that_cannot_be_read_as_they_should_are_reported() -> None:
    def findings(application: str, timestamp: str) -> list[str]:
        types = {"application": frozenset([application]), "timestamp": frozenset([timestamp])}
        return [finding.result for finding in log_fields_of(UBI_LOGS[0], LogFields(types))]

    assert findings("keyword", "date") == []
    assert "`application` is no keyword" in findings("text", "date")[0]
    assert "`timestamp` is no date" in findings("keyword", "long")[0]


def test_every_check_of_the_table_exists() -> None:
    for place in CHECKS.values():
        module, function = place.split(":")
        assert callable(getattr(importlib.import_module(module), function)), place


@pytest.fixture
def alias(engine: OpenSearch) -> Iterator[str]:
    name = f"t-doctor-{uuid.uuid4().hex[:8]}"
    yield name
    engine.indices.delete(index=f"{name}*", ignore_unavailable=True)


@pytest.fixture
def shop(engine: OpenSearch, alias: str) -> str:
    version = index.create_version(engine, alias, SCHEMA)
    documents: list[dict[str, Any]] = [
        {"id": "1", "text_vec": [1, 0, 0, 0], "images": [{"hash": "h", "vec": [0, 1, 0, 0]}, {"hash": "i"}]},
        {"id": "2", "text_vec": [1, 0, 1, 0]},
        {"id": "3"},
    ]
    for document in documents:
        engine.index(index=version, id=document["id"], body=document)
    index.publish(engine, alias, version)
    return version


@pytest.mark.live
def test_an_intact_index_has_no_failed_check(engine: OpenSearch, alias: str, shop: str) -> None:
    findings = list(examine(Context(engine, alias)))
    assert [finding for finding in findings if finding.level == "fail"] == []
    vectors = {
        finding.subject: finding.result
        for finding in findings
        if finding.subject in ("text_vec", "images.vec")
    }
    assert vectors == {
        "text_vec": "1 of 3 documents have none",
        "images.vec": "2 of 3 documents have none",
    }


@pytest.mark.live
def test_broken_settings_are_reported(engine: OpenSearch, alias: str, shop: str) -> None:
    broken = {
        "index.refresh_interval": "-1",
        "index.blocks.write": True,
        "index.search.default_pipeline": alias,
    }
    engine.indices.put_settings(index=shop, body=broken)
    failed = {
        finding.subject: finding.advice
        for finding in examine(Context(engine, alias))
        if finding.level == "fail"
    }
    assert set(failed) == {"refresh", "writes", "default pipeline"}
    assert f"PUT {shop}/_settings" in failed["refresh"]


@pytest.mark.live
def test_a_pipeline_without_its_flag_is_reported(engine: OpenSearch, alias: str, shop: str) -> None:
    step = {"rerank": {"by_field": {"target_field": "n"}}}
    engine.search_pipeline.put(id=alias, body={"response_processors": [step]})
    engine.indices.put_settings(index=shop, body={"index.search.default_pipeline": alias})
    try:
        failed = {finding.subject for finding in examine(Context(engine, alias)) if finding.level == "fail"}
        assert failed == {f"rerank in {alias}"}
    finally:
        engine.indices.put_settings(index=shop, body={"index.search.default_pipeline": None})
        engine.search_pipeline.delete(id=alias)


@pytest.mark.live
def test_foreign_missing_and_concrete_indices(engine: OpenSearch, alias: str) -> None:
    missing = [finding for finding in examine(Context(engine, alias)) if finding.level == "fail"]
    assert [(finding.subject, "vitrine index CATALOGUE" in finding.result) for finding in missing] == [
        ("index", True)
    ]
    engine.indices.create(index=f"{alias}-foreign", body={"aliases": {alias: {}}})
    foreign = [finding for finding in examine(Context(engine, alias)) if finding.level == "fail"]
    assert [finding.subject for finding in foreign] == ["_meta"]
    engine.indices.delete(index=f"{alias}-foreign")
    engine.indices.create(index=alias)
    assert [f.subject for f in examine(Context(engine, alias)) if f.level == "fail"] == ["index"]


@pytest.mark.live
def test_the_command_shows_all_findings_and_exits_1_when_one_fails(
    engine: OpenSearch, engine_url: str, alias: str, shop: str, tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "store"))
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "encoder.json").write_text(
        json.dumps({"kind": "text", "name": "text", "dimension": 4, "max_tokens": 16})
    )
    store.put("encoders", "text-aaaaaaaaaaaa", encoder)
    options = ["--url", engine_url, "--index", alias, "--store", store.url]
    passed = CliRunner().invoke(doctor, options)
    assert passed.exit_code == 0, passed.output
    assert "0 failed" in passed.output
    engine.indices.put_settings(index=shop, body={"index.refresh_interval": "-1"})
    broken = CliRunner().invoke(doctor, [*options, "--json"])
    assert broken.exit_code == 1
    findings = json.loads(broken.stdout)
    assert [finding["subject"] for finding in findings if finding["level"] == "fail"] == ["refresh"]
