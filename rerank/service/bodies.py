"""The bodies that the service takes, validated as they are decoded, and its answer when they are wrong."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from opensearch.index.fields import IndexSchema, VectorField
from rerank.arrays import FloatArray
from rerank.features.groups import QueryVectors
from vitrine.errors import QueryError

MOST_BYTES = 4 << 20
MOST_PICTURE_BYTES = 32 << 20
MOST_IDS = 10_000

Id = Annotated[str, msgspec.Meta(max_length=512)]
Words = Annotated[str, msgspec.Meta(max_length=20_000)]
S = TypeVar("S", bound=msgspec.Struct)


class Vectors(msgspec.Struct, forbid_unknown_fields=True):
    """The query's vectors when the caller made them: in the products' text space and their picture space."""

    text: list[float] | None = None
    image: list[float] | None = None


class OrderBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /v1/order/{alias}. `shopper` is the shop's own id; `shopper_hash` the keyed hash of it."""

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=MOST_IDS)]
    query: Words = ""
    shopper: Id | None = None
    shopper_hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")] | None = None
    vectors: Vectors | None = None
    deadline_ms: Annotated[float, msgspec.Meta(gt=0, le=60_000)] | None = None
    query_id: Id | None = None


class Context(msgspec.Struct):
    """What travels through the engine: escaped words and the shopper's keyed hash."""

    q: Words = ""
    shopper: Id | None = None
    query_id: Id | None = None


class HookBody(msgspec.Struct):
    """POST /v1/hook/{alias}, as the engine's connector sends it."""

    ctx: Context
    docs: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=MOST_IDS)]


class EmbedBody(msgspec.Struct):
    """POST /v1/embed in the manner of OpenAI; `model` names an alias or an encoder artifact."""

    input: Annotated[list[Words], msgspec.Meta(min_length=1, max_length=256)] | Words
    model: Id | None = None


class BadRequestError(QueryError):
    """A body that is not as the endpoint expects it."""


async def body_of(request: Request, form: type[S]) -> S:
    """Decode and validate a request's body. Raises BadRequestError."""
    larger = f"the body is larger than {MOST_BYTES >> 20} MB; send ids, not documents"
    return decoded(await bytes_of(request, MOST_BYTES, larger), form)


async def bytes_of(request: Request, most: int, larger: str) -> bytes:
    """The body as it came, read no further than `most` bytes. Raises BadRequestError that says `larger`."""
    size = 0
    chunks = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise BadRequestError(larger)
        chunks.append(chunk)
    return b"".join(chunks)


def decoded(body: bytes, form: type[S]) -> S:
    """Validate JSON as a form. Raises BadRequestError."""
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"the body is not as expected: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error


def vectors_of(given: Vectors | None, schema: IndexSchema) -> QueryVectors | None:
    """The caller's query vectors as arrays; None when none were given. Raises BadRequestError."""
    if given is None:
        return None
    vectors = {
        name: _vector(name, getattr(given, name), schema.vectors.get(name)) for name in ("text", "image")
    }
    return {name: vector for name, vector in vectors.items() if vector is not None}


def _vector(name: str, values: list[float] | None, held: VectorField | None) -> FloatArray | None:
    if values is None:
        return None
    if held is None or len(values) != held.dimension:
        wanted = f"{held.dimension} by {held.query_encoder}" if held else "none"
        raise BadRequestError(f"the {name} vector has {len(values)} values, the index takes {wanted}")
    vector = np.asarray(values, dtype=np.float32)
    if not np.isfinite(vector).all():
        raise BadRequestError(f"the {name} vector holds values that are no finite numbers")
    return vector


def answer(content: Any, status: int = 200) -> Response:
    """JSON by orjson; NaN never leaves the service as a number."""
    import orjson

    return Response(
        orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json"
    )


def refused(error: Exception, status: int) -> Response:
    """One sentence about what was wrong."""
    return answer({"error": str(error)}, status)
