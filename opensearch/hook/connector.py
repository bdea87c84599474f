"""Remote models of ml-commons, the engine's plugin that calls services: register, call and delete them.

A model contains its connector. The engine (3.6.0) would refuse to delete a connector of its own while any other
model's connector has an id that shares a part between hyphens with it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as NoConnectionError
from opensearchpy.exceptions import NotFoundError, OpenSearchException
from tenacity import Retrying, retry_if_exception, retry_if_result, stop_after_delay, wait_fixed

from opensearch.client import cluster_settings, explain, explained
from vitrine.errors import EngineError

TRUSTED_ENDPOINTS = "plugins.ml_commons.trusted_connector_endpoints_regex"
PRIVATE_ENDPOINTS = "plugins.ml_commons.connector.private_ip_enabled"
_ONLY_ML_NODES = "plugins.ml_commons.only_run_on_ml_node"
_ML = "/_plugins/_ml"
_PATIENCE_S = 30.0  # until a model is deployed or undeployed; the engine takes about a second
_PAUSE_S = 0.1
# whole seconds: the engine reads a fraction as 0, and 0 as no limit
_CLIENT = {"max_connection": 64, "connection_timeout": 1, "read_timeout": 1, "max_retry_times": 0}

Kind = Literal["models", "model_groups"]


def trust_endpoint(client: OpenSearch, endpoint: str) -> list[str]:
    """Allow the engine to call the endpoint; extend its settings where needed and return a message per change."""
    settings = cluster_settings(client)
    changes: dict[str, Any] = {}
    if not is_trusted(endpoint, settings):
        changes[TRUSTED_ENDPOINTS] = [*trusted_patterns(settings), f"^{re.escape(endpoint)}/.*$"]
    if _is_private(endpoint) and str(settings.get(PRIVATE_ENDPOINTS)) != "true":
        changes[PRIVATE_ENDPOINTS] = True
    if str(settings.get(_ONLY_ML_NODES)) != "false" and not _has_ml_node(client):
        changes[_ONLY_ML_NODES] = False
    if not changes:
        return []
    with explained(client):
        client.cluster.put_settings(body={"persistent": changes})
    return [f"cluster setting {name} is now {value}" for name, value in changes.items()]


def trusted_patterns(settings: Mapping[str, Any]) -> list[str]:
    """Return the patterns of trusted endpoints in flat cluster settings."""
    patterns = settings.get(TRUSTED_ENDPOINTS) or []
    return [patterns] if isinstance(patterns, str) else list(patterns)


def is_trusted(endpoint: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a pattern of the flat cluster settings matches the hook's URL at the endpoint."""
    return any(_matches(pattern, f"{endpoint}/v1/hook/x") for pattern in trusted_patterns(settings))


def connect_service(client: OpenSearch, alias: str, endpoint: str, key: str) -> str:
    """Register and deploy a model that calls the service, wait until it is deployed and return its id."""
    body = {"name": _name(alias), "function_name": "remote", "connector": _connector(alias, endpoint, key)}
    with explained(client):
        groups = find_ids(client, "model_groups", alias)
        if groups:  # the engine refuses a second group of one name
            body["model_group_id"] = groups[0]
        model = str(_post(client, "/models/_register", body, deploy="true")["model_id"])
    until_deployed = Retrying(
        stop=stop_after_delay(_PATIENCE_S),
        wait=wait_fixed(_PAUSE_S),
        retry=retry_if_result(lambda state: state not in ("DEPLOYED", "DEPLOY_FAILED")),
        retry_error_callback=lambda last: last.outcome.result() if last.outcome else None,
    )
    state = until_deployed(lambda: (read_model(client, model) or {}).get("model_state"))
    if state != "DEPLOYED":
        raise EngineError(
            f"the engine did not deploy the model of the rerank service within {_PATIENCE_S:.0f} s (state "
            f"{state}): search its log for ml-commons, then run `vitrine hook install` again"
        )
    return model


