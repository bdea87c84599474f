"""What the service knows: the open shops, kept up with the engine, and what it looks up for each window."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opensearch.index.versions import published, schema_of
from opensearch.logs.pointer import read_pointer
from opensearch.logs.profiles import Click
from rerank.serving_context import ServingContext, open_context
from rerank.shoppers import read_history_async
from vitrine.errors import VitrineError
from vitrine.store import ArtifactSet, Store

from .metrics import Metrics

if TYPE_CHECKING:
    from opensearch.client import AsyncOpenSearch, OpenSearch

logger = logging.getLogger(__name__)

POLL_S = 1.0
_RETRY_S = 10.0  # before a shop whose artifacts did not open is tried again
_HISTORY_S = 1.0  # a click counts in the same shopper's next search within a second
_MOST_HISTORIES = 20_000

State = tuple[str, ArtifactSet | None]  # index behind the alias, pointer


class EngineShops:
    """One open shop an alias of the engine; a change of index or pointer opens it anew, then exchanges it."""

    def __init__(self, client: OpenSearch, store: Store, metrics: Metrics) -> None:
        self.open: dict[str, ServingContext] = {}
        self.trouble: str | None = "the service is starting"
        self._client = client
        self._store = store
        self._metrics = metrics
        self._states: dict[str, State] = {}
        self._retry_at: dict[str, float] = {}

    async def watch(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.refresh)
                self.trouble = None
            except VitrineError as error:
                self._told(str(error))
            except Exception as error:  # whatever it was, the shops that are open stay open
                self._told(f"{type(error).__name__}: {error}")
            await asyncio.sleep(POLL_S)

    def refresh(self) -> None:
        """Compare with the engine once, and open what has changed. Raises VitrineError."""
        found = {
            alias: (index, read_pointer(self._client, alias))
            for alias, index in published(self._client).items()
        }
        for alias, state in found.items():
            due = time.monotonic() >= self._retry_at.get(alias, float("inf"))
            if self._states.get(alias) != state or due:
                self._open(alias, state)
            elif alias in self.open:
                self._learn(alias, state[0])
        for alias in set(self.open) - set(found):
            del self.open[alias]
            self._states.pop(alias, None)

    def _learn(self, alias: str, index: str) -> None:
        """Take over weights and floor that were learned since the shop was opened."""
        shop, schema = self.open[alias], schema_of(self._client, index)
        if shop.schema != schema:
            self.open[alias] = replace(shop, schema=schema)

    def _open(self, alias: str, state: State) -> None:
        self._retry_at.pop(alias, None)
        began = time.perf_counter()
        try:
            shop = open_context(self._client, self._store, alias)
            if shop.ranker:
                shop.ranker.warm()
                shop.encoders.warm()
        except VitrineError as error:
            self._metrics.loads.labels("failed").inc()
            self._retry_at[alias] = time.monotonic() + _RETRY_S
            logger.warning("%s was not opened: %s", alias, error, extra={"alias": alias})
            return
        previous = self.open.get(alias)
        if shop.ranker is None and state[1] is not None:
            self._retry_at[alias] = time.monotonic() + _RETRY_S
        self._states[alias] = state
        self.open[alias] = shop
        self._metrics.loads.labels("degraded" if shop.degraded else "ready").inc()
        if previous is None or previous.degraded != shop.degraded or shop.ranker:
            what = shop.degraded or f"serving {state[1].model if state[1] else 'engine order'}"
            seconds = time.perf_counter() - began
            logger.info("%s: %s (opened in %.1f s)", alias, what, seconds, extra={"alias": alias})

    def _told(self, trouble: str) -> None:
        if self.trouble is not None:  # not ready yet; a service that was ready goes on with what is open
            if trouble != self.trouble:
                logger.warning("%s", trouble)
            self.trouble = trouble


class EngineLookups:
    """Histories and availability, asked of the engine while a window waits."""

    def __init__(self, client: AsyncOpenSearch) -> None:
        self._client = client
        self._histories: OrderedDict[tuple[str, str], tuple[float, Sequence[Click]]] = OrderedDict()

    async def history(self, alias: str, shopper: str) -> Sequence[Click]:
        """A shopper's clicks, at most a second old."""
        key = (alias, shopper)
        kept = self._histories.get(key)
        if kept and time.monotonic() - kept[0] < _HISTORY_S:
            return kept[1]
        asked_at = time.monotonic()
        clicks = await read_history_async(self._client, alias, shopper)
        self._histories[key] = (asked_at, clicks)
        self._histories.move_to_end(key)
        while len(self._histories) > _MOST_HISTORIES:
            self._histories.popitem(last=False)
        return clicks

    async def unavailable(self, alias: str, ids: Sequence[str]) -> Collection[str]:
        """Those of the ids that the index says are not available."""
        body = {
            "size": len(ids),
            "_source": False,
            "track_total_hits": False,
            "query": {"bool": {"filter": [{"ids": {"values": list(ids)}}, {"term": {"available": False}}]}},
        }
        found = await self._client.search(index=alias, body=body, params={"search_pipeline": "_none"})
        return {hit["_id"] for hit in found["hits"]["hits"]}
