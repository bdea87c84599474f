"""Request bodies of the service, validated as they are decoded, and its JSON responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from opensearch.index.fields import IndexSchema
from opensearch.understanding.plan import ConstraintMode
from rerank.arrays import FloatArray
from rerank.features.groups import QueryVectors
from rerank.search_request import Id, ShopperHash, Text
from vitrine.errors import QueryError

MAX_BYTES = 4 << 20
MAX_IMAGE_BYTES = 32 << 20
MAX_IDS = 10_000

Ids = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=MAX_IDS)]
S = TypeVar("S", bound=msgspec.Struct)


class OrderBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /v1/order/{alias}.

    `shopper` is the caller's own id of the shopper, `shopper_hash` its keyed hash. `vectors` holds the query's vector
    in each vector space, where the caller made them. `verbatim`: the words are not corrected. `constraints`: what the
    constraints in the words do, as in a `SearchRequest`. `explain` adds what each score is made of.
    """

    ids: Ids
    query: Text = ""
    shopper: Id | None = None
    shopper_hash: ShopperHash | None = None
    vectors: dict[str, list[float] | None] | None = None
    deadline_ms: Annotated[float, msgspec.Meta(gt=0, le=60_000)] | None = None
    query_id: Id | None = None
    verbatim: bool = False
    constraints: ConstraintMode = "boost"
    explain: bool = False


class HookContext(msgspec.Struct):
    """The context of a search that travelled through the engine, unescaped: words, shopper and query id.

    `sort`: the search sorts by a field, and its hits keep their order.
    """

    q: Text = ""
    shopper: Id | None = None
    query_id: Id | None = None
    sort: bool = False
    verbatim: bool = False
    constraints: ConstraintMode = "boost"


class HookBody(msgspec.Struct):
    """POST /v1/hook/{alias}, as the engine's connector sends it; the strings of `ctx` are escaped."""

    ctx: dict[str, Any]
    docs: Ids


class EmbedBody(msgspec.Struct):
    """POST /v1/embed in OpenAI's form; `model` names an alias or an encoder artifact."""

    input: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=256)] | Text
    model: Id | None = None


class BadRequestError(QueryError):
    """A body or query string that is not as the endpoint expects it."""


async def read_body(request: Request, form: type[S]) -> S:
    """Return the decoded and validated body of a request. Raises BadRequestError."""
    too_large = f"the body is larger than {MAX_BYTES >> 20} MB; send ids, not documents"
    body = await read_bytes(request, MAX_BYTES, too_large)
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"the body is not as expected: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error


async def read_bytes(request: Request, max_bytes: int, too_large: str) -> bytes:
    """Return the body as it came. Raises BadRequestError with the message `too_large` beyond `max_bytes`."""
    size = 0
    chunks = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise BadRequestError(too_large)
        chunks.append(chunk)
    return b"".join(chunks)


def query_vectors(
    values: Mapping[str, Sequence[float] | None] | None, schema: IndexSchema
) -> QueryVectors | None:
    """Return the caller's query vectors as arrays; None when the caller gave none. Raises BadRequestError."""
    if values is None:
        return None
    return {space: _vector(space, vector, schema) for space, vector in values.items() if vector is not None}


def _vector(space: str, values: Sequence[float], schema: IndexSchema) -> FloatArray:
    field = schema.vectors.get(space)
    if field is None or len(values) != field.dimension:
        expected = f"{field.dimension} by {field.query_encoder}" if field else "none"
        raise BadRequestError(f"the {space} vector has {len(values)} values, the index takes {expected}")
    vector = np.asarray(values, dtype=np.float32)
    if not np.isfinite(vector).all():
        raise BadRequestError(f"the {space} vector holds values that are not finite numbers")
    return vector


def json_response(content: Any, status: int = 200) -> Response:
    """Return a JSON response; orjson writes NaN as null."""
    import orjson

    return Response(
        orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json"
    )


def error_response(error: Exception | str, status: int) -> Response:
    """Return one sentence about what is wrong."""
    return json_response({"error": str(error)}, status)
