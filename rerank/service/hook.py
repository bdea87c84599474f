"""POST /v1/hook/{alias}: OpenSearch's own search pipeline sends a page of ids and gets their scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from opensearch.hook.pipelines import unescaped
from rerank.request import RankedWindow, RerankRequest, engine_order
from rerank.shoppers import shopper_hash
from vitrine.errors import RerankError, VitrineError

from .bodies import BadRequestError, HookBody, HookContext, error_response, json_response, read_body
from .server import Server

WITHOUT_ID = (
    'hits came without the field `id`: their search must return it (in `_source`, or by "fields": ["id"]), or '
    "`vitrine index CATALOGUE --rebuild` writes products whose hits always carry it; then run `vitrine hook install` again"
)


async def hook(server: Server, request: Request) -> Response:
    """Answer one finite score for each document, or an error so that the engine keeps its own order.

    The reasons of errors are counted: the engine hides them from whoever searches.
    """
    alias = request.path_params["alias"]
    server.context(alias)  # only known aliases are counted
    try:
        results = await _rerank(server, request, alias)
    except VitrineError as error:
        server.metrics.count_hook_failure(alias, str(error))
        if isinstance(error, RerankError):  # degraded, and counted as an answer
            return error_response(error, 503)
        raise
    return json_response({"results": results})


async def hook_failures(server: Server, request: Request) -> Response:
    """Answer why reranks of an alias failed since the service started, the most frequent reason first.

    `degraded` is the reason why no ranker ranks the alias now, if so.
    """
    alias = request.path_params["alias"]
    context = server.context(alias)
    failures = server.metrics.hook_failures.get(alias, {})
    rows = [
        {
            "reason": reason,
            "count": failure.count,
            "last": datetime.fromtimestamp(failure.last, UTC).isoformat(timespec="seconds"),
        }
        for reason, failure in sorted(failures.items(), key=lambda row: -row[1].count)
    ]
    return json_response({"failures": rows, "degraded": None if context.ranker else context.degraded})


async def _rerank(server: Server, request: Request, alias: str) -> list[dict[str, int | np.float32]]:
    """Return the scores of the request's documents. Raises BadRequestError and RerankError."""
    body = await read_body(request, HookBody)
    context = _context(body)
    if context.sort:  # scores that fall along the order that came keep it
        return relevance_scores(_with_falling_scores(engine_order(len(body.docs))))
    if "" in body.docs:
        raise BadRequestError(WITHOUT_ID)
    shopper = shopper_hash(context.shopper) if context.shopper else None
    wanted = RerankRequest(
        body.docs,
        context.q,
        shopper=shopper,
        deadline_ms=server.deadline_ms,
        verbatim=context.verbatim,
        constraints=context.constraints,
    )
    window = await server.rerank("hook", alias, wanted, context.query_id)
    if window.degraded and window.request is None:
        raise RerankError(window.degraded)
    return relevance_scores(window if window.scores else _with_falling_scores(window))


def _with_falling_scores(window: RankedWindow) -> RankedWindow:
    """Return the window of an order that no ranker scored, with scores that keep it."""
    return replace(window, scores=[float(place) for place in range(len(window.order), 0, -1)])


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
