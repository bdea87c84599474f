"""POST /v1/search/{alias}: a whole search over HTTP, by words, by a picture pasted as bytes, or by both."""

from __future__ import annotations

import base64
import binascii
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from opensearch.search.filters import parse_filters, parse_sort
from opensearch.search.fusion import parse_weights
from opensearch.search.query import MAX_WINDOW, WINDOW, Fusion
from rerank.query_image import decode_image
from rerank.search import Answer, Search, search
from rerank.serving_context import ServingContext
from rerank.shoppers import shopper_hash
from vitrine.errors import EngineError, QueryError

from .bodies import MOST_PICTURE_BYTES, BadRequestError, Id, Words, answer, bytes_of, decoded
from .slate_log import slate_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from .server import Server

SEARCHERS = 16  # threads that wait for the engine
_PICTURES_AT_ONCE = threading.BoundedSemaphore(2)  # a decoded picture can take 300 MB
_LARGER = f"the picture is larger than {MOST_PICTURE_BYTES >> 20} MB; send a smaller one"
_MOST_JSON = MOST_PICTURE_BYTES * 4 // 3 + (1 << 20)

Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_WINDOW)]
Lines = list[Words] | Words


class SearchBody(msgspec.Struct, forbid_unknown_fields=True):
    """A search. `image` is base64 or a data URI; several filters, facets or sort columns stand in a list."""

    query: Words = ""
    image: str | None = None
    filters: Lines = msgspec.field(default_factory=list)
    facets: Lines = msgspec.field(default_factory=list)
    sort: Lines = msgspec.field(default_factory=list)
    shopper: Id | None = None
    shopper_hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")] | None = None
    order: Literal["engine", "reranked"] = "reranked"
    cheapest: bool = False
    size: Count = 10
    page: Count = 1
    window: Count = WINDOW
    weights: list[float] | str | None = None
    query_id: Id | None = None


async def search_shop(request: Request) -> Response:
    """Answer a page of hits. JSON is a `SearchBody`; any other body is the picture, and the query string the rest."""
    alias = request.path_params["alias"]
    serve: Server = request.app.state.serve
    shop = serve.shop(alias)
    body, picture = await _read(request)
    began = time.perf_counter()
    try:
        found = await request.app.state.searches.run(
            partial(_search, request.app.state.client, shop, body, picture)
        )
    except QueryError as error:
        raise BadRequestError(str(error)) from error
    query_id = body.query_id or uuid.uuid4().hex
    ranked = body.order == "reranked" and not body.sort and not body.cheapest
    serve.count("search", alias, found.verdict if ranked else None, time.perf_counter() - began)
    if ranked and body.page == 1 and found.verdict:
        engine = [hit.id for hit in sorted(found.hits, key=lambda hit: hit.engine_rank)]
        slate = slate_of(alias, body.query, _shopper(body), engine, found.verdict, query_id)
        serve.log(slate, shop, found.verdict)
    return answer({"query_id": query_id, **_told(found, body)})


async def _read(request: Request) -> tuple[SearchBody, bytes | None]:
    """The search and the bytes of a picture that came as the body itself. Raises BadRequestError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind.startswith("image/") and kind != "application/octet-stream":
        body = decoded(await bytes_of(request, _MOST_JSON, _LARGER), SearchBody)
        if request.query_params:
            raise BadRequestError("a JSON body says it all; the query string is for a picture as the body")
        return body, None
    picture = await bytes_of(request, MOST_PICTURE_BYTES, _LARGER)
    asked: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in ("filters", "facets", "sort"):
            asked.setdefault(name, []).append(value)
        elif name in asked or name == "image":
            raise BadRequestError(f"`{name}` cannot be given beside the picture, or not twice")
        else:
            asked[name] = value
    try:
        return msgspec.convert(asked, SearchBody, strict=False), picture
    except msgspec.ValidationError as error:
        raise BadRequestError(f"the query string is not as expected: {error}") from error


def _search(client: Any, shop: ServingContext, body: SearchBody, picture: bytes | None) -> Answer:
    """Everything that takes time: the picture decoded, the search asked and ranked. Raises VitrineError."""
    if client is None:
        raise EngineError("this service has no engine to search")
    plan = shop.schema.plan
    data = _decoded_picture(body.image) if body.image is not None else picture
    return search(
        client,
        shop,
        Search(
            words=body.query,
            picture=_open(data) if data is not None else None,
            filters=parse_filters(_lines(body.filters), plan),
            shopper=_shopper(body),
            order=body.order,
            cheapest=body.cheapest,
            facets=_lines(body.facets),
            sort=parse_sort(",".join(_lines(body.sort)), plan) if body.sort else (),
            fusion=Fusion(weights=_weights(body.weights)),
            window=max(body.window, min(body.page * body.size, MAX_WINDOW)) if body.sort else body.window,
        ),
    )


def _open(data: bytes) -> Image:
    with _PICTURES_AT_ONCE:
        return decode_image(data)


def _decoded_picture(text: str) -> bytes:
    """The bytes of base64 or of a data URI. Raises BadRequestError."""
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise BadRequestError("the picture's data URI is not base64: write data:image/jpeg;base64,...")
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(f"the picture is not base64 ({error}); send base64 or a data URI") from error
    if len(data) > MOST_PICTURE_BYTES:
        raise BadRequestError(_LARGER)
    return data


def _weights(given: list[float] | str | None) -> dict[str, float] | None:
    if given is None:
        return None
    return parse_weights(given if isinstance(given, str) else ",".join(map(str, given)))


def _shopper(body: SearchBody) -> str | None:
    return shopper_hash(body.shopper) if body.shopper else body.shopper_hash


def _lines(given: list[str] | str) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def _told(found: Answer, body: SearchBody) -> dict[str, Any]:
    return {
        "order": found.order,
        "degraded": found.degraded,
        "artifacts": asdict(found.artifacts) if found.artifacts else None,
        "total": found.found.total,
        "total_is_exact": found.found.total_is_exact,
        "window": len(found.hits),
        "page": body.page,
        "took_ms": found.found.took_ms,
        "facets": found.found.facets,
        "floor": found.similarity_threshold,
        "hits": [asdict(hit) for hit in found.page(body.page, body.size)],
    }
