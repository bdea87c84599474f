"""POST /v1/search/{alias}: a whole search over HTTP, by words, by an image, or by both."""

from __future__ import annotations

import base64
import binascii
import threading
import time
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from rerank.answer import Answer, answer_to_dict
from rerank.query_image import decode_query_image
from rerank.search import search
from rerank.search_request import Search, SearchRequest, decode_fields, decode_request, resolve
from rerank.serving_context import ServingContext
from vitrine.errors import EngineError

from .bodies import MAX_IMAGE_BYTES, BadRequestError, json_response, read_bytes
from .server import Server
from .slate_log import make_slate

if TYPE_CHECKING:
    from PIL.Image import Image

    from opensearch.client import OpenSearch

_DECODERS = threading.BoundedSemaphore(2)  # a decoded image can take 300 MB
_TOO_LARGE = f"the image is larger than {MAX_IMAGE_BYTES >> 20} MB; send a smaller one"
_MAX_JSON = MAX_IMAGE_BYTES * 4 // 3 + (1 << 20)
_LISTS = ("filters", "facets", "sort", "candidates")  # keys that a query string may repeat


async def search_endpoint(server: Server, request: Request) -> Response:
    """Answer a page of hits. JSON is a `SearchRequest`; any other body is the image, and the query string the rest."""
    alias = request.path_params["alias"]
    context = server.context(alias)
    wanted, image = await _read(request)
    start = time.perf_counter()
    resolved, answer = await server.search_pool.run(partial(_search, server.client, context, wanted, image))
    query_id = wanted.query_id or uuid.uuid4().hex
    window = answer.window if resolved.reranks else None
    server.count("search", alias, window, time.perf_counter() - start)
    if window and wanted.page == 1 and not answer.no_match:
        engine = [hit.id for hit in answer.in_engine_order()]
        places = {id_: place for place, id_ in enumerate(engine)}
        shown = replace(window, order=[places[hit.id] for hit in answer.hits])
        slate = make_slate(alias, resolved.typed, resolved.shopper, engine, shown, query_id)
        server.log(slate, context, window)
    return json_response({"query_id": query_id, **answer_to_dict(answer, wanted.page, wanted.size)})


async def _read(request: Request) -> tuple[SearchRequest, bytes | None]:
    """Return the search, and the bytes of an image that is the body itself. Raises QueryError."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type.startswith("image/") and media_type != "application/octet-stream":
        body = await read_bytes(request, _MAX_JSON, _TOO_LARGE)
        if request.query_params:
            raise BadRequestError(
                "a JSON body holds the whole search; a query string goes with an image body"
            )
        return decode_request(decode_fields(body), SearchRequest), None
    image = await read_bytes(request, MAX_IMAGE_BYTES, _TOO_LARGE)
    fields: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in _LISTS:
            fields.setdefault(name, []).append(value)
        elif name in fields or name == "image":
            raise BadRequestError(f"`{name}` cannot be given beside the image body, or not twice")
        else:
            fields[name] = value
    return decode_request(fields, SearchRequest, strict=False), image


def _search(
    client: OpenSearch | None, context: ServingContext, wanted: SearchRequest, image: bytes | None
) -> tuple[Search, Answer]:
    """Return the resolved search and its answer: the work that blocks, for a thread. Raises VitrineError."""
    if client is None:
        raise EngineError("this service has no engine to search")
    data = image if wanted.image is None else _base64_bytes(wanted.image)
    resolved = resolve(
        wanted, context.schema, None if data is None else _decode(data, context), context.vocabulary
    )
    return resolved, search(client, context, resolved)


def _decode(data: bytes, context: ServingContext) -> Image:
    with _DECODERS:
        return decode_query_image(data, side=context.encoders.image_side)


def _base64_bytes(text: str) -> bytes:
    """Return the bytes of base64 or of a data URI. Raises BadRequestError."""
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise BadRequestError("the image's data URI is not base64: write data:image/jpeg;base64,...")
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(f"the image is not base64 ({error}); send base64 or a data URI") from error
    if len(data) > MAX_IMAGE_BYTES:
        raise BadRequestError(_TOO_LARGE)
    return data
