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


def rerank_pipeline(model: str, weights: Weights) -> dict[str, Any]:
    """Return the body of the pipeline that fuses and then calls the rerank service through a deployed model."""
    rerank = {
        "tag": "rerank",
        "description": "Vitrine: sends ids to the rerank service and sorts by its scores",
        "ml_opensearch": {"model_id": model},
        # one field: the engine joins several without a separator
        "context": {"document_fields": ["id"]},
        "ignore_failure": True,
    }
    return {
        "description": "Vitrine: weighted fusion of the sub-queries, reranked by the service",
        "phase_results_processors": [fusion_processor(weights)],
        "response_processors": [{"rerank": rerank}],
    }


def page_pipeline(model: str, weights: Weights) -> dict[str, Any]:
    """Return the body of the pipeline for page one: it reranks twenty times as many hits as the search requests.

    Ten hits then come from a window of 200. The engine applies `from` before the rerank, so deeper pages use
    `<alias>-rerank` with the whole window.
    """
    window = rerank_pipeline(model, weights)
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
    """Write the sub-query weights into the fusion pipeline of the alias and, if installed, its rerank pipelines."""
    put_fusion(client, alias, weights)
    hooked = (rerank_name(alias), page_name(alias))
    with explained(client):
        pipelines = client.search_pipeline.get()
        for name in hooked:
            if name in pipelines:
                body = {**pipelines[name], "phase_results_processors": [fusion_processor(weights)]}
                client.search_pipeline.put(id=name, body=body)


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

    The context holds ids and the keyed hash of a shopper, never personal data: the engine's slow log shows it.
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
