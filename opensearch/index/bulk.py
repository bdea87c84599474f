"""The fast writer: actions in, one outcome each out, several `_bulk` requests in flight.

JSON is made by orjson straight from numpy arrays. Only what the engine rejected is sent again, a document
that it refuses never harms its neighbours, and every action that was taken has its outcome.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as NoConnectionError
from opensearchpy.exceptions import TransportError
from urllib3 import Timeout

from opensearch.client import explain, explained
from vitrine.errors import EngineError, IndexMissingError

Operation = Literal["index", "update", "delete"]
Status = Literal["created", "updated", "noop", "deleted", "failed"]


class Action(NamedTuple):
    """What to do with one document; an update's `document` holds only the fields that change.

    With a painless `script` an update runs that instead, and `document` holds its parameters.
    """

    operation: Operation
    id: str
    document: Mapping[str, Any] | None = None
    script: str | None = None


class Outcome(NamedTuple):
    """What became of one action; `reason` says why it failed. Deleting what is not there is a noop."""

    id: str
    status: Status
    reason: str | None = None


@dataclass(frozen=True)
class Pace:
    """How much is sent at once, and how long an engine that rejects or is gone is waited for (seconds)."""

    chunk_bytes: int = 5_000_000
    chunk_actions: int = 1_000
    in_flight: int = 4
    patience_s: float = 300.0


class _Item(NamedTuple):
    id: str
    line: bytes  # the action and the document as they are sent


_LOOK = "filter_path=errors,items.*.status,items.*.result,items.*.error"
_WAIT_S = 0.25  # before the first retry; doubled each time
_LONGEST_WAIT_S = 15.0
_REQUEST_TIMEOUT = Timeout(connect=5.0, read=120.0)
_LONGEST_REASON = 1_000
_PASSING = frozenset(
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
_RESULTS: dict[str, Status] = {
    "created": "created",
    "updated": "updated",
    "noop": "noop",
    "deleted": "deleted",
    "not_found": "noop",
}


def write(
    client: OpenSearch, index: str, actions: Iterable[Action], pace: Pace | None = None
) -> Generator[Outcome]:
    """Write the actions, read no further than needed, and give the outcomes as they come, in no fixed order.

    Two actions on one id keep their order. Raises EngineError when the index refuses all writes, the engine
    stays away too long, or the user may not write: after the outcome of every action taken so far.
    """
    with explained(client):
        there = client.indices.exists(index=index)
    if not there:  # the engine would make one of its own, with a guessed mapping
        raise IndexMissingError(
            f"there is no index {index!r} to write to: make it with `vitrine index CATALOGUE`"
        )
    yield from _Writer(client, index, pace or Pace()).run(actions)


class _Writer:
    """One run of `write`: the chunk that fills and the requests in flight, each with the ids it holds."""

    def __init__(self, client: OpenSearch, index: str, pace: Pace) -> None:
        self._sender = _Sender(client, index, pace.patience_s)
        self._pool = ThreadPoolExecutor(pace.in_flight, thread_name_prefix="bulk")
        self._pace = pace
        self._chunk: dict[str, _Item] = {}
        self._size = 0
        self._flying: dict[Future[list[Outcome]], set[str]] = {}

    def run(self, actions: Iterable[Action]) -> Iterator[Outcome]:
        try:
            for action in actions:
                try:
                    item = _Item(action.id, _line(action))
                except (TypeError, ValueError) as error:
                    yield Outcome(action.id, "failed", f"cannot be written as JSON: {error}")
                    continue
                if item.id in self._chunk or self._is_full_with(item):  # an id twice: its order must be kept
                    yield from self._launched()
                self._chunk[item.id] = item
                self._size += len(item.line)
                if self._sender.fault:
                    break
            yield from self._launched()  # after a fault the sender tries once and tells
            yield from self._landed(most=0)
        finally:
            self._sender.stop.set()
            self._pool.shutdown(cancel_futures=True)
        if self._sender.fault:
            raise self._sender.fault

    def _is_full_with(self, item: _Item) -> bool:
        too_big = self._size + len(item.line) > self._pace.chunk_bytes
        return bool(self._chunk) and (too_big or len(self._chunk) >= self._pace.chunk_actions)

    def _launched(self) -> Iterator[Outcome]:
        """Send the chunk as soon as there is room, and give what landed meanwhile."""
        yield from self._landed(most=self._pace.in_flight - 1, clear_of=self._chunk)
        if self._chunk:
            future = self._pool.submit(self._sender.send, list(self._chunk.values()))
            self._flying[future] = set(self._chunk)
            self._chunk, self._size = {}, 0

    def _landed(self, most: int, clear_of: Iterable[str] = ()) -> Iterator[Outcome]:
        """Give outcomes until at most `most` requests fly and none of them holds an id of `clear_of`."""
        ids = set(clear_of)
        while self._flying:
            same = any(not ids.isdisjoint(held) for held in self._flying.values())
            crowded = same or len(self._flying) > most
            done, _ = wait(self._flying, None if crowded else 0, return_when=FIRST_COMPLETED)
            for future in done:
                del self._flying[future]
                yield from future.result()
            if not crowded:
                return


class _Sender:
    """Sends one chunk until each of its items has an outcome; shared by the threads of a run."""

    def __init__(self, client: OpenSearch, index: str, patience_s: float) -> None:
        self._client, self._patience_s = client, patience_s
        self._path = f"/{index}/_bulk?{_LOOK}"
        self.stop = threading.Event()
        self.fault: EngineError | None = None

    def send(self, items: list[_Item]) -> list[Outcome]:
        """Give one outcome for each item; what makes all writing senseless is kept in `fault` besides."""
        outcomes: list[Outcome] = []
        started, tries = time.monotonic(), 0
        while items:
            rejected, reason = self._attempt(items, outcomes)
            if not rejected:
                break
            if len(rejected) < len(items):
                started, tries = time.monotonic(), 0  # the engine takes some: patience begins anew
            items = rejected
            pause = random.uniform(0.5, 1) * min(_LONGEST_WAIT_S, _WAIT_S * 2**tries)
            tries += 1
            late = time.monotonic() + pause - started > self._patience_s
            if late:
                self._stop(
                    f"{len(items)} documents were still not taken after {self._patience_s:.0f} s: {reason}"
                )
            if self.fault or self.stop.wait(pause):
                outcomes.extend(Outcome(item.id, "failed", f"not written: {reason}") for item in items)
                break
        return outcomes

    def _attempt(self, items: list[_Item], outcomes: list[Outcome]) -> tuple[list[_Item], str]:
        """Send the items once; append what is settled and give what has to be sent again, with the reason."""
        try:
            answer = self._post(b"".join([item.line for item in items]))
            settled = list(zip(items, answer["items"], strict=True))
        except TransportError as error:
            return self._refused(error, items, outcomes)
        except (ValueError, KeyError, TypeError) as error:
            return items, self._stop(
                f"the answer to a bulk request is not OpenSearch's ({error!r}): is the URL right?"
            )
        again: list[_Item] = []
        reason = ""
        for item, held in settled:
            ((_, told),) = held.items()
            cause = told.get("error")
            if not cause:
                outcomes.append(Outcome(item.id, _RESULTS[told["result"]]))
                continue
            why = _reason(cause)
            if _blocked(told["status"], cause):
                self._stop(_block_told(why))
            elif _passing(told["status"], cause):
                again.append(item)
                reason = why
                continue
            outcomes.append(Outcome(item.id, "failed", why))
        return again, reason

    def _post(self, body: bytes) -> Any:
        # One try over one connection: the retries of the transport know neither a pause nor a deadline.
        pool = self._client.transport.connection_pool
        connection = pool.get_connection()
        try:
            _, _, answer = connection.perform_request(
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
        return orjson.loads(answer)

    def _refused(
        self, error: TransportError, items: list[_Item], outcomes: list[Outcome]
    ) -> tuple[list[_Item], str]:
        """Deal with a request that failed as a whole."""
        told, status = str(explain(error, self._client)), error.status_code
        if isinstance(error, NoConnectionError):  # a lost answer too: what was written is written over
            return items, told
        held = error.info.get("error") if isinstance(error.info, Mapping) else None
        cause = held if isinstance(held, Mapping) else {}
        if _blocked(int(status), cause):
            return items, self._stop(_block_told(_reason(cause)))
        if _passing(int(status), cause):
            return items, told
        if status in (400, 413):  # one of them spoils the request: halve until it stands alone
            if len(items) == 1:
                outcomes.append(Outcome(items[0].id, "failed", told))
                return [], told
            half = len(items) // 2
            first, _ = self._attempt(items[:half], outcomes)
            second, reason = self._attempt(items[half:], outcomes)
            return first + second, reason
        return items, self._stop(told)

    def _stop(self, reason: str) -> str:
        """Keep the first reason to write no more."""
        self.fault = self.fault or EngineError(
            f"{reason}; writing has stopped: what was written stays, so run the same command again afterwards"
        )
        return reason


def _line(action: Action) -> bytes:
    if not action.id:
        raise ValueError("the id is empty")
    target: dict[str, Any] = {"_id": action.id}
    if action.operation == "delete":
        return orjson.dumps({"delete": target}, option=orjson.OPT_APPEND_NEWLINE)
    if action.document is None:
        raise ValueError(f"an action {action.operation!r} needs a document")
    document: Any = action.document
    if action.operation == "update":
        target["retry_on_conflict"] = 3
        document = {"doc": document}
        if action.script:
            document = {"script": {"source": action.script, "lang": "painless", "params": action.document}}
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    head = orjson.dumps({action.operation: target}, option=orjson.OPT_APPEND_NEWLINE)
    return head + orjson.dumps(document, default=_plain, option=options)


def _plain(value: Any) -> Any:
    """Give what orjson cannot write itself: arrays that are not contiguous, mappings that are no dict."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no type of JSON")


