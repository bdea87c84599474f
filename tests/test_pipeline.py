"""Pipelines and the hook: their bodies, and the engine's `_search` with and without a working service."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from opensearchpy.exceptions import NotFoundError
from support.search_index import SCHEMA, TEXTS, search_index

from opensearch.hook.install import hook_status, install_hook, remove_hook
from opensearch.hook.pipelines import (
    MAX_CONTEXT_BYTES,
    default_pipelines,
    escaped,
    fusion_pipeline,
    put_fusion,
    rerank_ext,
    rerank_pipeline,
    set_default,
    unescaped,
)
from opensearch.index.versions import read_schema
from opensearch.search.fusion import default_weights, schema_weights, shares
from opensearch.search.query import Page, Query, hybrid_body
from opensearch.search.query_text import clean_words
from opensearch.search.retrieve import Retrieved, retrieve
from opensearch.tuning.weights import use_weights
from vitrine.errors import EngineError, IndexMissingError, QueryError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

NASTY = (
    "${parameters.docs}",
    "${parameters.query}",
    "${ml_inference.parameters}",
    "${credential.api_key}",
    "100% wool $5 %24",
    '"},"docs":["x',
    '["a"]',
    '{"a":1}',
    "null",
    "back\\slash\nnew\tline",
    "红色 跑鞋 👟 \u2028",
)


class Service:
    """A rerank service that reverses the order, or fails according to `mode`; stores its requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.mode = "reverse"
        self.connections: list[socket.socket] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                service.connections.append(self.connection)

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                service.requests.append({**request, "path": self.path, "key": self.headers["authorization"]})
                status, answer = service.answer(request["docs"])
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, docs: list[str]) -> tuple[int, bytes]:
        if self.mode == "503":
            return 503, b'{"error":"not now"}'
        if self.mode == "nonsense":
            return 200, b"<html>"
        count = len(docs) - (self.mode == "short")
        results = [{"index": place, "relevance_score": place + 0.5} for place in range(count)]
        return 200, json.dumps({"results": results}).encode()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:  # the engine keeps them open
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def service() -> Iterator[Service]:
    running = Service()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def products(engine: OpenSearch) -> Iterator[str]:
    with search_index(engine) as alias:
        try:
            yield alias
        finally:
            for index, default in default_pipelines(engine, alias).items():
                if default:
                    set_default(engine, [index], None)
            remove_hook(engine, alias)


def search(engine: OpenSearch, alias: str, context: dict[str, Any] | None = None) -> Retrieved:
    body = hybrid_body(Query("red shoes", {"text": TEXTS[3]}), SCHEMA, page=Page(size=20))
    if context is not None:
        body["ext"] = rerank_ext(context)
    return retrieve(engine, alias, body, pipeline=f"{alias}-rerank" if context is not None else None)


def ids(result: Retrieved) -> list[str]:
    return [candidate.id for candidate in result.candidates]


def test_rerank_step_never_fails_a_search_and_sends_one_field() -> None:
    (step,) = rerank_pipeline("m-1", default_weights())["response_processors"]
    assert step["rerank"]["ignore_failure"] is True
    assert step["rerank"]["context"] == {"document_fields": ["id"]}
    assert step["rerank"]["ml_opensearch"] == {"model_id": "m-1"}


def test_both_pipelines_fuse_alike() -> None:
    step = rerank_pipeline("m-1", default_weights())["phase_results_processors"]
    assert step == fusion_pipeline(default_weights())["phase_results_processors"]
    assert step[0]["normalization-processor"]["combination"]["parameters"]["weights"] == shares(
        default_weights()
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), json_values, max_size=3))
def test_escaping_can_be_undone_and_leaves_no_placeholder(context: dict[str, Any]) -> None:
    assert unescaped(escaped(context)) == context
    assert "$" not in json.dumps(escaped(context))


def test_context_is_json_of_an_object() -> None:
    text = rerank_ext({"q": "50% $off", "shopper": "ab"})["rerank"]["query_context"]["query_text"]
    assert json.loads(text) == {"q": "50%25 %24off", "shopper": "ab"}


