"""What every handler gets: the open aliases, the thread pools, the metrics and the slate log, in one typed `Server`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rerank.request import DEADLINE_MS, RankedWindow, RerankRequest
from rerank.serving_context import ServingContext
from rerank.slate import Slate
from vitrine.errors import VitrineError

from .deadline import Lookups, rerank_in_time
from .metrics import Metrics
from .pool import WorkerPool
from .slate_log import SlateLog, feature_sample, make_slate

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

SEARCH_THREADS = 16  # they wait for the engine


class Contexts(Protocol):
    """The serving contexts of the aliases that are open now; `watch` keeps them current until it is cancelled."""

    open: dict[str, ServingContext]
    error: str | None  # why none could be opened yet; None: ready

    async def watch(self) -> None:
        """Load and reload the contexts until the task is cancelled."""


@dataclass(frozen=True)
class Dependencies:
    """What the service runs on, replaceable in tests. `client` is used by several threads at once."""

    contexts: Contexts
    lookups: Lookups
    write_slates: Callable[[Sequence[Mapping[str, Any]]], None]
    metrics: Metrics
    client: OpenSearch | None = None
    deadline_ms: float = DEADLINE_MS
    close: Callable[[], Awaitable[None]] | None = None


class UnknownAliasError(VitrineError):
    """A request names an alias that has neither index nor model."""


class Server:
    """The state of one running service. `rank_pool` computes, `search_pool` waits for the engine."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.contexts = dependencies.contexts
        self.metrics = dependencies.metrics
        self.client = dependencies.client
        self.deadline_ms = dependencies.deadline_ms
        self.rank_pool = WorkerPool()
        self.search_pool = WorkerPool(SEARCH_THREADS)  # apart, so that slow searches do not hold up ranking
        self.slates = SlateLog(dependencies.write_slates, dependencies.metrics.count_slates)
        self._lookups = dependencies.lookups
        self._close = dependencies.close

    def context(self, alias: str) -> ServingContext:
        """Return the serving context of an alias. Raises UnknownAliasError."""
        if alias not in self.contexts.open:
            known = ", ".join(sorted(self.contexts.open)) or (self.contexts.error or "none")
            raise UnknownAliasError(
                f"there is no index behind alias {alias!r}; known here: {known}; see `vitrine index`"
            )
        return self.contexts.open[alias]

    async def rerank(
        self, endpoint: str, alias: str, request: RerankRequest, query_id: str | None = None
    ) -> RankedWindow:
        """Return the window in its final order, within the deadline; count it and log its slate.

        Raises UnknownAliasError.
        """
        start = time.perf_counter()
        context = self.context(alias)
        window = await rerank_in_time(context, request, self._lookups, self.rank_pool)
        self.count(endpoint, alias, window, time.perf_counter() - start)
        slate = make_slate(alias, request.query, request.shopper, request.ids, window, query_id)
        self.log(slate, context, window)
        return window

    def count(self, endpoint: str, alias: str, window: RankedWindow | None, seconds: float) -> None:
        """Count an answer by its outcome; `window` None: the request asked for the engine's order."""
        outcome = "engine" if window is None else "degraded" if window.degraded else "reranked"
        self.metrics.answers.labels(alias, endpoint, outcome).inc()
        self.metrics.seconds.labels(endpoint).observe(seconds)

    def log(self, slate: Slate, context: ServingContext, window: RankedWindow) -> None:
        """Add a slate to the log, unless its single candidate gives nothing to learn from."""
        if slate.window > 1:
            self.slates.add(slate, feature_sample(slate, context.ranker, window))

    async def close(self) -> None:
        """Stop the thread pools and close the engine's client."""
        self.rank_pool.close()
        self.search_pool.close()
        if self._close:
            await self._close()