def predict(client: OpenSearch, model: str) -> str:
    """Call the service once through the engine; return the reason of a failure, empty on success.

    The call also starts the engine's own HTTP client, which delays the first call by most of a second.
    """
    body = {"query_text": '{"q":""}', "text_docs": ["vitrine-warm-up"]}
    try:
        response = client.transport.perform_request(
            "POST", f"{_ML}/_predict/text_similarity/{model}", body=body
        )
        scores = [output["data"] for output in response["inference_results"][0]["output"]]
    except OpenSearchException as error:
        return str(explain(error, client))
    except (KeyError, IndexError, TypeError):
        return "its response contains no scores"
    return "" if len(scores) == 1 else f"it returned {len(scores)} scores for one product"


def delete_models(client: OpenSearch, alias: str, keep: str | None = None) -> list[str]:
    """Delete the models of the alias except `keep`, and without `keep` their group; return the deleted names."""
    removed: list[str] = []
    for model in find_ids(client, "models", alias):
        if model != keep:
            _delete_model(client, model)
            removed.append(f"model {model}")
    if keep is None:
        for group in find_ids(client, "model_groups", alias):
            _request(client, "DELETE", f"/model_groups/{group}")
            removed.append(f"model group {group}")
    return removed


def find_ids(client: OpenSearch, kind: Kind, alias: str) -> list[str]:
    """Return the ids of all models or model groups of the alias."""
    body = {"query": {"term": {"name.keyword": _name(alias)}}, "size": 1_000, "_source": ["name"]}
    with explained(client):
        try:
            response = _post(client, f"/{kind}/_search", body)
        except NotFoundError:  # the plugin creates its index with the first model
            return []
    return [hit["_id"] for hit in response["hits"]["hits"] if hit["_source"]["name"] == _name(alias)]


def read_model(client: OpenSearch, model: str) -> dict[str, Any] | None:
    """Return the engine's description of a model, its connector without the key; None for an unknown model."""
    with explained(client):
        try:
            response: dict[str, Any] = client.transport.perform_request("GET", f"{_ML}/models/{model}")
        except NotFoundError:
            return None
    return response


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
        "credential": {"api_key": key or "none"},  # the engine refuses a connector without credential
        "client_config": _CLIENT,
        "actions": [action],
    }


def _has_ml_node(client: OpenSearch) -> bool:
    with explained(client):
        nodes = client.nodes.info(params={"filter_path": "nodes.*.roles"})["nodes"]
    return any("ml" in node["roles"] for node in nodes.values())


def _delete_model(client: OpenSearch, model: str) -> None:
    def may_succeed(error: BaseException) -> bool:
        # a search may deploy the model again between the two requests
        return isinstance(error, EngineError) and not isinstance(error.__cause__, NoConnectionError)

    for attempt in Retrying(
        stop=stop_after_delay(_PATIENCE_S),
        wait=wait_fixed(_PAUSE_S),
        retry=retry_if_exception(may_succeed),
        reraise=True,
    ):
        with attempt:
            _request(client, "POST", f"/models/{model}/_undeploy")
            _request(client, "DELETE", f"/models/{model}")


def _request(client: OpenSearch, method: str, path: str) -> None:
    """Send a request that may find nothing to delete."""
    with explained(client):
        try:
            client.transport.perform_request(method, f"{_ML}{path}")
        except NotFoundError:
            return


def _post(client: OpenSearch, path: str, body: dict[str, Any], **params: str) -> dict[str, Any]:
    response: dict[str, Any] = client.transport.perform_request(
        "POST", f"{_ML}{path}", params=params, body=body
    )
    return response


def _is_private(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:  # a host name; without a dot it is of this machine or its network
        return "." not in host


def _matches(pattern: str, url: str) -> bool:
    try:
        return re.fullmatch(pattern, url) is not None
    except re.error:  # Java patterns have features that Python's lack
        return False


def _name(alias: str) -> str:
    return f"vitrine-{alias}"