def _reason(error: Mapping[str, Any]) -> str:
    """Give type, reason and the innermost cause of an item's error."""
    told = str(error.get("reason") or error.get("type"))
    cause = error.get("caused_by")
    while isinstance(cause, Mapping):
        deeper = str(cause.get("reason") or "")
        if deeper and deeper not in told:
            told = f"{told}: {deeper}"
        cause = cause.get("caused_by")
    told = told.partition("\n")[0]  # below it stands only where the parser stood
    if "(VALUE_NULL) not numeric" in told:
        told += " (NaN and infinity are written as null)"
    return f"{error.get('type')}: {told}"[:_LONGEST_REASON]


def _passing(status: int, error: Mapping[str, Any]) -> bool:
    """Tell whether the same request may succeed later: overload, or a node or shard on its way."""
    return status in (429, 502, 503, 504) or (status >= 500 and error.get("type") in _PASSING)


def _blocked(status: int, error: Mapping[str, Any]) -> bool:
    """Tell whether the index takes no writes until a person acts (503: the cluster is only starting)."""
    return error.get("type") == "cluster_block_exception" and status != 503


def _block_told(reason: str) -> str:
    if "flood-stage" in reason or "read-only-allow-delete" in reason:
        return f"the engine refuses writes because a disk is nearly full ({reason}): free space on the node"
    return (
        f"the index is closed to writes ({reason}): lift that (PUT INDEX/_settings with "
        "`index.blocks.write` and `index.blocks.read_only` null) or, "
        "if a newer version took its place, write to that"
    )
