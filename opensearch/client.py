"""OpenSearch clients with Vitrine's settings, and their exceptions as one-sentence errors."""

from __future__ import annotations

import inspect
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
from opensearchpy import AsyncOpenSearch, OpenSearch
from opensearchpy.exceptions import ConnectionError as NoConnectionError
from opensearchpy.exceptions import (
    ConnectionTimeout,
    OpenSearchException,
    SerializationError,
    SSLError,
    TransportError,
)
from opensearchpy.helpers import BulkIndexError
from opensearchpy.serializer import JSONSerializer
from urllib3 import Timeout

from vitrine import settings
from vitrine.errors import EngineError, IndexMissingError

# other packages import the types of the clients from here: only this package imports opensearch-py
__all__ = [
    "AsyncOpenSearch",
    "OpenSearch",
    "OrjsonSerializer",
    "cluster_settings",
    "connect",
    "connect_async",
    "explain",
    "explained",
    "hosts_of",
    "missing_index",
]

_MAX_NAMES = 20  # existing indices that an error message lists
_MAX_REASON = 300  # characters


class OrjsonSerializer(JSONSerializer):
    """JSON through orjson, numpy arrays included; NaN and infinity become null."""

    def dumps(self, data: Any) -> str:
        """Return JSON as `str`, because the bulk helpers accept no bytes; text passes through."""
        if isinstance(data, str):
            return data
        if isinstance(data, bytes):
            return data.decode()
        try:
            return orjson.dumps(data, default=self.default, option=orjson.OPT_SERIALIZE_NUMPY).decode()
        except (TypeError, ValueError) as error:
            raise SerializationError(data, error) from error

    def loads(self, s: str | bytes) -> Any:
        """Return the value of a JSON response."""
        try:
            return orjson.loads(s)
        except ValueError as error:
            raise SerializationError(s, error) from error


def hosts_of(url: str | None = None) -> list[str]:
    """Return the hosts of a comma-separated URL list, by default of OPENSEARCH_URL. Raises EngineError."""
    urls = url or settings.OPENSEARCH_URL.read()
    parts = [part.strip() for part in urls.split(",") if part.strip()]
    hosts = [(part if "://" in part else f"http://{part}").rstrip("/") for part in parts]
    for host in hosts:
        try:
            split = urlsplit(host)
            valid = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise EngineError(
                f"{_without_user(host)!r} is not a URL of OpenSearch: write it as {settings.OPENSEARCH_URL.default} "
                "(separate several with commas) in --url or OPENSEARCH_URL"
            )
    return hosts


def connect(url: str | None = None, *, timeout: float = 30.0, pool: int = 8, retries: int = 5) -> OpenSearch:
    """Return a client of one or several hosts; it sends no request yet.

    `timeout` is the seconds of one attempt, `pool` the number of connections per host (one per thread of the caller),
    `retries` the number of further attempts after a lost connection, a timeout or a 502, 503 or 504.
    Reads OPENSEARCH_URL, OPENSEARCH_USER, OPENSEARCH_PASSWORD and OPENSEARCH_CA.
    """
    # a host that does not listen is abandoned sooner than a request in progress
    limits = Timeout(connect=min(timeout, 5.0), read=timeout)
    return OpenSearch(**{**_arguments(url, timeout, pool, retries), "timeout": limits})


def connect_async(
    url: str | None = None, *, timeout: float = 30.0, pool: int = 8, retries: int = 5
) -> AsyncOpenSearch:
    """Return the asyncio counterpart of `connect`; the caller closes it."""
    return AsyncOpenSearch(**_arguments(url, timeout, pool, retries))


