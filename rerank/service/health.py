"""GET /health, /ready and /metrics: whether the process lives, what it serves, and how much."""

from __future__ import annotations

from dataclasses import asdict

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from .bodies import json_response
from .server import Server


async def health(server: Server, request: Request) -> Response:
    """Answer 200 while the process lives."""
    return json_response({"status": "ok"})


async def ready(server: Server, request: Request) -> Response:
    """Answer 200 and what each alias serves once the aliases were opened; else 503 and the reason."""
    error = server.contexts.error
    server.metrics.ready.set(error is None)
    if error is not None:
        return json_response({"ready": False, "error": error}, 503)
    aliases = {
        alias: {
            "artifacts": asdict(context.ranker.artifacts) if context.ranker else None,
            "degraded": context.degraded,
        }
        for alias, context in server.contexts.open.items()
    }
    return json_response({"ready": True, "aliases": aliases})


async def metrics(server: Server, request: Request) -> Response:
    """Answer in Prometheus' text format."""
    return Response(generate_latest(server.metrics.registry), media_type=CONTENT_TYPE_LATEST)
