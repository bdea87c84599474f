"""The rerank service as a Starlette application: its endpoints, its errors, and the tasks that run beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vitrine.errors import QueryError, VitrineError

from .bodies import error_response
from .embed import embed
from .health import health, metrics, ready
from .hook import hook, hook_failures
from .order import order
from .search import search_endpoint
from .server import Dependencies, Server, UnknownAliasError

logger = logging.getLogger(__name__)

Handler = Callable[[Server, Request], Awaitable[Response]]

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v1/order/{alias}", order),
    ("POST", "/v1/hook/{alias}", hook),
    ("GET", "/v1/hook/{alias}", hook_failures),
    ("POST", "/v1/search/{alias}", search_endpoint),
    ("POST", "/v1/embed", embed),
    ("GET", "/health", health),
    ("GET", "/ready", ready),
    ("GET", "/metrics", metrics),
)


def make_app(dependencies: Dependencies) -> Starlette:
    """Return the application; it keeps its aliases open and writes slates from its start to its end."""
    server = Server(dependencies)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(server.contexts.watch()), asyncio.create_task(server.slates.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.close()

    return Starlette(
        routes=[Route(path, partial(handler, server), methods=[method]) for method, path, handler in ROUTES],
        exception_handlers={
            VitrineError: partial(explain_error, server),
            Exception: partial(hide_error, server),
        },
        lifespan=lifespan,
    )


async def explain_error(server: Server, request: Request, error: Exception) -> Response:
    """Answer a known error as one sentence: 400 or 404 for the caller's, 503 for the service's own."""
    status = 503
    if isinstance(error, QueryError):
        status = 400
    elif isinstance(error, UnknownAliasError) and not server.contexts.error:
        status = 404
    return _refuse(server, request, error_response(error, status))


async def hide_error(server: Server, request: Request, error: Exception) -> Response:
    """Answer an unexpected error with 503 and no detail; the detail goes to the log."""
    logger.error("request to %s failed", request.url.path, exc_info=error)
    return _refuse(server, request, error_response("the service failed; see its log", 503))


def _refuse(server: Server, request: Request, response: Response) -> Response:
    endpoint = request.url.path.split("/")[2:3] or [""]
    server.metrics.refused.labels(endpoint[0], str(response.status_code)).inc()
    return response