def _arguments(url: str | None, timeout: float, pool: int, retries: int) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "hosts": hosts_of(url),
        "serializer": OrjsonSerializer(),
        "timeout": timeout,
        "pool_maxsize": pool,
        "max_retries": retries,
        "retry_on_timeout": retries > 0,
    }
    user = settings.OPENSEARCH_USER.read()
    if user:
        # the engine reads UTF-8 here, and `http_auth` would send Latin-1
        secret = b64encode(f"{user}:{settings.OPENSEARCH_PASSWORD.read()}".encode()).decode()
        arguments["headers"] = {"authorization": f"Basic {secret}"}
    authority = settings.OPENSEARCH_CA.read()
    if authority:
        if not Path(authority).exists():
            raise EngineError(
                f"OPENSEARCH_CA names {authority}, which does not exist: "
                "name the PEM file of the authority that signed the cluster's certificate"
            )
        arguments["ca_certs"] = authority
    return arguments


def cluster_settings(client: OpenSearch) -> dict[str, Any]:
    """Return the flat cluster settings in force: transient over persistent over defaults."""
    with explained(client):
        response = client.cluster.get_settings(params={"include_defaults": "true", "flat_settings": "true"})
    return {**response.get("defaults", {}), **response["persistent"], **response["transient"]}


@contextmanager
def explained(client: OpenSearch | AsyncOpenSearch | None = None) -> Iterator[None]:
    """Raise exceptions of opensearch-py inside the block (or the decorated function) as one-sentence errors.

    With the client, the sentence names its URL and, for a missing index, the existing ones.
    Raises IndexMissingError or EngineError; the original exception is its `__cause__`.
    """
    try:
        yield
    except OpenSearchException as error:
        raise explain(error, client) from error


def explain(error: OpenSearchException, client: OpenSearch | AsyncOpenSearch | None = None) -> EngineError:
    """Return the EngineError that describes an exception of an OpenSearch client in one sentence."""
    place = _place(client)
    if isinstance(error, NoConnectionError):
        return EngineError(_unreachable(error, place))
    if isinstance(error, BulkIndexError):
        return EngineError(_refused_documents(error))
    if isinstance(error, SerializationError):
        return EngineError(f"the request to {place} or its answer is not JSON: {_short(error)}")
    if not isinstance(error, TransportError):
        return EngineError(f"OpenSearch at {place}: {_short(error)}")
    kind, reason, index = _error_parts(error.info)
    if kind == "index_not_found_exception":
        return missing_index(client, index)
    return EngineError(_refusal(error.status_code, kind, reason, place))


def _unreachable(error: NoConnectionError, place: str) -> str:
    detail = _short(error.error)
    if "wrong version number" in detail.lower().replace("_", " "):
        return f"{place} does not speak TLS: write http:// instead of https:// in OPENSEARCH_URL"
    if isinstance(error, SSLError) or "CERTIFICATE_VERIFY_FAILED" in detail:
        return (
            f"the TLS connection to {place} failed ({detail}): set OPENSEARCH_CA to the PEM file of the "
            "authority that signed its certificate, and use a host name of the certificate"
        )
    if isinstance(error, ConnectionTimeout):
        return f"OpenSearch at {place} did not answer in time: check it with `vitrine doctor`, or try again"
    if "Connection aborted" in detail or "Server disconnected" in detail or "BadStatusLine" in detail:
        return (
            f"{place} closed the connection without an answer: if it is a secured cluster, "
            "write https:// instead of http:// in OPENSEARCH_URL, otherwise read its log"
        )
    return f"no OpenSearch answers at {place}: start one with `vitrine node up`, or set OPENSEARCH_URL"


def _refusal(status: int | str, kind: str, reason: str, place: str) -> str:
    if kind == "cluster_block_exception":
        return _blocked(reason, place)
    if status == 401:
        return f"OpenSearch at {place} requires a known user: set OPENSEARCH_USER and OPENSEARCH_PASSWORD"
    if status == 403:
        user = settings.OPENSEARCH_USER.read() or "(none)"
        return (
            f"OpenSearch at {place} forbids this to the user {user!r}: {reason or 'no reason given'}; "
            "grant the user the rights, or set OPENSEARCH_USER to another user"
        )
    if status == 429:
        return (
            f"OpenSearch at {place} is overloaded ({reason or kind or '429'}): wait, or send smaller requests"
        )
    if status in (502, 503, 504):
        return f"OpenSearch at {place} is not ready ({reason or kind or status}): see `vitrine doctor`"
    if not kind and not reason:
        return f"{place} answered {status} without an OpenSearch error: check OPENSEARCH_URL"
    return f"OpenSearch at {place} refused the request ({status} {kind}): {reason}"


