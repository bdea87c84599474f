"""POST /v1/hook/{alias}: what OpenSearch's own search pipeline calls with a page of ids."""

from __future__ import annotations

from urllib.parse import unquote

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from rerank.shoppers import is_hash, shopper_hash
from rerank.window import RankedWindow

from .bodies import BadRequestError, HookBody, answer, body_of, refused
from .order import Ask


async def hook(request: Request) -> Response:
    """Answer one finite score a document, or 503 so that the engine keeps its own order.

    Words arrive with `$` and `%` escaped, shoppers as keyed hashes.
    """
    body = await body_of(request, HookBody)
    if "" in body.docs:
        raise BadRequestError("a document came without its id; the pipeline must send the field `id`")
    shopper = body.ctx.shopper or None
    if shopper and not is_hash(shopper):
        shopper = shopper_hash(shopper)
    state = request.app.state
    ask = Ask(body.docs, unquote(body.ctx.q), shopper, deadline_ms=state.deadline_ms)
    verdict = await state.serve("hook", request.path_params["alias"], ask, body.ctx.query_id)
    if verdict.degraded:
        return refused(Exception(verdict.degraded), 503)
    return answer({"results": results(verdict)})


def results(verdict: RankedWindow) -> list[dict[str, int | np.float32]]:
    """Scores by position that an engine of float32 sorts into exactly the verdict's order.

    Equal scores, and scores that rounding would make equal, are parted by the smallest steps that hold.
    """
    scores = np.asarray(verdict.scores, dtype=np.float32)
    found: list[dict[str, int | np.float32]] = []
    above = np.float32(np.inf)
    for position, score in zip(verdict.order, scores, strict=True):
        above = min(score, np.nextafter(above, np.float32(-np.inf)))
        found.append({"index": position, "relevance_score": above})
    return found
