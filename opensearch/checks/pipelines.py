"""The doctor's look at the search pipelines and at the service that they call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from opensearch.client import explained
from opensearch.hook.connector import read_model
from opensearch.hook.install import hook_status
from opensearch.hook.pipelines import default_pipelines, fusion_name, rerank_name
from opensearch.index.spaces import sub_queries

from .findings import Finding, fail, ok, warn

_TRUSTED = "plugins.ml_commons.trusted_connector_endpoints_regex"
_PRIVATE = "plugins.ml_commons.connector.private_ip_enabled"
_AGAIN = "run `vitrine hook install` again"


def fusion_of(name: str, body: Mapping[str, Any]) -> Finding:
    """Check that a pipeline fuses the scores of all sub-queries."""
    subject = f"pipeline {name}"
    for step in body.get("phase_results_processors", []):
        held = step.get("normalization-processor") or step.get("score-ranker-processor")
        if held is None:
            continue
        weights = held.get("combination", {}).get("parameters", {}).get("weights")
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
    return fail(subject, "does not fuse: hybrid searches show the engine's internal marks as hits", _AGAIN)


def flags_of(name: str, body: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge that a processor that calls out can fail without failing, or mixing up, other people's searches."""
    for phase in ("request_processors", "response_processors"):
        for step in body.get(phase, []):
            for kind, held in step.items():
                wanted = _wanted_flags(kind, phase)
                wrong = [
                    f"{flag} must be {str(value).lower()}"
                    for flag, value in wanted.items()
                    if bool(held.get(flag, False)) is not value
                ]
                subject = f"{kind} in {name}"
                if wrong:
                    yield fail(
                        subject,
                        f"{' and '.join(wrong)}: a failing service would "
                        + ("mix up other searches' answers" if kind == "ml_inference" else "fail the search"),
                        f"{_AGAIN}, or set it with PUT /_search/pipeline/{name}",
                    )
                elif wanted:
                    yield ok(subject, "its failures leave the search alone")


def trusted(endpoint: str, settings: Mapping[str, Any]) -> Finding:
    """Judge by the flat cluster settings whether the engine may call the service."""
    patterns = settings.get(_TRUSTED) or []
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if not any(_matches(pattern, f"{endpoint}/v1/hook/x") for pattern in patterns):
        return fail(
            "connector",
            f"{endpoint} is not among the trusted endpoints {list(patterns)}",
            f"{_AGAIN}: it adds it to {_TRUSTED}",
        )
    local = re.match(
        r"https?://(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[::1\])", endpoint
    )
    if local and str(settings.get(_PRIVATE)).lower() != "true":
        return fail("connector", f"{endpoint} is private and {_PRIVATE} is off", f"{_AGAIN}: it turns it on")
    return ok("connector", f"may call {endpoint}")


def check_pipelines(client: OpenSearch, alias: str) -> Iterator[Finding]:
    """Look at the fusion and rerank pipelines, at the default of the index, and at the service behind."""
    defaults = {name for name in default_pipelines(client, alias).values() if name}
    found = {name: _read(client, name) for name in {*defaults, fusion_name(alias), rerank_name(alias)}}
    for name in sorted(defaults):
        if found[name] is None:
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
    for name, body in sorted(found.items()):
        if body is not None:
            if name in (fusion_name(alias), rerank_name(alias)):
                yield fusion_of(name, body)
            yield from flags_of(name, body)
    if found[rerank_name(alias)] is None:
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
        yield fail("hook", "; ".join(status.told) or "half installed", _AGAIN)
        return
    with explained(client):
        held = client.cluster.get_settings(params={"include_defaults": "true", "flat_settings": "true"})
    yield trusted(status.service, {**held.get("defaults", {}), **held["persistent"], **held["transient"]})
    model = read_model(client, str(status.model)) or {}
    wait = (model.get("connector") or {}).get("client_config", {}).get("read_timeout")
    if wait is not None and not 1 <= int(wait) <= 5:
        yield warn("hook", f"the engine waits {wait} s for the service (0: for ever)", _AGAIN)
    if status.answers:
        lost = f"; {status.failures} reranks failed since the nodes started" if status.failures else ""
        yield ok("hook", f"{status.service} answers{lost}")
    else:
        yield warn(
            "hook",
            "; ".join(status.told),
            "start `vitrine serve`; until then searches keep the engine's order",
        )


def _wanted_flags(kind: str, phase: str) -> dict[str, bool]:
    if kind == "ml_inference":  # the other way round the engine answers one request twice, into another's
        return {"ignore_failure": True, "ignore_missing": phase == "response_processors"}
    return {"ignore_failure": True} if kind == "rerank" else {}


def _read(client: OpenSearch, name: str) -> dict[str, Any] | None:
    with explained(client):
        try:
            found: dict[str, Any] = client.search_pipeline.get(id=name)[name]
        except NotFoundError:
            return None
    return found


def _matches(pattern: str, url: str) -> bool:
    try:
        return re.fullmatch(pattern, url) is not None
    except re.error:  # Java's patterns know more
        return False
