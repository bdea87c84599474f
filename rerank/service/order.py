"""POST /v1/order/{alias}: candidate ids in the engine's order -> their final order."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from rerank.explanation import explanation_list
from rerank.request import RerankRequest
from rerank.shoppers import hash_of_request

from .bodies import OrderBody, json_response, query_vectors, read_body
from .server import Server


async def order(server: Server, request: Request) -> Response:
    """Answer the order of the ids in an `OrderBody` and what made it, explained on request.

    `unknown` counts the ids that the ranker does not know: they keep their engine rank, unless a rule moves them.
    """
    body = await read_body(request, OrderBody)
    alias = request.path_params["alias"]
    window = await server.rerank(
        "order",
        alias,
        RerankRequest(
            ids=body.ids,
            query=body.query,
            vectors=query_vectors(body.vectors, server.context(alias).schema),
            shopper=hash_of_request(body.shopper, body.shopper_hash),
            deadline_ms=body.deadline_ms or server.deadline_ms,
            verbatim=body.verbatim,
            constraints=body.constraints,
            explain=body.explain,
        ),
        body.query_id,
    )
    answer = {
        "order": [body.ids[position] for position in window.order],
        "scores": window.scores,
        "rules": window.rules,
        "unknown": window.unknown,
        "artifacts": asdict(window.artifacts) if window.artifacts else None,
        "degraded": window.degraded,
    }
    if body.explain:
        answer["explanations"] = explanation_list(window, body.ids)
    return json_response(answer)
