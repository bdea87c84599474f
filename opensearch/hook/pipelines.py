"""The engine's search pipelines of an alias, and the context that a search sends through them to the service.

`<alias>-fusion` fuses the legs of a hybrid query and is the default of the index: without it the engine shows
its internal marks as hits. `<alias>-rerank` asks the rerank service besides, and is named by the searches that
want it; `<alias>-rerank-page` gives page one of its window to callers that ask for no more. The service gets ids
alone (`rerank.ml_opensearch`), and whatever it does, the search is answered.
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
LARGEST_CONTEXT = 16_384  # bytes; a megabyte of it makes a small engine refuse other people's searches
_DEFAULT = "index.search.default_pipeline"


def fusion_name(alias: str) -> str:
    return f"{alias}-fusion"


def rerank_name(alias: str) -> str:
    return f"{alias}-rerank"


def page_name(alias: str) -> str:
    return f"{alias}-rerank-page"


def fusion_pipeline(weights: Weights) -> dict[str, Any]:
    """Return the pipeline that fuses the sub-queries' scores into one."""
    return {
        "description": "Vitrine: fuses the scores of the sub-queries",
        "phase_results_processors": [fusion_processor(weights)],
    }


def rerank_pipeline(model: str, weights: Weights) -> dict[str, Any]:
    """Give the pipeline that fuses and then asks the rerank service behind the connected model."""
    rerank = {
        "tag": "rerank",
        "description": "Vitrine: ids to the rerank service, scores back",
        "ml_opensearch": {"model_id": model},
        # one field: the engine glues several together without any separator
        "context": {"document_fields": ["id"]},
        "ignore_failure": True,
    }
    return {
        "description": "Vitrine: fuses the scores of the sub-queries, then reranks by the service",
        "phase_results_processors": [fusion_processor(weights)],
        "response_processors": [{"rerank": rerank}],
    }


def page_pipeline(model: str, weights: Weights) -> dict[str, Any]:
    """Give the pipeline for callers that show page one alone: it reranks twenty times what they ask for.

    Ten hits then come from a window of 200. A search with `from` would skip before the rerank, and is for
    `<alias>-rerank` with the whole window.
    """
    whole = rerank_pipeline(model, weights)
    return whole | {
        "description": "Vitrine: page one of the reranked window",
        "request_processors": [{"oversample": {"sample_factor": OVERSAMPLE}}],
        "response_processors": [*whole["response_processors"], {"truncate_hits": {}}],
    }


def put_fusion(client: OpenSearch, alias: str, weights: Weights) -> str:
    """Write `<alias>-fusion`, make it the default of an index that has none, and give its name."""
    name = fusion_name(alias)
    with explained(client):
        client.search_pipeline.put(id=name, body=fusion_pipeline(weights))
    bare = [index for index, default in default_pipelines(client, alias).items() if default is None]
    set_default(client, bare, name)
    return name


def put_weights(client: OpenSearch, alias: str, weights: Weights) -> None:
    """Set the sub-query weights in every pipeline of the alias: the fusion pipeline, and those of an installed hook."""
    put_fusion(client, alias, weights)
    hooked = (rerank_name(alias), page_name(alias))
    with explained(client):
        held = client.search_pipeline.get()
        for name in hooked:
            if name in held:
                body = {**held[name], "phase_results_processors": [fusion_processor(weights)]}
                client.search_pipeline.put(id=name, body=body)


def default_pipelines(client: OpenSearch, alias: str) -> dict[str, str | None]:
    """Give the default search pipeline of every index behind the alias."""
    with explained(client):
        found = client.indices.get_settings(index=alias, name=_DEFAULT, params={"flat_settings": "true"})
        names = client.indices.get_alias(index=alias)
    held = {index: answer["settings"].get(_DEFAULT) for index, answer in found.items()}
    return {
        index: value if (value := held.get(index)) and value != "_none" else None for index in sorted(names)
    }


def set_default(client: OpenSearch, indices: list[str], pipeline: str | None) -> None:
    """Make a pipeline the default of these indices; None: they have none any more."""
    if not indices:
        return
    with explained(client):
        client.indices.put_settings(index=",".join(indices), body={_DEFAULT: pipeline})


def rerank_ext(context: Mapping[str, Any]) -> dict[str, Any]:
    """Give the `ext` of a search through `<alias>-rerank`; the context is the service's `ctx`.

    It holds ids and the keyed hash of a shopper, never personal data: the engine's slow log shows it. Raises
    QueryError for one that is larger than `LARGEST_CONTEXT` bytes or no JSON.
    """
    try:
        text = orjson.dumps(escaped(dict(context)))
    except (TypeError, ValueError) as error:
        raise QueryError(f"the context of a search cannot be written as JSON: {error}") from error
    if len(text) > LARGEST_CONTEXT:
        raise QueryError(
            f"the context of a search is {len(text)} bytes and may be {LARGEST_CONTEXT}: send ids instead of "
            "what they stand for, and the words as opensearch.words.clean_words gives them"
        )
    return {"rerank": {"query_context": {"query_text": text.decode()}}}


def escaped(value: Any) -> Any:
    """Escape `%` and `$` in every string: the engine's connector would fill in `${parameters...}`."""
    if isinstance(value, str):
        return value.replace("%", "%25").replace("$", "%24")
    if isinstance(value, Mapping):
        return {escaped(str(key)): escaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [escaped(inner) for inner in value]
    return value


def unescaped(value: Any) -> Any:
    """Undo `escaped`, on the service's side."""
    if isinstance(value, str):
        return unquote(value)
    if isinstance(value, Mapping):
        return {unquote(str(key)): unescaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [unescaped(inner) for inner in value]
    return value
