"""What stands behind the doors: finds the shop, has the window ranked, counts, and keeps the slate."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rerank.serving_context import ServingContext
from rerank.window import RankedWindow
from vitrine.errors import VitrineError

from .metrics import Metrics
from .order import DEADLINE_MS, Ask, Lookups, RankPool, order
from .slate_log import Slate, SlateLog, feature_sample, slate_of

if TYPE_CHECKING:
    from opensearch.client import OpenSearch


class Shops(Protocol):
    """The aliases that are open just now; `watch` keeps them so until it is cancelled."""

    open: dict[str, ServingContext]
    trouble: str | None  # why none could be opened yet; None: ready

    async def watch(self) -> None: ...


@dataclass(frozen=True)
class Parts:
    """What the service stands on; a test may stand it on something smaller."""

    shops: Shops
    lookups: Lookups
    write_slates: Callable[[Sequence[Slate]], None]
    metrics: Metrics
    client: OpenSearch | None = None  # what whole searches ask, from several threads at once
    deadline_ms: float = DEADLINE_MS
    close: Callable[[], Awaitable[None]] | None = None


class UnknownAliasError(VitrineError):
    """A request names an alias that has neither index nor model."""


class Server:
    """Orders windows for both doors: finds the shop, keeps the deadline, counts, and logs the slate."""

    def __init__(self, parts: Parts, pool: RankPool, slates: SlateLog) -> None:
        self._parts = parts
        self._pool = pool
        self._slates = slates

    def shop(self, alias: str) -> ServingContext:
        shops = self._parts.shops
        if alias not in shops.open:
            known = ", ".join(sorted(shops.open)) or (shops.trouble or "none")
            raise UnknownAliasError(
                f"there is no index behind alias {alias!r}; known here: {known}; see `vitrine index`"
            )
        return shops.open[alias]

    async def __call__(self, door: str, alias: str, ask: Ask, query_id: str | None = None) -> RankedWindow:
        """The verdict on a window. Raises UnknownAliasError."""
        began = time.perf_counter()
        shop = self.shop(alias)
        verdict = await order(shop, ask, self._parts.lookups, self._pool)
        self.count(door, alias, verdict, time.perf_counter() - began)
        self.log(slate_of(alias, ask.query, ask.shopper, ask.ids, verdict, query_id), shop, verdict)
        return verdict

    def count(self, door: str, alias: str, verdict: RankedWindow | None, seconds: float) -> None:
        """Count an answer by its outcome; without a verdict nobody asked for another order than the engine's."""
        outcome = "engine" if verdict is None else "degraded" if verdict.degraded else "reranked"
        self._parts.metrics.answers.labels(alias, door, outcome).inc()
        self._parts.metrics.seconds.labels(door).observe(seconds)

    def log(self, slate: Slate, shop: ServingContext, verdict: RankedWindow) -> None:
        if slate["window"] > 1:  # one candidate has no order to learn from
            self._slates.add(slate, feature_sample(slate, shop.ranker, verdict))
