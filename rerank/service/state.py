"""What the service reads from the engine: the open aliases, kept current, and the lookups for each window."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cachetools import TTLCache

from opensearch.analysis.codes import CODES
from opensearch.index.meta import schema_of
from opensearch.index.versions import published
from opensearch.logs.pointer import read_pointer
from opensearch.logs.profiles import Click
from opensearch.logs.query_rules import read_query_rules
from opensearch.search.lexical import Clause, broken_in, named_breaking
from rerank.rules.stored import open_rules
from rerank.serving_context import ServingContext, open_context, vocabulary_of
from rerank.shoppers import read_history_async
from vitrine.errors import VitrineError
from vitrine.store import ArtifactSet, Store

from .metrics import Metrics

if TYPE_CHECKING:
    from opensearch.client import AsyncOpenSearch, OpenSearch

logger = logging.getLogger(__name__)

POLL_S = 1.0
_RETRY_S = 10.0  # before an alias whose artifacts could not be opened is tried again
_HISTORY_S = 1.0  # a shopper's profile is read at most once a second
_MAX_HISTORIES = 20_000

State = tuple[str, ArtifactSet | None]  # index behind the alias, pointer


class EngineContexts:
    """One open serving context per alias of the engine; a new index or pointer is opened first, then exchanged."""

    def __init__(self, client: OpenSearch, store: Store, metrics: Metrics) -> None:
        self.open: dict[str, ServingContext] = {}
        self.error: str | None = "the service is starting"
        self._client = client
        self._store = store
        self._metrics = metrics
        self._states: dict[str, State] = {}
        self._retry_at: dict[str, float] = {}

    async def watch(self) -> None:
        """Call `refresh` again and again until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.refresh)
                self.error = None
            except VitrineError as error:
                self._report(str(error))
            except Exception as error:  # whatever it was, the open aliases stay open
                self._report(f"{type(error).__name__}: {error}")
            await asyncio.sleep(POLL_S)

    def refresh(self) -> None:
        """Compare with the engine once, and open what has changed. Raises VitrineError."""
        states = {
            alias: (index, read_pointer(self._client, alias))
            for alias, index in published(self._client).items()
        }
        for alias, state in states.items():
            due = time.monotonic() >= self._retry_at.get(alias, float("inf"))
            if self._states.get(alias) != state or due:
                self._open(alias, state)
            elif alias in self.open:
                self._update_schema(alias, state[0])
        for alias in set(self.open) - set(states):
            del self.open[alias]
            self._states.pop(alias, None)

    def _update_schema(self, alias: str, index: str) -> None:
        """Take over what changed since the alias was opened: weights, similarity threshold, vocabulary, rules.

        A vocabulary that could not be opened is tried again.
        """
        context, schema = self.open[alias], schema_of(self._client, index)
        lacks_vocabulary = context.vocabulary is None and schema.vocabulary is not None
        if context.schema != schema or lacks_vocabulary:
            vocabulary = context.vocabulary
            if lacks_vocabulary or context.schema.vocabulary != schema.vocabulary:
                vocabulary = vocabulary_of(self._store, alias, schema)
            context = self.open[alias] = replace(context, schema=schema, vocabulary=vocabulary)
        stored = read_query_rules(self._client, alias)
        if stored.version != context.rules.version:
            self.open[alias] = replace(context, rules=open_rules(stored, schema, alias))

    def _open(self, alias: str, state: State) -> None:
        self._retry_at.pop(alias, None)
        start = time.perf_counter()
        try:
            context = open_context(self._client, self._store, alias)
            if context.ranker:
                context.ranker.warm()
                context.encoders.warm()
        except VitrineError as error:
            self._metrics.loads.labels("failed").inc()
            self._retry_at[alias] = time.monotonic() + _RETRY_S
            logger.warning("%s was not opened: %s", alias, error, extra={"alias": alias})
            return
        previous = self.open.get(alias)
        if context.ranker is None and state[1] is not None:
            self._retry_at[alias] = time.monotonic() + _RETRY_S
        self._states[alias] = state
        self.open[alias] = context
        self._metrics.loads.labels("degraded" if context.degraded else "ready").inc()
        if previous is None or previous.degraded != context.degraded or context.ranker:
            what = context.degraded or f"serving {state[1].model if state[1] else 'engine order'}"
            seconds = time.perf_counter() - start
            logger.info("%s: %s (opened in %.1f s)", alias, what, seconds, extra={"alias": alias})

    def _report(self, error: str) -> None:
        """Keep the reason while the service is not ready; a ready service keeps the open aliases."""
        if self.error is not None:
            if error != self.error:
                logger.warning("%s", error)
            self.error = error


class EngineLookups:
    """Histories, availability, codes and constraints, read from the engine while a window waits."""

    def __init__(self, client: AsyncOpenSearch) -> None:
        self._client = client
        self._histories: TTLCache[tuple[str, str], Sequence[Click]] = TTLCache(_MAX_HISTORIES, _HISTORY_S)

    async def history(self, alias: str, shopper: str) -> Sequence[Click]:
        """Return the clicks in a shopper's profile, read at most a second ago."""
        key = (alias, shopper)
        clicks = self._histories.get(key)  # one look-up: an entry may expire between two
        if clicks is None:
            clicks = self._histories[key] = await read_history_async(self._client, alias, shopper)
        return clicks

    async def unavailable(self, alias: str, ids: Sequence[str]) -> Collection[str]:
        """Return those of the ids whose product is not available."""
        return set(await self._matching(alias, ids, {"term": {"available": False}}))

    async def with_codes(self, alias: str, ids: Sequence[str], codes: Sequence[str]) -> Collection[str]:
        """Return those of the ids whose product has one of the codes."""
        return set(await self._matching(alias, ids, {"terms": {CODES: list(codes)}}))

    async def broken(
        self, alias: str, ids: Sequence[str], breaking: Mapping[str, Clause]
    ) -> Mapping[str, Sequence[str]]:
        """Return the constraints that each of the ids breaks; `breaking` holds the clause of each constraint."""
        matched = await self._matching(alias, ids, {"bool": {"should": named_breaking(breaking)}})
        return {product: broken_in(names) for product, names in matched.items()}

    async def created(self, alias: str, ids: Sequence[str], since: float) -> Mapping[str, float]:
        """Return since when those of the ids are sold that are so since `since` (seconds since 1970)."""
        recent = {"range": {"created": {"gte": round(since * 1000), "format": "epoch_millis"}}}
        body = {
            **_of_ids(ids, recent),
            "docvalue_fields": [{"field": "created", "format": "epoch_millis"}],
        }
        response = await self._client.search(index=alias, body=body, params={"search_pipeline": "_none"})
        return {hit["_id"]: float(hit["fields"]["created"][0]) / 1000.0 for hit in response["hits"]["hits"]}

    async def _matching(self, alias: str, ids: Sequence[str], clause: Clause) -> Mapping[str, Sequence[str]]:
        """Return those of the ids that match the clause, each with the names of the clauses that it matches."""
        body = _of_ids(ids, clause)
        response = await self._client.search(index=alias, body=body, params={"search_pipeline": "_none"})
        return {hit["_id"]: hit.get("matched_queries", ()) for hit in response["hits"]["hits"]}


def _of_ids(ids: Sequence[str], clause: Clause) -> dict[str, Any]:
    """Return the search for those of the ids that match the clause, without their sources."""
    return {
        "size": len(ids),
        "_source": False,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"ids": {"values": list(ids)}}, clause]}},
    }
