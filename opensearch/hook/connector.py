"""Remote models of ml-commons, the engine's plugin that calls services: make, call and delete them.

A model carries its connector inside. As an object of its own the engine (3.6.0) would refuse to delete it while
any other model's connector has an id that shares a piece between hyphens with its own.
"""

from __future__ import annotations

import ipaddress
import re
import time
from typing import Any, Literal
from urllib.parse import urlsplit

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from opensearch.client import explain, explained
from vitrine.errors import EngineError

_ML = "/_plugins/_ml"
_SETTINGS = "plugins.ml_commons"
_PATIENCE_S = 30.0  # until a model is deployed or let go; the engine takes a second
_WAIT_S = 0.1
# whole seconds: the engine reads a fraction as 0, and 0 as forever
_CLIENT = {"max_connection": 64, "connection_timeout": 1, "read_timeout": 1, "max_retry_times": 0}

Kind = Literal["models", "model_groups"]


def allow(client: OpenSearch, endpoint: str) -> list[str]:
    """Allow the engine to call the endpoint, adding to what is allowed already, and say what was changed."""
    with explained(client):
        answer = client.cluster.get_settings(params={"include_defaults": "true", "flat_settings": "true"})
    held = {**answer.get("defaults", {}), **answer["persistent"], **answer["transient"]}
    changes: dict[str, Any] = {}
    trusted = held.get(f"{_SETTINGS}.trusted_connector_endpoints_regex") or []
    trusted = [trusted] if isinstance(trusted, str) else list(trusted)
    if not any(_matches(pattern, f"{endpoint}/v1/hook/x") for pattern in trusted):
        changes[f"{_SETTINGS}.trusted_connector_endpoints_regex"] = [*trusted, f"^{re.escape(endpoint)}/.*$"]
    if _is_private(endpoint) and str(held.get(f"{_SETTINGS}.connector.private_ip_enabled")) != "true":
        changes[f"{_SETTINGS}.connector.private_ip_enabled"] = True
    if str(held.get(f"{_SETTINGS}.only_run_on_ml_node")) != "false" and not _has_ml_node(client):
        changes[f"{_SETTINGS}.only_run_on_ml_node"] = False
    if not changes:
        return []
    with explained(client):
        client.cluster.put_settings(body={"persistent": changes})
    return [f"cluster setting {name} is now {value}" for name, value in changes.items()]


def connect_service(client: OpenSearch, alias: str, endpoint: str, key: str) -> str:
    """Register and deploy a model that calls the service, wait until it is ready and give its id."""
    body = {"name": _name(alias), "function_name": "remote", "connector": _connector(alias, endpoint, key)}
    with explained(client):
        groups = named(client, "model_groups", alias)
        if groups:  # a second group of one name is refused
            body["model_group_id"] = groups[0]
        model = str(_post(client, "/models/_register", body, deploy="true")["model_id"])
    end = time.monotonic() + _PATIENCE_S
    while (state := (read_model(client, model) or {}).get("model_state")) != "DEPLOYED":
        if time.monotonic() > end or state == "DEPLOY_FAILED":
            raise EngineError(
                f"the engine did not deploy the model of the rerank service within {_PATIENCE_S:.0f} s (state "
                f"{state}): look for ml-commons in its log, then run `vitrine hook install` again"
            )
        time.sleep(_WAIT_S)
    return model


def call(client: OpenSearch, model: str) -> str:
    """Call the service through the engine once; give what went wrong, empty when nothing did.

    It also starts the engine's own HTTP client, which takes the first call most of a second.
    """
    body = {"query_text": '{"q":""}', "text_docs": ["vitrine-warm-up"]}
    try:
        answer = client.transport.perform_request(
            "POST", f"{_ML}/_predict/text_similarity/{model}", body=body
        )
        scores = [output["data"] for output in answer["inference_results"][0]["output"]]
    except OpenSearchException as error:
        return str(explain(error, client))
    except (KeyError, IndexError, TypeError):
        return "what it answers holds no scores"
    return "" if len(scores) == 1 else f"it gave {len(scores)} scores for one product"


def clear(client: OpenSearch, alias: str, keep: str | None = None) -> list[str]:
    """Delete the models of this alias but the one to keep, their group with the last, and name what went."""
    removed: list[str] = []
    for model in named(client, "models", alias):
        if model != keep:
            _delete_model(client, model)
            removed.append(f"model {model}")
    if keep is None:
        for group in named(client, "model_groups", alias):
            _gone(client, "DELETE", f"/model_groups/{group}")
            removed.append(f"model group {group}")
    return removed


def named(client: OpenSearch, kind: Kind, alias: str) -> list[str]:
    """Give the ids of all models or groups of this alias."""
    body = {"query": {"term": {"name.keyword": _name(alias)}}, "size": 1_000, "_source": ["name"]}
    with explained(client):
        try:
            answer = _post(client, f"/{kind}/_search", body)
        except NotFoundError:  # the first thing of its kind makes the index
            return []
    return [hit["_id"] for hit in answer["hits"]["hits"] if hit["_source"]["name"] == _name(alias)]


def read_model(client: OpenSearch, model: str) -> dict[str, Any] | None:
    """Give what the engine holds of a model, its connector without the key; None when it is gone."""
    with explained(client):
        try:
            answer: dict[str, Any] = client.transport.perform_request("GET", f"{_ML}/models/{model}")
        except NotFoundError:
            return None
    return answer


def _connector(alias: str, endpoint: str, key: str) -> dict[str, Any]:
    action = {
        "action_type": "predict",
        "method": "POST",
        "url": f"${{parameters.endpoint}}/v1/hook/{alias}",
        "headers": {"content-type": "application/json", "Authorization": "Bearer ${credential.api_key}"},
        # unquoted: the query text is a JSON object and arrives as one
        "request_body": '{"ctx":${parameters.query},"docs":${parameters.documents}}',
        "pre_process_function": "connector.pre_process.cohere.rerank",
        "post_process_function": "connector.post_process.cohere.rerank",
    }
    return {
        "name": _name(alias),
        "description": f"Vitrine: the rerank service of {alias}",
        "version": 1,
        "protocol": "http",
        "parameters": {"endpoint": endpoint},
        "credential": {"api_key": key or "none"},  # the engine refuses a connector without any
        "client_config": _CLIENT,
        "actions": [action],
    }


def _has_ml_node(client: OpenSearch) -> bool:
    with explained(client):
        nodes = client.nodes.info(params={"filter_path": "nodes.*.roles"})["nodes"]
    return any("ml" in node["roles"] for node in nodes.values())


def _delete_model(client: OpenSearch, model: str) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        _gone(client, "POST", f"/models/{model}/_undeploy")
        try:
            return _gone(client, "DELETE", f"/models/{model}")
        except EngineError:  # a search has just deployed it again
            if time.monotonic() > end:
                raise
            time.sleep(_WAIT_S)


def _gone(client: OpenSearch, method: str, path: str) -> None:
    with explained(client):
        try:
            client.transport.perform_request(method, f"{_ML}{path}")
        except NotFoundError:
            return


def _post(client: OpenSearch, path: str, body: dict[str, Any], **params: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.transport.perform_request(
        "POST", f"{_ML}{path}", params=params, body=body
    )
    return answer


def _is_private(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:  # a name: one without a dot is of this machine or its network
        return "." not in host


def _matches(pattern: str, url: str) -> bool:
    try:
        return re.fullmatch(pattern, url) is not None
    except re.error:  # Java's patterns know more
        return False


def _name(alias: str) -> str:
    return f"vitrine-{alias}"