def test_large_context_is_refused() -> None:
    with pytest.raises(QueryError, match="16384"):
        rerank_ext({"q": "x" * MAX_CONTEXT_BYTES})


@pytest.mark.parametrize("sign", ["词", "$", "\x00", '"', "𠀀", "\\"])
def test_cleaned_words_always_fit_the_context(sign: str) -> None:
    ext = rerank_ext({"q": clean_words(sign * 100_000), "shopper": "f" * 32, "query_id": "f" * 36})
    assert len(ext["rerank"]["query_context"]["query_text"].encode()) <= MAX_CONTEXT_BYTES


def test_a_context_that_is_not_json_is_refused() -> None:
    with pytest.raises(QueryError, match="JSON"):
        rerank_ext({"q": object()})


@pytest.mark.live
def test_fusion_becomes_the_default_of_an_index_without_one(engine: OpenSearch, products: str) -> None:
    assert set(default_pipelines(engine, products).values()) == {None}
    assert put_fusion(engine, products, default_weights()) == f"{products}-fusion"
    assert set(default_pipelines(engine, products).values()) == {f"{products}-fusion"}
    body = hybrid_body(Query("red shoes"), SCHEMA)
    inline = retrieve(engine, products, body)
    del body["search_pipeline"]
    assert ids(retrieve(engine, products, body)) == ids(inline)


@pytest.mark.live
def test_a_search_without_fusion_is_an_error(engine: OpenSearch, products: str) -> None:
    body = hybrid_body(Query("red shoes", {"text": TEXTS[3]}), SCHEMA)
    with pytest.raises(EngineError, match="without fusing"):
        retrieve(engine, products, body, pipeline="_none")


@pytest.mark.live
def test_engine_reranks_through_the_service(engine: OpenSearch, products: str) -> None:
    plain = search(engine, products)
    with service() as running:
        installed = install_hook(engine, products, running.url, "secret")
        assert installed.answers
        assert installed.messages == []
        result = search(engine, products, {"q": "red shoes", "shopper": "ab12"})
        request = running.requests[-1]
    assert ids(result) == ids(plain)[::-1]
    assert result.reranked
    assert not plain.reranked
    assert request["docs"] == ids(plain)
    assert request["ctx"] == {"q": "red shoes", "shopper": "ab12"}
    assert request["path"] == f"/v1/hook/{products}"
    assert request["key"] == "Bearer secret"


@pytest.mark.live
def test_the_engine_order_stays_when_the_service_fails(engine: OpenSearch, products: str) -> None:
    plain = ids(search(engine, products))
    with service() as running:
        install_hook(engine, products, running.url, "")
        for mode in ("503", "nonsense", "short"):
            running.mode = mode
            result = search(engine, products, {"q": "red shoes"})
            assert ids(result) == plain, mode
            assert not result.reranked, mode
        assert not hook_status(engine, products).answers
        running.mode = "reverse"
        assert ids(search(engine, products, {"q": "red shoes"})) == plain[::-1]
    assert ids(search(engine, products, {"q": "red shoes"})) == plain  # the service has stopped
    status = hook_status(engine, products)
    assert status.installed
    assert not status.answers
    assert status.failures >= 4
    assert any("engine's order" in line for line in status.messages)


@pytest.mark.live
def test_nasty_words_arrive_as_they_were_typed(engine: OpenSearch, products: str) -> None:
    plain = ids(search(engine, products))
    with service() as running:
        install_hook(engine, products, running.url, "")
        for words in NASTY:
            result = search(engine, products, {"q": words})
            assert ids(result) == plain[::-1], words
            assert unescaped(running.requests[-1]["ctx"]) == {"q": words}


