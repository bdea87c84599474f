"""The rerank service as a Starlette application: doors, health, and what runs beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rerank.shoppers import shopper_hash
from vitrine.errors import VitrineError

from .bodies import BadRequestError, OrderBody, answer, body_of, refused, vectors_of
from .embed import embed
from .hook import hook
from .order import Ask, RankPool
from .search import SEARCHERS, search_shop
from .server import Parts, Server, Shops, UnknownAliasError
from .slate_log import SlateLog

logger = logging.getLogger(__name__)


def make_app(parts: Parts) -> Starlette:
    """The application; it opens shops and writes slates from its start to its end."""
    pool = RankPool()
    searches = RankPool(SEARCHERS)  # they wait for the engine, and must not hold up those who rank
    slates = SlateLog(parts.write_slates, parts.metrics.count_slates)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = [asyncio.create_task(parts.shops.watch()), asyncio.create_task(slates.run())]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            pool.close()
            searches.close()
            if parts.close:
                await parts.close()

    app = Starlette(
        routes=[
            Route("/v1/order/{alias}", order_window, methods=["POST"]),
            Route("/v1/hook/{alias}", hook, methods=["POST"]),
            Route("/v1/search/{alias}", search_shop, methods=["POST"]),
            Route("/v1/embed", embed, methods=["POST"]),
            Route("/health", health),
            Route("/ready", ready),
            Route("/metrics", metrics),
        ],
        exception_handlers={VitrineError: explain, Exception: hide},
        lifespan=lifespan,
    )
    app.state.serve = Server(parts, pool, slates)
    app.state.shops = parts.shops
    app.state.pool = pool
    app.state.searches = searches
    app.state.client = parts.client
    app.state.metrics = parts.metrics
    app.state.deadline_ms = parts.deadline_ms
    return app


async def order_window(request: Request) -> Response:
    """Candidate ids, query, shopper, deadline -> order, scores, artifacts, rules, degraded."""
    body = await body_of(request, OrderBody)
    alias = request.path_params["alias"]
    serve: Server = request.app.state.serve
    schema = serve.shop(alias).schema
    shopper = shopper_hash(body.shopper) if body.shopper else body.shopper_hash
    ask = Ask(
        ids=body.ids,
        query=body.query,
        shopper=shopper,
        vectors=vectors_of(body.vectors, schema),
        deadline_ms=body.deadline_ms or request.app.state.deadline_ms,
    )
    verdict = await serve("order", alias, ask, body.query_id)
    return answer(
        {
            "order": [body.ids[i] for i in verdict.order],
            "scores": verdict.scores,
            "rules": verdict.rules,
            "artifacts": asdict(verdict.artifacts) if verdict.artifacts else None,
            "degraded": verdict.degraded,
        }
    )


async def health(request: Request) -> Response:
    """The process lives."""
    return answer({"status": "ok"})


async def ready(request: Request) -> Response:
    """200 once the shops have been opened; what each serves, or why not."""
    shops: Shops = request.app.state.shops
    request.app.state.metrics.ready.set(shops.trouble is None)
    if shops.trouble is not None:
        return answer({"ready": False, "error": shops.trouble}, 503)
    served = {
        alias: {
            "artifacts": asdict(shop.ranker.artifacts) if shop.ranker else None,
            "degraded": shop.degraded,
        }
        for alias, shop in shops.open.items()
    }
    return answer({"ready": True, "aliases": served})


async def metrics(request: Request) -> Response:
    """Prometheus text."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def explain(request: Request, error: Exception) -> Response:
    """A known trouble as one sentence: the caller's (400, 404), else ours (503)."""
    status = 503
    if isinstance(error, BadRequestError):
        status = 400
    elif isinstance(error, UnknownAliasError):
        status = 503 if request.app.state.shops.trouble else 404
    return count_refused(request, refused(error, status))


async def hide(request: Request, error: Exception) -> Response:
    """A fault of ours: 503 without its inside, which goes to the log."""
    logger.error("request to %s failed", request.url.path, exc_info=error)
    return count_refused(request, refused(Exception("the service failed; see its log"), 503))


def count_refused(request: Request, response: Response) -> Response:
    door = request.url.path.split("/")[2:3] or [""]
    request.app.state.metrics.refused.labels(door[0], str(response.status_code)).inc()
    return response
