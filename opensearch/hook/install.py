"""The hook: a model in the engine that calls the rerank service, and the pipeline that uses it.

Installing again puts a new model in place first and takes the old one away afterwards, so that no search
fails in between; whatever an interrupted run left behind carries the same name and goes with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from opensearch.client import explained
from opensearch.index.versions import read_schema
from opensearch.search.fusion import Weights, schema_weights
from vitrine.errors import EngineError

from .connector import allow, call, clear, connect_service, read_model
from .pipelines import (
    default_pipelines,
    fusion_name,
    fusion_pipeline,
    page_name,
    page_pipeline,
    put_fusion,
    rerank_name,
    rerank_pipeline,
    set_default,
)


@dataclass(frozen=True)
class Installed:
    """What `install_hook` made; `told` says what a person should know besides."""

    pipeline: str
    model: str
    answers: bool  # the service answered the first call
    told: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class HookStatus:
    """What of the hook is in the engine, and whether the service answers through it."""

    installed: bool
    service: str | None
    model: str | None
    state: str | None  # of the model, `DEPLOYED` when it works
    pipelines: list[str]
    default: str | None  # the default pipeline of the index
    answers: bool
    failures: int  # ignored failures of the rerank step since the nodes started
    told: list[str] = field(default_factory=list)


def install_hook(
    client: OpenSearch,
    alias: str,
    endpoint: str,
    key: str,
    *,
    default: bool = False,
    weights: Weights | None = None,
) -> Installed:
    """Let searches of the alias through `<alias>-rerank` be reranked by the service at `endpoint`.

    `key` goes to the service as bearer token; `default` makes that pipeline the index's own, else fusion alone is;
    `weights` are those of the index unless given. Raises EngineError, IndexMissingError; a service that does not
    answer yet is told, not raised.
    """
    endpoint = _checked(endpoint)
    default_pipelines(client, alias)  # a wrong index name is said before anything is made
    weights = weights or schema_weights(read_schema(client, alias))
    told = allow(client, endpoint)
    model = connect_service(client, alias, endpoint, key)
    with explained(client):
        client.search_pipeline.put(id=rerank_name(alias), body=rerank_pipeline(model, weights))
        client.search_pipeline.put(id=page_name(alias), body=page_pipeline(model, weights))
    put_fusion(client, alias, weights)
    _choose_default(client, alias, default, told)
    clear(client, alias, keep=model)
    trouble = call(client, model)
    if trouble:
        told.append(
            f"{endpoint} does not answer yet, and searches keep the engine's order until it does: {trouble}"
        )
    return Installed(rerank_name(alias), model, not trouble, told)


def remove_hook(client: OpenSearch, alias: str) -> list[str]:
    """Take the hook away and give what was removed; the index keeps its fusion pipeline as long as it is there."""
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
    return removed + clear(client, alias)


def hook_status(client: OpenSearch, alias: str) -> HookStatus:
    """Say what of the hook is there; the service is called once through the engine."""
    found = _pipelines(client, alias)
    steps = found.get(rerank_name(alias), {}).get("response_processors") or [{}]
    model = steps[0].get("rerank", {}).get("ml_opensearch", {}).get("model_id")
    held = read_model(client, str(model)) if model else None
    told = []
    if not model:
        told.append(f"there is no pipeline {rerank_name(alias)}: run `vitrine hook install`")
    elif held is None:
        told.append(
            f"pipeline {rerank_name(alias)} names a model that is gone: run `vitrine hook install` again"
        )
    trouble = call(client, str(model)) if held else ""
    if trouble:
        told.append(f"the service does not answer, and searches keep the engine's order: {trouble}")
    defaults = sorted({name or "none" for name in default_pipelines(client, alias).values()})
    return HookStatus(
        installed=held is not None,
        service=held["connector"]["parameters"]["endpoint"] if held else None,
        model=model,
        state=held.get("model_state") if held else None,
        pipelines=sorted(found),
        default=", ".join(defaults) or None,
        answers=held is not None and not trouble,
        failures=_failures(client, alias),
        told=told,
    )


def _choose_default(client: OpenSearch, alias: str, rerank: bool, told: list[str]) -> None:
    wanted = rerank_name(alias) if rerank else fusion_name(alias)
    ours = (None, rerank_name(alias), fusion_name(alias))
    defaults = default_pipelines(client, alias)
    set_default(client, [i for i, name in defaults.items() if name in ours and name != wanted], wanted)
    for index, name in defaults.items():
        if name not in ours:
            told.append(
                f"index {index} keeps its default pipeline {name}: name search_pipeline={rerank_name(alias)} "
                f"in searches that are to be reranked, or add these processors to {name}"
            )


def _in_use(client: OpenSearch, alias: str) -> set[str]:
    """Give the default pipelines of all indices: deleting one of them would fail every search there."""
    with explained(client):
        found = client.indices.get_settings(
            index="*,-.*", name="index.search.default_pipeline", params={"flat_settings": "true"}
        )
    return {str(value) for held in found.values() for value in held["settings"].values()}


def _pipelines(client: OpenSearch, alias: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (fusion_name(alias), rerank_name(alias), page_name(alias)):
        with explained(client):
            try:
                found |= client.search_pipeline.get(id=name)
            except NotFoundError:
                continue
    return found


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
        held = node.get("search_pipeline", {}).get("pipelines", {}).get(rerank_name(alias), {})
        for processor in held.get("response_processors", []):
            count += sum(int(step["stats"]["failed"]) for step in processor.values())
    return count


def _checked(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or "$" in endpoint:
        raise EngineError(
            f"{endpoint!r} is not the address of a rerank service: write it as http://127.0.0.1:8060, as the "
            "engine's nodes reach it, in --service or VITRINE_SERVICE"
        )
    return endpoint.rstrip("/")