def _blocked(reason: str, place: str) -> str:
    if "flood-stage" in reason or "read-only / allow delete" in reason:
        return (
            f"OpenSearch at {place} set the index read-only because its disk is nearly full ({reason}): "
            "free disk space; the engine then removes the block itself"
        )
    return (
        f"OpenSearch at {place} blocks this request ({reason}): "
        "remove the block (PUT INDEX/_settings with the index.blocks.* setting null), or use another index"
    )


def missing_index(client: OpenSearch | AsyncOpenSearch | None, name: str) -> IndexMissingError:
    """Return the error for an index or alias that does not exist; a blocking client lists the existing ones."""
    existing = _existing(client)
    others = ""
    if existing is not None:
        names = ", ".join(existing[:_MAX_NAMES]) + (", ..." if len(existing) > _MAX_NAMES else "")
        others = f" (existing: {names})" if existing else " (there is no index at all)"
    return IndexMissingError(
        f"there is no index {name!r} at {_place(client)}{others}: "
        f"create it with `vitrine index CATALOGUE --index {name}`, or name another with --index"
    )


def _existing(client: OpenSearch | AsyncOpenSearch | None) -> list[str] | None:
    """Return the aliases, and the indices without alias, that are not hidden; None without a blocking client."""
    if client is None or inspect.iscoroutinefunction(client.indices.get_alias):
        return None
    try:
        indices: Mapping[str, Any] = client.indices.get_alias(index="*")
    except OpenSearchException:
        return None
    names: set[str] = set()
    for index, body in indices.items():
        names.update(body.get("aliases") or [index])
    return sorted(name for name in names if not name.startswith("."))


def _refused_documents(error: BulkIndexError) -> str:
    outcome: Mapping[str, Any] = next(iter(error.errors[0].values())) if error.errors else {}
    _, reason, _ = _error_parts(outcome)
    count, name = len(error.errors), outcome.get("_id")
    return f"{count} documents were refused, the first (_id {name!r}) because: {reason}"


def _error_parts(info: Any) -> tuple[str, str, str]:
    """Return (type, reason, index) of an error body; the reason includes the innermost cause."""
    if not isinstance(info, Mapping):
        return "", "", ""
    cause = info.get("error")
    if isinstance(cause, str):
        return "", cause, ""
    if not isinstance(cause, Mapping):
        missing = info.get("found") is False or info.get("result") == "not_found"
        return ("document_missing", "the document does not exist", "") if missing else ("", "", "")
    reason = str(cause.get("reason") or "")
    roots = cause.get("root_cause") or [cause]
    inner = cause if isinstance(cause.get("caused_by"), Mapping) else roots[0]
    while isinstance(inner.get("caused_by"), Mapping):
        inner = inner["caused_by"]
    deeper = str(inner.get("reason") or "")
    full = f"{reason}: {deeper}" if deeper and deeper not in reason else reason
    return str(cause.get("type") or ""), full, str(cause.get("index") or cause.get("resource.id") or "")


def _place(client: OpenSearch | AsyncOpenSearch | None) -> str:
    if client is None:
        return ", ".join(_without_user(host) for host in hosts_of())
    pool = client.transport.connection_pool  # its `connections` lacks the hosts that are marked dead
    connections = getattr(pool, "orig_connections", None) or pool.connections
    return ", ".join(dict.fromkeys(str(connection.host) for connection in connections))


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _short(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _MAX_REASON else text[:_MAX_REASON] + "..."
