"""A client that sends UBI queries and events from a shop's own code: it batches, never blocks and never raises.

    from vitrine.events import EventClient

    events = EventClient("http://127.0.0.1:9200", application="products")
    events.query("a1b2", "red dress", ["p7", "p3"], client_id="shopper 5")
    events.event("click", "a1b2", "p3", position=2, client_id="shopper 5")

Records wait in memory for at most `pause_s` and go to the engine's `_bulk` in the background, also at exit. When the engine
is away they are sent again; when too many wait, the newest are dropped and counted in `dropped`.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import logging
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from . import settings

logger = logging.getLogger(__name__)

_QUERIES, _EVENTS = "ubi_queries", "ubi_events"
_RETRY_AFTER_S = (0.5, 2.0, 10.0, 30.0)  # the last again and again
_BUSY = 429
_NEVER_TAKEN = (400, 413)  # sending the batch again cannot help
_LOG_EVERY_S = 10.0

Line = tuple[str, bytes]  # index and record


class EventClient:
    """Sends the records of one application, the alias of the product index.

    `hash_shopper` turns ids of shoppers into what is sent, for example `rerank.shoppers.shopper_hash`; without it they are
    sent as they are, and `vitrine train` hashes them where it reads the log. `user` and `password` are those of the engine,
    by default OPENSEARCH_USER and OPENSEARCH_PASSWORD. Safe to use from several threads.
    """

    def __init__(
        self,
        url: str | None = None,
        application: str = settings.VITRINE_INDEX.default,
        *,
        hash_shopper: Callable[[str], str] | None = None,
        user: str | None = None,
        password: str | None = None,
        batch: int = 200,
        pause_s: float = 1.0,
        max_waiting: int = 10_000,
        timeout_s: float = 10.0,
        exit_timeout_s: float = 5.0,
    ) -> None:
        self.application = application
        self.sent = 0
        self.dropped = (
            0  # that found no room, could not be written as JSON, were refused, or were left at the end
        )
        self._url = str(url or settings.OPENSEARCH_URL.read()).split(",")[0].rstrip("/") + "/_bulk"
        self._headers = {"Content-Type": "application/x-ndjson", **_authorization(user, password)}
        self._hash = hash_shopper
        self._batch, self._pause_s = batch, pause_s
        self._timeout_s, self._exit_timeout_s = timeout_s, exit_timeout_s
        self._waiting: queue.Queue[Line] = queue.Queue(max_waiting)
        self._unsent = 0  # records that wait or are being sent
        self._changed = threading.Condition()
        self._closed = False
        self._wake = threading.Event()
        self._logged_at = 0.0
        self._sender: threading.Thread | None = None
        atexit.register(self.close)

    def query(self, query_id: str, user_query: str, product_ids: Iterable[Any], **fields: Any) -> None:
        """Send a search and the products that it showed, in their order. `fields` are further ones, such as `client_id`."""
        self._put(
            _QUERIES,
            lambda: {
                "query_id": query_id,
                "user_query": user_query,
                "query_response_hit_ids": [str(product) for product in product_ids],
                **fields,
            },
        )

    def event(
        self,
        action_name: str,
        query_id: str,
        product_id: Any,
        position: int | None = None,
        attributes: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Send what followed on a search: a click, add_to_cart, purchase or another action on a product.

        `position` is the place where it was shown, from 1; `attributes` are further `event_attributes`.
        """

        def record() -> dict[str, Any]:
            place = {} if position is None else {"position": {"ordinal": int(position)}}
            return {
                "action_name": action_name,
                "query_id": query_id,
                "event_attributes": {"object": {"object_id": str(product_id)}, **place, **(attributes or {})},
                **fields,
            }

        self._put(_EVENTS, record)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything was sent or dropped, at most so long; return whether it was."""
        self._wake.set()
        with self._changed:
            return self._changed.wait_for(lambda: self._unsent == 0, timeout_s)

    def close(self) -> None:
        """Send what waits, for at most `exit_timeout_s`, and stop; what comes later is dropped. Called at exit."""
        if self._closed:
            return
        self._closed = True
        if not self.flush(self._exit_timeout_s):
            logger.warning("%d records of the click log were not sent to %s", self._unsent, self._url)
        self._wake.set()
        atexit.unregister(self.close)

    def __enter__(self) -> EventClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _put(self, index: str, record: Callable[[], Mapping[str, Any]]) -> None:
        try:
            if self._closed:
                raise RuntimeError("the client is closed")
            line = self._line(record())
            with self._changed:
                self._waiting.put_nowait((index, line))
                self._unsent += 1
                self._start_sender()
        except Exception as error:  # the shop's code goes on, whatever it sent
            self._drop(1, error)
        else:
            if self._waiting.qsize() >= self._batch:
                self._wake.set()

    def _start_sender(self) -> None:
        """Start the thread that sends with the first record, and once more in a forked process, which has no threads."""
        if self._sender is None or not self._sender.is_alive():
            self._sender = threading.Thread(target=self._run, name="vitrine-events", daemon=True)
            self._sender.start()

    def _line(self, record: Mapping[str, Any]) -> bytes:
        now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
        values = {"application": self.application, "timestamp": now, **record}
        if self._hash:
            for name in ("client_id", "user_id", "session_id"):
                if values.get(name):
                    values[name] = self._hash(str(values[name]))
        return orjson.dumps(values, option=orjson.OPT_NON_STR_KEYS, default=str)

    def _drop(self, count: int, error: object) -> None:
        self.dropped += count
        if time.monotonic() - self._logged_at >= _LOG_EVERY_S or not self._logged_at:
            self._logged_at = time.monotonic()
            logger.warning("records of the click log are dropped, %d so far: %s", self.dropped, error)

    def _run(self) -> None:
        while not (self._closed and self._waiting.empty()):
            self._wake.wait(self._pause_s)
            self._wake.clear()
            while lines := self._take():
                self._send(lines)
                with self._changed:
                    self._unsent -= len(lines)
                    self._changed.notify_all()

    def _take(self) -> list[Line]:
        lines: list[Line] = []
        while len(lines) < self._batch:
            try:
                lines.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return lines

    def _send(self, lines: list[Line]) -> None:
        """Send records until the engine has taken or refused each; ids are digests, so none is stored twice."""
        attempt = 0
        while lines:
            try:
                lines = self._post(lines)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in _NEVER_TAKEN:
                    self._drop(len(lines), error)
                    return
                logger.warning("%s did not take the click log, which is sent again: %s", self._url, error)
            except Exception as error:
                logger.warning("%s did not take the click log, which is sent again: %s", self._url, error)
            if not lines:
                return
            if self._closed and attempt >= 1:
                self._drop(len(lines), "the engine did not take them before the program ended")
                return
            self._wake.wait(_RETRY_AFTER_S[min(attempt, len(_RETRY_AFTER_S) - 1)])
            self._wake.clear()
            attempt += 1

    def _post(self, lines: list[Line]) -> list[Line]:
        """Send records once and return those that the engine was too busy for. Raises OSError without an answer."""
        parts = []
        for index, record in lines:
            digest = hashlib.blake2b(record, digest_size=16).hexdigest()
            parts += [orjson.dumps({"index": {"_index": index, "_id": digest}}), record]
        request = urllib.request.Request(self._url, b"\n".join([*parts, b""]), self._headers, method="POST")
        with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
            items = orjson.loads(response.read())["items"]
        busy = []
        for line, item in zip(lines, items, strict=True):
            status = item["index"]["status"]
            if status < 300:
                self.sent += 1
            elif status == _BUSY:
                busy.append(line)
            else:
                self._drop(1, item["index"].get("error"))
        return busy


def _authorization(user: str | None, password: str | None) -> dict[str, str]:
    name = user or settings.OPENSEARCH_USER.read()
    if not name:
        return {}
    secret = password if password is not None else settings.OPENSEARCH_PASSWORD.read()
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}
