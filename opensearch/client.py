"""The one way to reach OpenSearch: a configured client, and its errors told as sentences."""

from __future__ import annotations

import inspect
import os
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

from vitrine.errors import EngineError, IndexMissingError

# the other rooms name the client's types by this module: only this room imports opensearch-py
__all__ = [
    "DEFAULT_URL",
    "AsyncOpenSearch",
    "OpenSearch",
    "OrjsonSerializer",
    "connect",
    "connect_async",
    "explain",
    "explained",
    "hosts_of",
]

DEFAULT_URL = "http://127.0.0.1:9200"
_MOST_NAMES = 20  # of existing indices that an error message lists


class OrjsonSerializer(JSONSerializer):
    """JSON through orjson, numpy arrays included; NaN and infinity become null."""

    def dumps(self, data: Any) -> str:
        """Give JSON as `str` (never bytes: the bulk helpers cannot take them); text passes through."""
        if isinstance(data, str):
            return data
        if isinstance(data, bytes):
            return data.decode()
        try:
            return orjson.dumps(data, default=self.default, option=orjson.OPT_SERIALIZE_NUMPY).decode()
        except (TypeError, ValueError) as error:
            raise SerializationError(data, error) from error

    def loads(self, s: str | bytes) -> Any:
        try:
            return orjson.loads(s)
        except ValueError as error:
            raise SerializationError(s, error) from error


def hosts_of(url: str | None = None) -> list[str]:
    """List the hosts of a comma-separated URL list (default: `OPENSEARCH_URL`, else this machine)."""
    named = url or os.environ.get("OPENSEARCH_URL") or DEFAULT_URL
    listed = [part.strip() for part in named.split(",") if part.strip()]
    hosts = [(part if "://" in part else f"http://{part}").rstrip("/") for part in listed]
    for host in hosts:
        try:
            parts = urlsplit(host)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise EngineError(
                f"{_without_user(host)!r} is not a URL of OpenSearch: write it as {DEFAULT_URL} "
                "(several are separated by commas) in --url or OPENSEARCH_URL"
            )
    return hosts


def connect(url: str | None = None, *, timeout: float = 30.0, pool: int = 8, retries: int = 5) -> OpenSearch:
    """Give a client of one or several hosts, without asking them anything yet.

    `timeout` is seconds for one attempt, `pool` the connections kept per host (the number of your threads),
    `retries` the further attempts after a lost connection, a timeout or a 502, 503 or 504.
    Reads OPENSEARCH_URL, OPENSEARCH_USER, OPENSEARCH_PASSWORD and OPENSEARCH_CA.
    """
    # an address where nobody answers at all is given up sooner than a request at work
    waits = Timeout(connect=min(timeout, 5.0), read=timeout)
    return OpenSearch(**{**_settings(url, timeout, pool, retries), "timeout": waits})


def connect_async(
    url: str | None = None, *, timeout: float = 30.0, pool: int = 8, retries: int = 5
) -> AsyncOpenSearch:
    """Give the asyncio twin of `connect`; the caller closes it."""
    return AsyncOpenSearch(**_settings(url, timeout, pool, retries))


def _settings(url: str | None, timeout: float, pool: int, retries: int) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "hosts": hosts_of(url),
        "serializer": OrjsonSerializer(),
        "timeout": timeout,
        "pool_maxsize": pool,
        "max_retries": retries,
        "retry_on_timeout": retries > 0,
    }
    user = os.environ.get("OPENSEARCH_USER")
    if user:
        # the engine reads UTF-8 here, where `http_auth` would send Latin-1
        secret = b64encode(f"{user}:{os.environ.get('OPENSEARCH_PASSWORD', '')}".encode()).decode()
        settings["headers"] = {"authorization": f"Basic {secret}"}
    authority = os.environ.get("OPENSEARCH_CA")
    if authority:
        if not Path(authority).exists():
            raise EngineError(
                f"OPENSEARCH_CA names {authority}, which does not exist: "
                "name the PEM file of the authority that signed the cluster's certificate"
            )
        settings["ca_certs"] = authority
    return settings


@contextmanager
def explained(client: OpenSearch | AsyncOpenSearch | None = None) -> Iterator[None]:
    """Turn what opensearch-py raises inside the block (or the decorated function) into one sentence.

    With the client, the sentence names its URL and, for a missing index, what exists instead.
    Raises IndexMissingError or EngineError; the original exception is its `__cause__`.
    """
    try:
        yield
    except OpenSearchException as error:
        raise explain(error, client) from error


def explain(error: OpenSearchException, client: OpenSearch | AsyncOpenSearch | None = None) -> EngineError:
    """Give the sentence that says what OpenSearch (or its absence) meant by an exception of its client."""
    place = _place(client)
    if isinstance(error, NoConnectionError):
        return EngineError(_unreachable(error, place))
    if isinstance(error, BulkIndexError):
        return EngineError(_refused_documents(error))
    if isinstance(error, SerializationError):
        return EngineError(f"{place} was sent or answered something that is not JSON: {_short(error)}")
    if not isinstance(error, TransportError):
        return EngineError(f"OpenSearch at {place}: {_short(error)}")
    kind, reason, index = _told(error.info)
    if kind == "index_not_found_exception":
        return IndexMissingError(_missing_index(index, place, client))
    return EngineError(_answered(error.status_code, kind, reason, place))


