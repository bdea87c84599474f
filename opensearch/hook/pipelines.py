"""The engine's search pipelines of an alias, and the context that a search sends through them to the service.

`<alias>-fusion` combines the sub-query scores of a hybrid query and is the default of the index: without a fusion
pipeline the engine returns its internal delimiters as hits. `<alias>-rerank` also calls the rerank service; a search
names it to be reranked. `<alias>-rerank-page` returns page one of the reranked window. The service receives ids only
(`rerank.ml_opensearch`), and a search is answered when the service fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from opensearch.client import explained
from opensearch.search.fusion import Weights, fusion_processor
from vitrine.errors import QueryError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

OVERSAMPLE = 20
ROUTING = "_routing"
MAX_CONTEXT_BYTES = 16_384  # a context of a megabyte makes a small engine refuse other searches
_DEFAULT = "index.search.default_pipeline"


def fusion_name(alias: str) -> str:
    """Return the name of the fusion pipeline of an alias."""
    return f"{alias}-fusion"


def rerank_name(alias: str) -> str:
    """Return the name of the pipeline that reranks a whole window."""
    return f"{alias}-rerank"


def page_name(alias: str) -> str:
    """Return the name of the pipeline that reranks page one."""
    return f"{alias}-rerank-page"


def fusion_pipeline(weights: Weights) -> dict[str, Any]:
    """Return the body of the pipeline that combines the sub-query scores."""
    return {
        "description": "Vitrine: weighted fusion of the sub-queries",
        "phase_results_processors": [fusion_processor(weights)],
    }


def id_field(client: OpenSearch, alias: str) -> str:
    """Return the field from which a pipeline reads the id of a hit: `_routing` where every product has it, else `id`.

    Every hit carries its routing value, and `id` only the hits of a search that returns it.
    """
    body = {"size": 1, "_source": False, "query": {"bool": {"must_not": [{"exists": {"field": ROUTING}}]}}}
    with explained(client):
        without = client.search(index=alias, body=body, params={"search_pipeline": "_none"})
    return "id" if without["hits"]["hits"] else ROUTING


def rerank_pipeline(model: str, weights: Weights, id_field: str = "id") -> dict[str, Any]:
    """Return the body of the pipeline that fuses and then calls the rerank service through a deployed model."""
    rerank = {
        "tag": "rerank",
        "description": "Vitrine: sends ids to the rerank service and sorts by its scores",
        "ml_opensearch": {"model_id": model},
        # one field: the engine joins several without a separator
        "context": {"document_fields": [id_field]},
        "ignore_failure": True,
    }
    return {
        "description": "Vitrine: weighted fusion of the sub-queries, reranked by the service",
        "phase_results_processors": [fusion_processor(weights)],
        "response_processors": [{"rerank": rerank}],
    }


def page_pipeline(model: str, weights: Weights, id_field: str = "id") -> dict[str, Any]:
    """Return the body of the pipeline for page one: it reranks twenty times as many hits as the search requests.

    Ten hits then come from a window of 200. The engine applies `from` before the rerank, so deeper pages use
    `<alias>-rerank` with the whole window.
    """
    window = rerank_pipeline(model, weights, id_field)
    return window | {
        "description": "Vitrine: page one of the reranked window",
        "request_processors": [{"oversample": {"sample_factor": OVERSAMPLE}}],
        "response_processors": [*window["response_processors"], {"truncate_hits": {}}],
    }


def put_fusion(client: OpenSearch, alias: str, weights: Weights) -> str:
    """Write `<alias>-fusion`, make it the default of each index without a default, and return its name."""
    name = fusion_name(alias)
    with explained(client):
        client.search_pipeline.put(id=name, body=fusion_pipeline(weights))
    without = [index for index, default in default_pipelines(client, alias).items() if default is None]
    set_default(client, without, name)
    return name


def put_weights(client: OpenSearch, alias: str, weights: Weights) -> None:
    """Write the sub-query weights into the fusion pipeline of the alias and, if installed, its rerank pipelines.

    Those also get the id field of the index in service.
    """
    put_fusion(client, alias, weights)
    with explained(client):
        pipelines = client.search_pipeline.get()
    hooked = [name for name in (rerank_name(alias), page_name(alias)) if name in pipelines]
    field = id_field(client, alias) if hooked else ""
    for name in hooked:
        body = {**pipelines[name], "phase_results_processors": [fusion_processor(weights)]}
        body["response_processors"] = [_reading(step, field) for step in body.get("response_processors", [])]
        with explained(client):
            client.search_pipeline.put(id=name, body=body)


def _reading(step: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return a response processor that, if it reranks, reads the id of a hit from `field`."""
    if "rerank" not in step:
        return dict(step)
    return {"rerank": {**step["rerank"], "context": {"document_fields": [field]}}}


def default_pipelines(client: OpenSearch, alias: str) -> dict[str, str | None]:
    """Return the default search pipeline of each index behind the alias, None for an index without one."""
    with explained(client):
        response = client.indices.get_settings(index=alias, name=_DEFAULT, params={"flat_settings": "true"})
        names = client.indices.get_alias(index=alias)
    defaults = {index: body["settings"].get(_DEFAULT) for index, body in response.items()}
    return {
        index: name if (name := defaults.get(index)) and name != "_none" else None for index in sorted(names)
    }


def set_default(client: OpenSearch, indices: list[str], pipeline: str | None) -> None:
    """Make a pipeline the default of these indices; None removes their default."""
    if not indices:
        return
    with explained(client):
        client.indices.put_settings(index=",".join(indices), body={_DEFAULT: pipeline})


def rerank_ext(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `ext` of a search through `<alias>-rerank`; the service receives the context as `ctx`.

    The context holds ids and the keyed hash of a shopper, never personal data: the engine's slow log shows it. A sorted
    search has no `ext.rerank`, or `sort: true` in its context: then its hits keep their order.
    Raises QueryError when it is larger than `MAX_CONTEXT_BYTES` or cannot be written as JSON.
    """
    try:
        text = orjson.dumps(escaped(dict(context)))
    except (TypeError, ValueError) as error:
        raise QueryError(f"the context of a search cannot be written as JSON: {error}") from error
    if len(text) > MAX_CONTEXT_BYTES:
        raise QueryError(
            f"the context of a search is {len(text)} bytes and may be {MAX_CONTEXT_BYTES}: send ids instead of "
            "documents, and the query text as opensearch.search.query_text.clean_words returns it"
        )
    return {"rerank": {"query_context": {"query_text": text.decode()}}}


def escaped(value: Any) -> Any:
    """Escape `%` and `$` in every string of a JSON value: the engine's connector replaces `${parameters...}`."""
    if isinstance(value, str):
        return value.replace("%", "%25").replace("$", "%24")
    if isinstance(value, Mapping):
        return {escaped(str(key)): escaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [escaped(inner) for inner in value]
    return value


def unescaped(value: Any) -> Any:
    """Undo `escaped`, in the service."""
    if isinstance(value, str):
        return unquote(value)
    if isinstance(value, Mapping):
        return {unquote(str(key)): unescaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [unescaped(inner) for inner in value]
    return value
