"""Doctor checks of the search pipelines and of the rerank service that they call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from opensearch.client import cluster_settings, explained
from opensearch.hook.connector import (
    PRIVATE_ENDPOINTS,
    TRUSTED_ENDPOINTS,
    is_trusted,
    read_model,
    trusted_patterns,
)
from opensearch.hook.install import hook_status
from opensearch.hook.pipelines import default_pipelines, fusion_name, rerank_name
from opensearch.index.spaces import sub_queries
from opensearch.index.versions import require_current
from vitrine.doctor import Context, Finding, fail, ok, warn

_MAX_REASONS = 3
_AGAIN = "run `vitrine hook install` again"


def fusion_of(name: str, body: Mapping[str, Any]) -> Finding:
    """Check that a pipeline fuses the scores of all sub-queries."""
    subject = f"pipeline {name}"
    for step in body.get("phase_results_processors", []):
        processor = step.get("normalization-processor") or step.get("score-ranker-processor")
        if processor is None:
            continue
        weights = processor.get("combination", {}).get("parameters", {}).get("weights")
        if weights is None or len(weights) == len(sub_queries()):
            return ok(
                subject,
                f"fuses {len(sub_queries())} sub-queries" + (f", weights {weights}" if weights else ""),
            )
        return fail(
            subject,
            f"has {len(weights)} weights for {len(sub_queries())} sub-queries: every hybrid search is refused",
            _AGAIN,
        )
    return fail(
        subject, "has no fusion step: hybrid searches return the engine's internal delimiters as hits", _AGAIN
    )


def flags_of(name: str, pipeline: Mapping[str, Any]) -> Iterator[Finding]:
    """Check that a failure of an external service neither fails a search nor mixes up the responses of searches."""
    for phase in ("request_processors", "response_processors"):
        for step in pipeline.get(phase, []):
            for kind, body in step.items():
                required = _required_flags(kind, phase)
                wrong = [
                    f"{flag} must be {str(value).lower()}"
                    for flag, value in required.items()
                    if bool(body.get(flag, False)) is not value
                ]
                subject = f"{kind} in {name}"
                if wrong:
                    yield fail(
                        subject,
                        f"{' and '.join(wrong)}: a failing service would "
                        + (
                            "mix up the responses of searches"
                            if kind == "ml_inference"
                            else "fail the search"
                        ),
                        f"{_AGAIN}, or set it with PUT /_search/pipeline/{name}",
                    )
                elif required:
                    yield ok(subject, "its failures do not affect the search")


def trusted(endpoint: str, settings: Mapping[str, Any]) -> Finding:
    """Check by the flat cluster settings whether the engine may call the service."""
    if not is_trusted(endpoint, settings):
        return fail(
            "connector",
            f"{endpoint} is not among the trusted endpoints {trusted_patterns(settings)}",
            f"{_AGAIN}: it adds the endpoint to {TRUSTED_ENDPOINTS}",
        )
    local = re.match(
        r"https?://(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[::1\])", endpoint
    )
    if local and str(settings.get(PRIVATE_ENDPOINTS)).lower() != "true":
        return fail(
            "connector",
            f"{endpoint} is private and {PRIVATE_ENDPOINTS} is off",
            f"{_AGAIN}: it turns the setting on",
        )
    return ok("connector", f"may call {endpoint}")


def check_pipelines(context: Context) -> Iterator[Finding]:
    """Check the fusion and rerank pipelines, the default pipeline of the index, and the rerank service."""
    client, alias = context.client, context.alias
    require_current(client, alias)
    defaults = {name for name in default_pipelines(client, alias).values() if name}
    pipelines = {name: _read(client, name) for name in {*defaults, fusion_name(alias), rerank_name(alias)}}
    for name in sorted(defaults):
        if pipelines[name] is None:
            yield fail(
                "default pipeline", f"{name} does not exist: every plain search of {alias} is refused", _AGAIN
            )
        else:
            yield ok("default pipeline", name)
    if not defaults:
        yield warn(
            "default pipeline",
            "none: hybrid searches that name no pipeline show the engine's internal marks as hits",
            "`vitrine hook install` sets one; Vitrine's own searches bring theirs",
        )
    for name, body in sorted(pipelines.items()):
        if body is not None:
            if name in (fusion_name(alias), rerank_name(alias)):
                yield fusion_of(name, body)
            yield from flags_of(name, body)
    if pipelines[rerank_name(alias)] is None:
        yield ok(
            "hook",
            "not installed: searches through the engine alone are not reranked",
            "`vitrine hook install`",
        )
        return
    yield from _hook(client, alias)


def _hook(client: OpenSearch, alias: str) -> Iterator[Finding]:
    status = hook_status(client, alias)
    if not status.installed or not status.service:
        yield fail("hook", "; ".join(status.messages) or "incompletely installed", _AGAIN)
        return
    yield trusted(status.service, cluster_settings(client))
    model = read_model(client, str(status.model)) or {}
    timeout = (model.get("connector") or {}).get("client_config", {}).get("read_timeout")
    if timeout is not None and not 1 <= int(timeout) <= 5:
        yield warn("hook", f"the engine waits {timeout} s for the service (0: without limit)", _AGAIN)
    if status.answers:
        failures = f"; {status.failures} reranks failed since the nodes started" if status.failures else ""
        yield ok("hook", f"{status.service} answers{failures}")
        yield from (warn("hook", message, _AGAIN) for message in status.messages)
        if status.failures and status.reasons:
            yield warn(
                "hook",
                f"the service refused reranks: {'; '.join(status.reasons[:_MAX_REASONS])}",
                "`vitrine hook status` lists them all; docs/hook.md says what a search must send",
            )
    else:
        yield warn(
            "hook",
            "; ".join(status.messages),
            "start `vitrine serve`; until then searches keep the engine's order",
        )


def _required_flags(kind: str, phase: str) -> dict[str, bool]:
    # with other flags of ml_inference the engine answers one request twice, once into another request
    if kind == "ml_inference":
        return {"ignore_failure": True, "ignore_missing": phase == "response_processors"}
    return {"ignore_failure": True} if kind == "rerank" else {}


def _read(client: OpenSearch, name: str) -> dict[str, Any] | None:
    with explained(client):
        try:
            body: dict[str, Any] = client.search_pipeline.get(id=name)[name]
        except NotFoundError:
            return None
    return body
