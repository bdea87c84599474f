"""Sends `_bulk` requests: repeats what the engine rejected, isolates documents that spoil a request."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as NoConnectionError
from opensearchpy.exceptions import TransportError
from urllib3 import Timeout

from opensearch.client import explain
from vitrine.errors import EngineError

from .actions import Outcome, Status

_PARAMETERS = "filter_path=errors,items.*.status,items.*.result,items.*.error"
_REQUEST_TIMEOUT = Timeout(connect=5.0, read=120.0)
_MAX_REASON = 1_000  # characters
_TRANSIENT = frozenset(
    f"{name}_exception"
    for name in (
        "node_closed",
        "node_disconnected",
        "node_not_connected",
        "already_closed",
        "index_shard_closed",
        "illegal_index_shard_state",
        "receive_timeout_transport",
    )
)
_STATUSES: dict[str, Status] = {
    "created": "created",
    "updated": "updated",
    "noop": "noop",
    "deleted": "deleted",
    "not_found": "noop",
}


class Item(NamedTuple):
    """One action as it is sent: the document's id and the lines of the `_bulk` body."""

    id: str
    line: bytes


@dataclass(frozen=True)
class Patience:
    """The pauses between attempts, doubled up to `max_pause_s`, and the limit of all attempts (seconds)."""

    limit_s: float
    first_pause_s: float
    max_pause_s: float

    def pause_s(self, attempt: int) -> float:
        """Return the pause after an attempt (0 is the first), shortened at random so that writers spread."""
        return random.uniform(0.5, 1) * min(self.max_pause_s, self.first_pause_s * 2.0**attempt)


class BulkSender:
    """Sends one chunk until each of its items has an outcome; shared by the threads of a run."""

    def __init__(self, client: OpenSearch, index: str, patience: Patience) -> None:
        self._client, self._patience = client, patience
        self._path = f"/{index}/_bulk?{_PARAMETERS}"
        self.stop = threading.Event()
        self.fault: EngineError | None = None

    def send(self, items: list[Item]) -> list[Outcome]:
        """Return one outcome per item; a failure that concerns all further writing is also stored in `fault`."""
        # Not tenacity: an attempt may succeed for a part of the items, only the rest is repeated, and progress
        # starts the time limit again.
        outcomes: list[Outcome] = []
        started, attempts = time.monotonic(), 0
        while items:
            rejected, reason = self._attempt(items, outcomes)
            if not rejected:
                break
            if len(rejected) < len(items):
                started, attempts = time.monotonic(), 0
            items = rejected
            pause = self._patience.pause_s(attempts)
            attempts += 1
            if time.monotonic() + pause - started > self._patience.limit_s:
                self._stop(
                    f"{len(items)} documents were still rejected after {self._patience.limit_s:.0f} s: {reason}"
                )
            if self.fault or self.stop.wait(pause):
                outcomes.extend(Outcome(item.id, "failed", f"not written: {reason}") for item in items)
                break
        return outcomes

    def _attempt(self, items: list[Item], outcomes: list[Outcome]) -> tuple[list[Item], str]:
        """Send the items once; append final outcomes and return the items to repeat, with the reason."""
        try:
            response = self._post(b"".join([item.line for item in items]))
            results = list(zip(items, response["items"], strict=True))
        except TransportError as error:
            return self._failed_request(error, items, outcomes)
        except (ValueError, KeyError, TypeError) as error:
            return items, self._stop(
                f"the response to a bulk request is not OpenSearch's ({error!r}): check the URL"
            )
        again: list[Item] = []
        reason = ""
        for item, by_operation in results:
            ((_, result),) = by_operation.items()
            cause = result.get("error")
            if not cause:
                outcomes.append(Outcome(item.id, _STATUSES[result["result"]]))
                continue
            why = _reason(cause)
            if _is_blocked(result["status"], cause):
                self._stop(_block_message(why))
            elif _is_transient(result["status"], cause):
                again.append(item)
                reason = why
                continue
            outcomes.append(Outcome(item.id, "failed", why))
        return again, reason

    def _post(self, body: bytes) -> Any:
        # one attempt over one connection: the transport's own retries have neither pause nor time limit
        pool = self._client.transport.connection_pool
        connection = pool.get_connection()
        try:
            _, _, response = connection.perform_request(
                "POST",
                self._path,
                body=body,
                timeout=_REQUEST_TIMEOUT,
                headers={"content-type": "application/x-ndjson"},
            )
        except NoConnectionError:
            pool.mark_dead(connection)
            raise
        pool.mark_live(connection)
        return orjson.loads(response)

    def _failed_request(
        self, error: TransportError, items: list[Item], outcomes: list[Outcome]
    ) -> tuple[list[Item], str]:
        """Handle a request that failed as a whole; append and return as `_attempt` does."""
        message, status = str(explain(error, self._client)), error.status_code
        if isinstance(error, NoConnectionError):  # also a lost response: a repeated write has the same result
            return items, message
        body = error.info.get("error") if isinstance(error.info, Mapping) else None
        cause = body if isinstance(body, Mapping) else {}
        if _is_blocked(int(status), cause):
            return items, self._stop(_block_message(_reason(cause)))
        if _is_transient(int(status), cause):
            return items, message
        if status in (400, 413):  # one document spoils the request: halve the items until it is alone
            if len(items) == 1:
                outcomes.append(Outcome(items[0].id, "failed", message))
                return [], message
            half = len(items) // 2
            first, _ = self._attempt(items[:half], outcomes)
            second, reason = self._attempt(items[half:], outcomes)
            return first + second, reason
        return items, self._stop(message)

    def _stop(self, reason: str) -> str:
        """Store the first reason to stop writing; return the given one."""
        self.fault = self.fault or EngineError(
            f"{reason}; writing has stopped and the written documents stay: run the same command again"
        )
        return reason


def _reason(error: Mapping[str, Any]) -> str:
    """Return type, reason and innermost cause of an item's error."""
    message = str(error.get("reason") or error.get("type"))
    cause = error.get("caused_by")
    while isinstance(cause, Mapping):
        deeper = str(cause.get("reason") or "")
        if deeper and deeper not in message:
            message = f"{message}: {deeper}"
        cause = cause.get("caused_by")
    message = message.partition("\n")[0]  # the following lines show the parser's position
    if "(VALUE_NULL) not numeric" in message:
        message += " (NaN and infinity are written as null)"
    return f"{error.get('type')}: {message}"[:_MAX_REASON]


def _is_transient(status: int, error: Mapping[str, Any]) -> bool:
    """Return whether the same request may succeed later: overload, or a node or shard that starts or moves."""
    return status in (429, 502, 503, 504) or (status >= 500 and error.get("type") in _TRANSIENT)


def _is_blocked(status: int, error: Mapping[str, Any]) -> bool:
    """Return whether the index accepts no writes until an operator acts; with 503 the cluster is only starting."""
    return error.get("type") == "cluster_block_exception" and status != 503


def _block_message(reason: str) -> str:
    if "flood-stage" in reason or "read-only-allow-delete" in reason:
        return f"the engine refuses writes because a disk is nearly full ({reason}): free space on the node"
    return (
        f"the index is closed to writes ({reason}): remove the block (PUT INDEX/_settings with "
        "`index.blocks.write` and `index.blocks.read_only` null) or, "
        "if a newer version is in service, write to that one"
    )
