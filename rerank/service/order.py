"""Candidates in, order out, within the deadline; whatever goes wrong, engine order with the reason."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from opensearch.logs.profiles import Click
from rerank.features.groups import QueryVectors
from rerank.serving_context import ServingContext
from rerank.window import RankedWindow, Window, engine_order, rank_window, this_minute
from vitrine.errors import VitrineError

logger = logging.getLogger(__name__)

DEADLINE_MS = 150.0
_LOOKUP_SHARE = 0.4  # of the deadline: a slow engine costs the history, not the order
_MOST_WAITING = 64

T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """One window to order; `shopper` is a keyed hash."""

    ids: Sequence[str]
    query: str
    shopper: str | None = None
    vectors: QueryVectors | None = None
    deadline_ms: float = DEADLINE_MS


class Lookups(Protocol):
    """What ordering asks the engine; each may raise or take its time."""

    async def history(self, alias: str, shopper: str) -> Sequence[Click]: ...

    async def unavailable(self, alias: str, ids: Sequence[str]) -> Collection[str]: ...


class BusyError(VitrineError):
    """More windows wait than can be ranked within any deadline."""


class RankPool:
    """Threads that rank; numpy and ONNX Runtime leave the interpreter to others while they compute."""

    def __init__(self, workers: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="rank")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`. Raises BusyError when too many wait already."""
        if self._waiting >= _MOST_WAITING:
            raise BusyError(f"{self._waiting} windows wait to be ranked; add a replica of the service")
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._done)
        return await future

    def _done(self, _: object) -> None:
        self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


async def order(shop: ServingContext, ask: Ask, lookups: Lookups, pool: RankPool) -> RankedWindow:
    """The window in its final order; never raises for anything that ranking does."""
    if shop.ranker is None:
        return engine_order(len(ask.ids), shop.degraded or f"no model for alias {shop.alias}")
    limit_s = ask.deadline_ms / 1000
    try:
        async with asyncio.timeout(limit_s):
            history, unavailable = await _look_up(shop, ask, lookups, limit_s * _LOOKUP_SHARE)
            window = Window(ask.ids, ask.query, ask.vectors, history, unavailable)
            return await pool.run(partial(rank_window, shop.ranker, shop.encoders, window, this_minute()))
    except TimeoutError:
        return engine_order(len(ask.ids), f"the deadline of {ask.deadline_ms:g} ms passed")
    except VitrineError as error:
        return engine_order(len(ask.ids), str(error))
    except Exception as error:  # a broken artifact can raise anything; the shopper gets engine order
        logger.exception("ranking failed for %s", shop.alias, extra={"alias": shop.alias})
        return engine_order(len(ask.ids), f"ranking failed ({type(error).__name__})")


async def _look_up(
    shop: ServingContext, ask: Ask, lookups: Lookups, limit_s: float
) -> tuple[Sequence[Click], Collection[str]]:
    """History and availability side by side; one that fails or is late counts as empty."""

    async def history() -> Sequence[Click]:
        return await lookups.history(shop.alias, ask.shopper) if ask.shopper else ()

    async def unavailable() -> Collection[str]:
        return await lookups.unavailable(shop.alias, ask.ids) if shop.schema.plan.available else ()

    return await asyncio.gather(_within(limit_s, history(), ()), _within(limit_s, unavailable(), ()))


async def _within(limit_s: float, asked: Awaitable[T], otherwise: T) -> T:
    try:
        async with asyncio.timeout(limit_s):
            return await asked
    except Exception as error:
        logger.warning("a lookup failed and counts as empty: %s: %s", type(error).__name__, error)
        return otherwise