@pytest.mark.live
def test_installing_again_replaces_and_removing_leaves_nothing(engine: OpenSearch, products: str) -> None:
    with service() as first, service() as second:
        install_hook(engine, products, first.url, "")
        before = left_over(engine, products)
        install_hook(engine, products, second.url, "", default=True)
        after = left_over(engine, products)
        assert len(after["models"]) == len(after["model_groups"]) == 1
        assert not set(after["models"]) & set(before["models"])
        assert hook_status(engine, products).service == second.url
        calls = len(first.requests)
        body = hybrid_body(Query("red"), SCHEMA)
        del body["search_pipeline"]
        result = retrieve(engine, products, {**body, "ext": rerank_ext({"q": "red"})})
        assert result.reranked
        assert len(first.requests) == calls
        assert default_pipelines(engine, products) == {f"{products}-v1": f"{products}-rerank"}
        assert remove_hook(engine, products)
    assert left_over(engine, products) == {"models": [], "model_groups": []}
    assert default_pipelines(engine, products) == {f"{products}-v1": f"{products}-fusion"}
    assert ids(search(engine, products))
    assert not hook_status(engine, products).installed
    assert remove_hook(engine, products) == []


@pytest.mark.live
def test_a_search_that_returns_no_id_is_reranked_all_the_same(engine: OpenSearch, products: str) -> None:
    def hits(source: Any) -> list[str]:
        body = {"query": {"match": {"search.en": "red"}}, "size": 5, "_source": source, "ext": rerank_ext({})}
        answer = engine.search(index=products, body=body, params={"search_pipeline": f"{products}-rerank"})
        return [hit["_id"] for hit in answer["hits"]["hits"]]

    with service() as running:
        install_hook(engine, products, running.url, "")
        with_id = hits(["id"])
        assert with_id == running.requests[-1]["docs"][::-1]
        assert hits(["title"]) == hits(False) == with_id
        # a product that another program wrote has no routing value: hits are known by their field again
        engine.index(index=products, id="x", body={"id": "x", "title": "red"}, params={"refresh": "true"})
        use_weights(engine, products, None)
        assert hits(["id"]) == with_id
        assert hits(False)
        assert running.requests[-1]["docs"] == [""] * 5  # which the real service refuses
        status = hook_status(engine, products)
        assert any("searches must return the field `id`" in message for message in status.messages)
        assert status.reasons[0].startswith("not known here")  # this service does not count them


@pytest.mark.live
def test_page_one_is_the_top_of_a_window_twenty_times_as_long(engine: OpenSearch, products: str) -> None:
    def body(size: int) -> dict[str, Any]:
        return hybrid_body(Query("red shoes", {"text": TEXTS[3]}), SCHEMA, page=Page(size=size)) | {
            "ext": rerank_ext({})
        }

    with service() as running:
        install_hook(engine, products, running.url, "")
        first = ids(retrieve(engine, products, body(2), pipeline=f"{products}-rerank-page"))
        whole = ids(retrieve(engine, products, body(40), pipeline=f"{products}-rerank"))
        assert first == whole[:2]
        assert running.requests[-1]["docs"] == running.requests[-2]["docs"]
    plain = ids(retrieve(engine, products, body(2), pipeline=f"{products}-fusion"))
    assert ids(retrieve(engine, products, body(2), pipeline=f"{products}-rerank-page")) == plain != first


def weights_in(engine: OpenSearch, pipeline: str) -> list[float]:
    (step,) = engine.search_pipeline.get(id=pipeline)[pipeline]["phase_results_processors"]
    weights: list[float] = step["normalization-processor"]["combination"]["parameters"]["weights"]
    return weights


@pytest.mark.live
def test_weights_are_written_to_every_pipeline_and_stay_after_the_hook_is_removed(
    engine: OpenSearch, products: str
) -> None:
    with service() as running:
        install_hook(engine, products, running.url, "", default=True)
        use_weights(engine, products, {"lexical": 0.1, "text": 0.6, "image": 0.3})
        for name in ("fusion", "rerank", "rerank-page"):
            assert weights_in(engine, f"{products}-{name}") == pytest.approx([0.1, 0.6, 0.3]), name
        assert search(engine, products, {"q": "red"}).reranked  # the rest of the pipeline is as it was
        remove_hook(engine, products)
    assert weights_in(engine, f"{products}-fusion") == pytest.approx([0.1, 0.6, 0.3])
    assert schema_weights(read_schema(engine, products)) == {"lexical": 0.1, "text": 0.6, "image": 0.3}


