"""POST /v1/embed: vectors of words in OpenAI's form, for queries that the engine embeds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from encoders.onnx.text import OnnxTextEncoder
from rerank.serving_context import ServingContext
from vitrine.errors import VitrineError

from .bodies import BadRequestError, EmbedBody, json_response, read_body
from .server import Server


async def embed(server: Server, request: Request) -> Response:
    """Answer `{"data": [{"index", "embedding"}], "model"}` by the encoder that `model` names, an alias or an encoder."""
    body = await read_body(request, EmbedBody)
    texts = [body.input] if isinstance(body.input, str) else body.input
    embedder = await asyncio.to_thread(_embedder, server.contexts.open, body.model)
    vectors = await server.rank_pool.run(lambda: embedder.encode(texts))
    data = [{"object": "embedding", "index": row, "embedding": vector} for row, vector in enumerate(vectors)]
    return json_response({"object": "list", "model": embedder.name, "data": data})


def _embedder(contexts: Mapping[str, ServingContext], model: str | None) -> OnnxTextEncoder:
    """Return the encoder that `model` names; None: the one that all aliases share. Raises BadRequestError."""
    matches: dict[str, OnnxTextEncoder] = {}
    for alias, context in contexts.items():
        try:
            embedder = context.encoders.text_embedder()
        except VitrineError:
            continue  # searches of that alias report the error
        if embedder and model in (None, alias, embedder.name):
            matches[embedder.name] = embedder
    if len(matches) == 1:
        return next(iter(matches.values()))
    known = ", ".join(sorted({*contexts, *matches})) or "none"
    if model is None:
        raise BadRequestError(f"the aliases use {len(matches)} text encoders; name one with `model`: {known}")
    raise BadRequestError(f"no alias and no text encoder is called {model!r}; known here: {known}")
