"""POST /v1/hook/{alias}: OpenSearch's own search pipeline sends a page of ids and gets their scores."""

from __future__ import annotations

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from opensearch.hook.pipelines import unescaped
from rerank.request import RankedWindow, RerankRequest
from rerank.shoppers import shopper_hash

from .bodies import BadRequestError, HookBody, HookContext, error_response, json_response, read_body
from .server import Server


async def hook(server: Server, request: Request) -> Response:
    """Answer one finite score for each document, or 503 so that the engine keeps its own order."""
    body = await read_body(request, HookBody)
    if "" in body.docs:
        raise BadRequestError("a document came without its id; the pipeline must send the field `id`")
    context = _context(body)
    shopper = shopper_hash(context.shopper) if context.shopper else None
    window = await server.rerank(
        "hook",
        request.path_params["alias"],
        RerankRequest(body.docs, context.q, shopper=shopper, deadline_ms=server.deadline_ms),
        context.query_id,
    )
    if window.degraded:
        return error_response(window.degraded, 503)
    return json_response({"results": relevance_scores(window)})


def relevance_scores(window: RankedWindow) -> list[dict[str, int | np.float32]]:
    """Return scores by position that the engine, in float32, sorts into exactly the order of the window.

    Scores that are equal, also after rounding, are separated by the smallest possible steps.
    """
    scores = np.asarray(window.scores, dtype=np.float32)
    results: list[dict[str, int | np.float32]] = []
    above = np.float32(np.inf)
    for position, score in zip(window.order, scores, strict=True):
        above = min(score, np.nextafter(above, np.float32(-np.inf)))
        results.append({"index": position, "relevance_score": above})
    return results


def _context(body: HookBody) -> HookContext:
    """Return the context of a search as its sender wrote it, before the escapes. Raises BadRequestError."""
    try:
        return msgspec.convert(unescaped(body.ctx), HookContext)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"the context `ctx` is not as expected: {error}") from error