def _unreachable(error: NoConnectionError, place: str) -> str:
    detail = _short(error.error)
    if "wrong version number" in detail.lower().replace("_", " "):
        return f"{place} does not speak TLS: write http:// instead of https:// in OPENSEARCH_URL"
    if isinstance(error, SSLError) or "CERTIFICATE_VERIFY_FAILED" in detail:
        return (
            f"the TLS connection to {place} failed ({detail}): set OPENSEARCH_CA to the PEM file of the "
            "authority that signed its certificate, and use a host name that stands in the certificate"
        )
    if isinstance(error, ConnectionTimeout):
        return f"OpenSearch at {place} did not answer in time: look at it with `vitrine doctor`, or try again"
    if "Connection aborted" in detail or "Server disconnected" in detail or "BadStatusLine" in detail:
        return (
            f"{place} closed the connection without an answer: if it is a secured cluster, "
            "write https:// instead of http:// in OPENSEARCH_URL, else look into its log"
        )
    return (
        f"no OpenSearch answers at {place}: "
        "start one with `vitrine node up`, or name yours with OPENSEARCH_URL"
    )


def _answered(status: int | str, kind: str, reason: str, place: str) -> str:
    if kind == "cluster_block_exception":
        return _blocked(reason, place)
    if status == 401:
        return f"OpenSearch at {place} wants a known user: set OPENSEARCH_USER and OPENSEARCH_PASSWORD"
    if status == 403:
        user = os.environ.get("OPENSEARCH_USER") or "(none)"
        return (
            f"OpenSearch at {place} forbids this to the user {user!r}: {reason or 'no reason given'}; "
            "give the user the rights, or set OPENSEARCH_USER to another"
        )
    if status == 429:
        return f"OpenSearch at {place} is overloaded ({reason or kind or '429'}): wait, or send less at once"
    if status in (502, 503, 504):
        return f"OpenSearch at {place} is not ready ({reason or kind or status}): see `vitrine doctor`"
    if not kind and not reason:
        return f"{place} answered {status}, but not as OpenSearch does: is OPENSEARCH_URL right?"
    return f"OpenSearch at {place} refused the request ({status} {kind}): {reason}"


def _blocked(reason: str, place: str) -> str:
    if "flood-stage" in reason or "read-only / allow delete" in reason:
        return (
            f"OpenSearch at {place} made the index read-only because its disk is nearly full ({reason}): "
            "free disk space; the engine lifts the block by itself afterwards"
        )
    return (
        f"OpenSearch at {place} holds a block against this request ({reason}): "
        "lift it (PUT INDEX/_settings with the index.blocks.* setting null), or use another index"
    )


def _missing_index(index: str, place: str, client: OpenSearch | AsyncOpenSearch | None) -> str:
    existing = _existing(client)
    there = ""
    if existing is not None:
        listed = ", ".join(existing[:_MOST_NAMES]) + (", ..." if len(existing) > _MOST_NAMES else "")
        there = f" (there are: {listed})" if existing else " (there is no other either)"
    return (
        f"there is no index {index!r} at {place}{there}: "
        "make it with `vitrine index CATALOGUE`, or name another with --index"
    )


def _existing(client: OpenSearch | AsyncOpenSearch | None) -> list[str] | None:
    """List aliases and the indices without one, hidden ones left out; None when that cannot be asked here."""
    if client is None or inspect.iscoroutinefunction(client.indices.get_alias):
        return None
    try:
        found: Mapping[str, Any] = client.indices.get_alias(index="*")
    except OpenSearchException:
        return None
    names: set[str] = set()
    for index, held in found.items():
        names.update(held.get("aliases") or [index])
    return sorted(name for name in names if not name.startswith("."))


def _refused_documents(error: BulkIndexError) -> str:
    outcome: Mapping[str, Any] = next(iter(error.errors[0].values())) if error.errors else {}
    _, reason, _ = _told(outcome)
    count, name = len(error.errors), outcome.get("_id")
    return f"{count} documents were refused, the first (_id {name!r}) because: {reason}"


def _told(info: Any) -> tuple[str, str, str]:
    """Give (type, reason, index) of an error body; the innermost cause completes the reason."""
    if not isinstance(info, Mapping):
        return "", "", ""
    cause = info.get("error")
    if isinstance(cause, str):
        return "", cause, ""
    if not isinstance(cause, Mapping):
        missing = info.get("found") is False or info.get("result") == "not_found"
        return ("document_missing", "there is no such document", "") if missing else ("", "", "")
    reason = str(cause.get("reason") or "")
    roots = cause.get("root_cause") or [cause]
    inner = cause if isinstance(cause.get("caused_by"), Mapping) else roots[0]
    while isinstance(inner.get("caused_by"), Mapping):
        inner = inner["caused_by"]
    deeper = str(inner.get("reason") or "")
    told = f"{reason}: {deeper}" if deeper and deeper not in reason else reason
    return str(cause.get("type") or ""), told, str(cause.get("index") or cause.get("resource.id") or "")


def _place(client: OpenSearch | AsyncOpenSearch | None) -> str:
    if client is None:
        return ", ".join(_without_user(host) for host in hosts_of())
    pool = client.transport.connection_pool  # its `connections` lacks the hosts that are dead just now
    held = getattr(pool, "orig_connections", None) or pool.connections
    return ", ".join(dict.fromkeys(str(connection.host) for connection in held))


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _short(error: object, most: int = 300) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= most else text[:most] + "..."
