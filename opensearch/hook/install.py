"""The hook: a model in the engine that calls the rerank service, and the search pipeline that uses the model.

A second installation creates the new model first and deletes the old one afterwards, so that no search fails in
between. Remains of an interrupted installation have the same name and are deleted with the old model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from opensearch.client import explained
from opensearch.index.versions import read_schema
from opensearch.search.fusion import Weights, schema_weights
from vitrine.errors import EngineError
from vitrine.settings import VITRINE_SERVICE

from .connector import connect_service, delete_models, predict, read_model, trust_endpoint
from .pipelines import (
    ROUTING,
    default_pipelines,
    fusion_name,
    fusion_pipeline,
    id_field,
    page_name,
    page_pipeline,
    put_fusion,
    rerank_name,
    rerank_pipeline,
    set_default,
)

_NEEDS_ID = (
    "some products were indexed by an earlier release or another program: to be reranked, searches must return the field "
    '`id` (in `_source`, or by "fields": ["id"]) until `vitrine index CATALOGUE --rebuild` writes the products again'
)


_WITHOUT_MODEL = (
    "the service answers, and searches keep the engine's order, changed by the business rules alone: {}"
)
_SERVICE_TIMEOUT_S = 2.0
SORTED_SEARCHES = (
    'a search that sorts by a field leaves `ext.rerank` out, or has "sort": true in its context: the engine would order '
    "its hits by the rerank score, and no step of a pipeline sees the sort"
)


@dataclass(frozen=True)
class Installed:
    """The result of `install_hook`; `messages` are notes for the operator."""

    pipeline: str
    model: str
    answers: bool  # whether the service answered the first call
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class HookStatus:
    """The parts of the hook that exist in the engine, and whether the service answers through them."""

    installed: bool
    service: str | None
    model: str | None
    state: str | None  # of the model; `DEPLOYED` when it works
    pipelines: list[str]
    default: str | None  # the default pipeline of the index
    answers: bool
    failures: int  # ignored failures of the rerank step since the nodes started
    reasons: list[str]  # why the service refused a rerank since it started, the most frequent first
    degraded: str | None  # why the service has no model for the alias
    messages: list[str] = field(default_factory=list)


def install_hook(
    client: OpenSearch,
    alias: str,
    endpoint: str,
    key: str,
    *,
    default: bool = False,
    weights: Weights | None = None,
) -> Installed:
    """Install the pipeline `<alias>-rerank`, which reranks searches of the alias by the service at `endpoint`.

    The engine sends `key` to the service as bearer token. `default` makes the pipeline the default of the index;
    without it the fusion pipeline is the default. `weights` default to those of the index. A service that does not
    answer yet gives a message. Raises EngineError and IndexMissingError.
    """
    endpoint = _checked(endpoint)
    default_pipelines(client, alias)  # a wrong index name is refused before anything is created
    weights = weights or schema_weights(read_schema(client, alias))
    messages = trust_endpoint(client, endpoint)
    model = connect_service(client, alias, endpoint, key)
    field = id_field(client, alias)
    if field != ROUTING:
        messages.append(_NEEDS_ID)
    with explained(client):
        client.search_pipeline.put(id=rerank_name(alias), body=rerank_pipeline(model, weights, field))
        client.search_pipeline.put(id=page_name(alias), body=page_pipeline(model, weights, field))
    put_fusion(client, alias, weights)
    messages += _choose_default(client, alias, default)
    delete_models(client, alias, keep=model)
    failure = predict(client, model)
    if failure:
        messages.append(
            f"{endpoint} does not answer yet, and searches keep the engine's order until it does: {failure}"
        )
    elif degraded := _service_state(endpoint, alias)[1]:
        messages.append(_WITHOUT_MODEL.format(degraded))
    return Installed(rerank_name(alias), model, not failure, messages)


def remove_hook(client: OpenSearch, alias: str) -> list[str]:
    """Remove the hook and return the names of what was removed. An existing index keeps its fusion pipeline."""
    try:
        defaults = default_pipelines(client, alias)
    except EngineError as error:
        if not isinstance(error.__cause__, NotFoundError):
            raise
        defaults = {}
    if defaults:
        hooked = [index for index, pipeline in defaults.items() if pipeline == rerank_name(alias)]
        if hooked:
            weights = schema_weights(read_schema(client, alias))
            with explained(client):
                client.search_pipeline.put(id=fusion_name(alias), body=fusion_pipeline(weights))
            set_default(client, hooked, fusion_name(alias))
    unused = [rerank_name(alias), page_name(alias)] + (
        [] if fusion_name(alias) in _in_use(client, alias) else [fusion_name(alias)]
    )
    removed = [f"pipeline {name}" for name in unused if _drop_pipeline(client, name)]
    return removed + delete_models(client, alias)


def hook_status(client: OpenSearch, alias: str) -> HookStatus:
    """Return the state of the hook, after one call of the service through the engine."""
    pipelines = _pipelines(client, alias)
    steps = pipelines.get(rerank_name(alias), {}).get("response_processors") or [{}]
    model_id = steps[0].get("rerank", {}).get("ml_opensearch", {}).get("model_id")
    model = read_model(client, str(model_id)) if model_id else None
    messages = []
    if not model_id:
        messages.append(f"there is no pipeline {rerank_name(alias)}: run `vitrine hook install`")
    elif model is None:
        messages.append(
            f"pipeline {rerank_name(alias)} names a model that does not exist: run `vitrine hook install` again"
        )
    failure = predict(client, str(model_id)) if model else ""
    if failure:
        messages.append(f"the service does not answer, and searches keep the engine's order: {failure}")
    defaults = sorted({name or "none" for name in default_pipelines(client, alias).values()})
    if model and steps[0]["rerank"].get("context", {}).get("document_fields") != [ROUTING]:
        messages.append(_NEEDS_ID)
    service = str(model["connector"]["parameters"]["endpoint"]) if model else None
    reasons, degraded = _service_state(service, alias) if service else ([], None)
    return HookStatus(
        installed=model is not None,
        service=service,
        model=model_id,
        state=model.get("model_state") if model else None,
        pipelines=sorted(pipelines),
        default=", ".join(defaults) or None,
        answers=model is not None and not failure,
        failures=_failures(client, alias),
        reasons=reasons,
        degraded=degraded,
        messages=messages,
    )


def _choose_default(client: OpenSearch, alias: str, rerank: bool) -> list[str]:
    """Set the default pipeline of each index behind the alias; return a message for each that keeps a foreign one."""
    default = rerank_name(alias) if rerank else fusion_name(alias)
    ours = (None, rerank_name(alias), fusion_name(alias))
    defaults = default_pipelines(client, alias)
    set_default(client, [i for i, name in defaults.items() if name in ours and name != default], default)
    return [
        f"index {index} keeps its default pipeline {name}: name search_pipeline={rerank_name(alias)} "
        f"in searches that are to be reranked, or add these processors to {name}"
        for index, name in defaults.items()
        if name not in ours
    ]


def _in_use(client: OpenSearch, alias: str) -> set[str]:
    """Return the default pipelines of all indices: deleting one of them would fail every search of its index."""
    with explained(client):
        response = client.indices.get_settings(
            index="*,-.*", name="index.search.default_pipeline", params={"flat_settings": "true"}
        )
    return {str(value) for index in response.values() for value in index["settings"].values()}


def _pipelines(client: OpenSearch, alias: str) -> dict[str, Any]:
    pipelines: dict[str, Any] = {}
    for name in (fusion_name(alias), rerank_name(alias), page_name(alias)):
        with explained(client):
            try:
                pipelines |= client.search_pipeline.get(id=name)
            except NotFoundError:
                continue
    return pipelines


def _drop_pipeline(client: OpenSearch, name: str) -> bool:
    with explained(client):
        try:
            client.search_pipeline.delete(id=name)
        except NotFoundError:
            return False
    return True


def _failures(client: OpenSearch, alias: str) -> int:
    with explained(client):
        stats = client.nodes.stats(metric="search_pipeline")
    count = 0
    for node in stats["nodes"].values():
        pipeline = node.get("search_pipeline", {}).get("pipelines", {}).get(rerank_name(alias), {})
        for processor in pipeline.get("response_processors", []):
            count += sum(int(step["stats"]["failed"]) for step in processor.values())
    return count


def _service_state(service: str, alias: str) -> tuple[list[str], str | None]:
    """Return the reasons of failures that the service at this URL has counted, and why it has no model for the alias.

    That the service could not be asked is a reason too.
    """
    try:
        with urlopen(f"{service}/v1/hook/{quote(alias)}", timeout=_SERVICE_TIMEOUT_S) as response:
            state = json.load(response)
        reasons = [f"{row['count']} x {row['reason']} (last {row['last']})" for row in state["failures"]]
        return reasons, state.get("degraded")
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        return [f"not known here: {service} does not tell them ({error})"], None


def _checked(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or "$" in endpoint:
        raise EngineError(
            f"{endpoint!r} is not the URL of a rerank service: write it as {VITRINE_SERVICE.default}, as the "
            "engine's nodes reach it, in --service or VITRINE_SERVICE"
        )
    return endpoint.rstrip("/")
