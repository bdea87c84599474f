"""POST /v1/embed: vectors of words in the manner of OpenAI, for queries that the engine embeds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from encoders.onnx import TextEmbedder
from rerank.serving_context import ServingContext
from vitrine.errors import VitrineError

from .bodies import BadRequestError, EmbedBody, answer, body_of


async def embed(request: Request) -> Response:
    """Answer `{"data": [{"index", "embedding"}], "model"}`; the encoder is that of `model`, an alias or a name."""
    body = await body_of(request, EmbedBody)
    words = [body.input] if isinstance(body.input, str) else body.input
    shops: Mapping[str, ServingContext] = request.app.state.shops.open
    embedder = await asyncio.to_thread(_embedder, shops, body.model)
    vectors = await request.app.state.pool.run(lambda: embedder.encode(words))
    data = [{"object": "embedding", "index": row, "embedding": vector} for row, vector in enumerate(vectors)]
    return answer({"object": "list", "model": embedder.name, "data": data})


def _embedder(shops: Mapping[str, ServingContext], model: str | None) -> TextEmbedder:
    """The encoder that `model` names; without a name the one that all aliases share. Raises BadRequestError."""
    found: dict[str, TextEmbedder] = {}
    for alias, shop in shops.items():
        try:
            embedder = shop.encoders.text_embedder()
        except VitrineError:
            continue  # told by that alias's own searches
        if embedder and model in (None, alias, embedder.name):
            found[embedder.name] = embedder
    if len(found) == 1:
        return next(iter(found.values()))
    known = ", ".join(sorted({*shops, *found})) or "none"
    if model is None:
        raise BadRequestError(f"the aliases use {len(found)} text encoders; name one with `model`: {known}")
    raise BadRequestError(f"no alias and no text encoder is called {model!r}; known here: {known}")