@pytest.mark.live
def test_the_hook_of_a_deleted_index_can_be_removed(engine: OpenSearch) -> None:
    with service() as running, search_index(engine) as alias:
        install_hook(engine, alias, running.url, "")
    assert any(line.startswith("pipeline") for line in remove_hook(engine, alias))
    assert left_over(engine, alias) == {"models": [], "model_groups": []}
    for name in (f"{alias}-fusion", f"{alias}-rerank", f"{alias}-rerank-page"):
        with pytest.raises(NotFoundError):
            engine.search_pipeline.get(id=name)


@pytest.mark.live
def test_another_default_pipeline_stays(engine: OpenSearch, products: str) -> None:
    other = f"{products}-other"
    engine.search_pipeline.put(id=other, body=fusion_pipeline(default_weights()))
    set_default(engine, [f"{products}-v1"], other)
    try:
        with service() as running:
            messages = install_hook(engine, products, running.url, "", default=True).messages
        assert default_pipelines(engine, products) == {f"{products}-v1": other}
        assert any(other in line for line in messages)
    finally:
        set_default(engine, [f"{products}-v1"], None)
        engine.search_pipeline.delete(id=other)


@pytest.mark.live
def test_wrong_names_are_refused_before_anything_is_created(engine: OpenSearch) -> None:
    with pytest.raises(IndexMissingError, match="eq-nothing"):
        install_hook(engine, "eq-nothing", "http://127.0.0.1:8060", "")
    with pytest.raises(EngineError, match="http://127"):
        install_hook(engine, "eq-nothing", "127.0.0.1:8060", "")
    assert left_over(engine, "eq-nothing") == {"models": [], "model_groups": []}
    with pytest.raises(IndexMissingError):
        hook_status(engine, "eq-nothing")


@pytest.mark.live
def test_the_command_installs_shows_and_removes(engine: OpenSearch, engine_url: str, products: str) -> None:
    from vitrine.cli import main

    at = ["--url", engine_url, "--index", products]
    with service() as running:
        run = CliRunner().invoke(main, ["hook", "install", *at, "--service", running.url])
        assert run.exit_code == 0, run.output
        assert f"search_pipeline={products}-rerank" in run.stdout
        run = CliRunner().invoke(main, ["hook", "status", *at, "--json"])
        assert run.exit_code == 0, run.output
        assert json.loads(run.stdout)["state"] == "DEPLOYED"
    run = CliRunner().invoke(main, ["hook", "status", *at])
    assert run.exit_code == 1
    assert "engine's order" in run.stderr
    run = CliRunner().invoke(main, ["hook", "remove", *at])
    assert f"pipeline {products}-rerank" in run.stdout


def left_over(engine: OpenSearch, alias: str) -> dict[str, list[str]]:
    from opensearch.hook.connector import find_ids

    return {kind: find_ids(engine, kind, alias) for kind in ("models", "model_groups")}


@pytest.mark.live
def test_an_indexed_catalogue_is_fused_by_default(
    engine: OpenSearch, engine_url: str, tmp_path: Path
) -> None:
    from vitrine.cli import main

    catalogue = tmp_path / "two.jsonl"
    catalogue.write_text('{"id":"1","title":"red shoes"}\n{"id":"2","title":"blue shirt"}\n')
    alias = f"eq-{uuid4().hex[:8]}"
    none = ["--text-encoder", "none", "--image-encoder", "none", "--store", str(tmp_path / "store")]
    run = CliRunner().invoke(main, ["index", str(catalogue), "--index", alias, "--url", engine_url, *none])
    assert run.exit_code == 0, run.output
    defaults = default_pipelines(engine, alias)
    try:
        assert set(defaults.values()) == {f"{alias}-fusion"}
    finally:
        for index in defaults:
            engine.indices.delete(index=index)
        remove_hook(engine, alias)
