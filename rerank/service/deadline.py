"""Reranking within a deadline: what the engine and the rules know of a window is looked up, then it is ranked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from opensearch.analysis.codes import query_codes
from opensearch.logs.profiles import Click
from opensearch.search.lexical import Clause
from opensearch.search.query_text import clean_words
from rerank.request import RankedWindow, RerankRequest, engine_order, this_minute, with_matched
from rerank.search import rerank
from rerank.serving_context import ServingContext, understood

from .pool import BusyError, WorkerPool

logger = logging.getLogger(__name__)

_LOOKUP_SHARE = 0.4  # of the deadline: a slow engine costs the history, not the order

T = TypeVar("T")


class Lookups(Protocol):
    """What the engine is asked about a window; each call may raise or be slow."""

    async def history(self, alias: str, shopper: str) -> Sequence[Click]:
        """Return the clicks of a shopper, oldest first."""

    async def unavailable(self, alias: str, ids: Sequence[str]) -> Collection[str]:
        """Return those of the products that are not available."""

    async def with_codes(self, alias: str, ids: Sequence[str], codes: Sequence[str]) -> Collection[str]:
        """Return those of the products that have one of the codes."""

    async def broken(
        self, alias: str, ids: Sequence[str], breaking: Mapping[str, Clause]
    ) -> Mapping[str, Sequence[str]]:
        """Return the constraints that each product breaks; `breaking` holds the clause of each constraint."""

    async def created(self, alias: str, ids: Sequence[str], since: float) -> Mapping[str, float]:
        """Return since when those of the products are sold that are so since `since` (seconds since 1970)."""


async def rerank_in_time(
    context: ServingContext, request: RerankRequest, lookups: Lookups, pool: WorkerPool
) -> RankedWindow:
    """Return the window of `rerank`, or the engine's order once the deadline passed or the pool is full.

    The words are those that a search would use. The lookups fill `history`, `unavailable`, `exact_codes`, `broken`,
    `rules`, `buried`, `created` and `as_of` of the request. Never raises.
    """
    limit_s = request.deadline_ms / 1000
    try:
        async with asyncio.timeout(limit_s):
            # in a thread: it may take milliseconds, and read files
            plan = await pool.run(partial(understood, request, context))
            as_of = this_minute()
            rules = context.rules.applied(request.query, plan, as_of)
            request = replace(request, query=plan.words, rules=rules, as_of=as_of)
            request = await _look_up(context, request, plan.breaking, lookups, limit_s * _LOOKUP_SHARE)
            return await pool.run(partial(rerank, context, request))
    except TimeoutError:
        return engine_order(len(request.ids), f"the deadline of {request.deadline_ms:g} ms passed")
    except BusyError as error:
        return engine_order(len(request.ids), str(error))


async def _look_up(
    context: ServingContext,
    request: RerankRequest,
    breaking: Mapping[str, Clause],
    lookups: Lookups,
    limit_s: float,
) -> RerankRequest:
    """Return the request with what the engine knows of its candidates; a lookup that fails or is late counts as empty."""

    async def history() -> Sequence[Click]:
        shopper = request.shopper if context.ranker else None
        return await lookups.history(context.alias, shopper) if shopper else ()

    async def unavailable() -> Collection[str]:
        return await lookups.unavailable(context.alias, request.ids) if context.schema.plan.available else ()

    async def exact_codes() -> Collection[str]:
        codes = query_codes(clean_words(request.query)).certain
        return await lookups.with_codes(context.alias, request.ids, codes) if codes else ()

    async def broken() -> Mapping[str, Sequence[str]]:
        clauses = {**breaking, **rules.bury_clauses}
        return await lookups.broken(context.alias, request.ids, clauses) if clauses else {}

    async def created() -> Mapping[str, float]:
        if rules.explore is None or not context.schema.plan.created:
            return {}
        since = request.as_of - rules.explore.max_age_days * 86400.0
        return await lookups.created(context.alias, request.ids, since)

    rules = request.rules
    clicks, sold_out, exact, breaks, new = await asyncio.gather(
        _within(limit_s, history(), ()),
        _within(limit_s, unavailable(), ()),
        _within(limit_s, exact_codes(), ()),
        _within(limit_s, broken(), {}),
        _within(limit_s, created(), {}),
    )
    return replace(
        with_matched(request, breaks),
        history=clicks,
        unavailable=sold_out,
        exact_codes=exact,
        created=new,
    )


async def _within(limit_s: float, result: Awaitable[T], default: T) -> T:
    try:
        async with asyncio.timeout(limit_s):
            return await result
    except Exception as error:
        logger.warning("a lookup failed and counts as empty: %s: %s", type(error).__name__, error)
        return default
