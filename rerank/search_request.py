"""A search as a caller writes it, `SearchRequest`, and as an index understands it, `Search`.

The options of `vitrine search`, the JSON lines of `--queries` and the body of `POST /v1/search` are all decoded by
`decode_request` and resolved by `resolve`, so each takes the same keys.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec

from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.index.spaces import sub_queries
from opensearch.search.filter_columns import filter_columns
from opensearch.search.filters import parse_filters, parse_sort
from opensearch.search.fusion import DEFAULT_FUSION, FUSIONS, Weights, parse_weights, shares
from opensearch.search.lexical import Clause
from opensearch.search.query import MAX_WINDOW, WINDOW, Fusion
from opensearch.understanding.plan import ConstraintMode, QueryPlan, understand
from vitrine.errors import QueryError

from .shoppers import hash_of_request

if TYPE_CHECKING:
    from PIL.Image import Image

    from opensearch.understanding.vocabulary.artifact import Vocabulary

COLLAPSE = 3  # a window of products holds so many times fewer groups of variants, and is made longer by it

_log = logging.getLogger(__name__)

Id = Annotated[str, msgspec.Meta(max_length=512)]
Text = Annotated[str, msgspec.Meta(max_length=20_000)]
ShopperHash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_WINDOW)]
Cosine = Annotated[float, msgspec.Meta(ge=0, le=1)]
Texts = list[Text] | Text  # one, or several in a list
Candidates = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=MAX_WINDOW)]


class SearchRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One search as it is sent.

    `image` is base64 or a data URI over HTTP, and a path in a JSON line. `shopper` is the caller's own id of the
    shopper, `shopper_hash` its keyed hash. `weights` are numbers in the order of the sub-queries (a list, or text with
    commas) or an object by sub-query. `candidates` are ranked instead of the whole index. `verbatim` searches the words
    as they are: nothing is corrected, and no constraint is read from them. `min_cosine` replaces the floors of the index
    (the cosine from which a neighbour matches); 0: every neighbour counts. `collapse` shows one product of each group.
    `explain` adds to each hit what its score is made of.
    """

    query: Text = ""
    image: str | None = None
    filters: Texts = msgspec.field(default_factory=list)
    facets: Texts = msgspec.field(default_factory=list)
    sort: Texts = msgspec.field(default_factory=list)
    shopper: Id | None = None
    shopper_hash: ShopperHash | None = None
    order: Literal["engine", "reranked"] = "reranked"
    cheapest: bool = False
    size: Count = 10
    page: Count = 1
    window: Count = WINDOW
    weights: list[float] | dict[str, float] | str | None = None
    fusion: str = DEFAULT_FUSION
    sub_queries: Texts | None = None
    candidates: Candidates | None = None
    verbatim: bool = False
    constraints: ConstraintMode = "boost"
    min_cosine: Cosine | None = None
    collapse: bool = False
    explain: bool = False
    query_id: Id | None = None


@dataclass(frozen=True)
class Search:
    """One search as an index understands it.

    `query` holds the words that are searched, and `plan` says how they were made of the words that the shopper typed.
    `filters` and `sort` are clauses of `opensearch.search.filters`, `shopper` is a keyed hash. With `cheapest`, the
    hits are the products that the image shows, by price. `candidates` are ranked instead of the whole index.
    `min_cosine`, `collapse` and `explain` are those of the request.
    """

    query: str = ""
    image: Image | None = None
    filters: Sequence[Clause] = ()
    shopper: str | None = None
    order: Literal["engine", "reranked"] = "reranked"
    cheapest: bool = False
    facets: Sequence[str] = ()
    sort: Sequence[Clause] = ()
    fusion: Fusion = field(default_factory=Fusion)
    window: int = WINDOW
    candidates: Sequence[str] = ()
    plan: QueryPlan | None = field(default=None, compare=False)
    min_cosine: float | None = None
    collapse: bool = False
    explain: bool = False

    @property
    def typed(self) -> str:
        """The words as the shopper typed them."""
        return self.plan.typed if self.plan else self.query

    def used_sub_queries(self) -> set[str]:
        """Return the names of the sub-queries that may run."""
        names = self.fusion.sub_queries
        return set(sub_queries() if names is None else names)

    @property
    def reranks(self) -> bool:
        """Whether the window goes through the ranker: not in the engine's order, a sorted one or a price comparison."""
        return self.order == "reranked" and not self.sort and not self.cheapest


S = TypeVar("S", bound=SearchRequest)


def decode_fields(data: bytes) -> dict[str, Any]:
    """Return the keys and values of a JSON object. Raises QueryError."""
    try:
        fields: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise QueryError(f"the search is not a JSON object: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise QueryError(f"the search is not JSON: {error}") from error
    return fields


def decode_request(fields: Mapping[str, Any], form: type[S], *, strict: bool = True) -> S:
    """Return the validated request that the fields describe. Raises QueryError.

    `strict` False also takes numbers and truth values written as text, as a URL's query string holds them.
    """
    try:
        return msgspec.convert(fields, form, strict=strict)
    except msgspec.ValidationError as error:
        raise QueryError(f"the search is not as expected: {error}") from error


def resolve(
    request: SearchRequest,
    schema: IndexSchema,
    image: Image | None = None,
    vocabulary: Vocabulary | None = None,
) -> Search:
    """Return the search that a request asks of an index with this schema; `image` is the request's, decoded.

    The words are understood by the vocabulary of the index; without one they are searched as they are.
    Raises QueryError for a filter, facet, sort column, weight or sub-query that does not fit the index.
    """
    plan = schema.plan
    sort = _sort_clauses(as_list(request.sort), plan)
    window = request.window
    if sort:  # a sorted answer is not ranked, so its pages may lie beyond the window
        window = max(window, request.page * request.size)
    if request.collapse:
        window *= COLLAPSE
    query = plan_query(
        request.query, schema, vocabulary, verbatim=request.verbatim, constraints=request.constraints
    )
    return Search(
        query=query.words,
        plan=query,
        image=image,
        filters=(*parse_filters(as_list(request.filters), plan), *query.filters),
        shopper=hash_of_request(request.shopper, request.shopper_hash),
        order=request.order,
        cheapest=request.cheapest,
        facets=tuple(as_list(request.facets)),
        sort=sort,
        fusion=Fusion(
            method=_fusion_method(request.fusion),
            weights=_weights(request.weights),
            sub_queries=_sub_queries(request.sub_queries),
        ),
        window=min(window, MAX_WINDOW),
        candidates=tuple(dict.fromkeys(request.candidates or ())),
        min_cosine=request.min_cosine,
        collapse=request.collapse,
        explain=request.explain,
    )


def plan_query(
    words: str,
    schema: IndexSchema,
    vocabulary: Vocabulary | None,
    *,
    verbatim: bool = False,
    constraints: ConstraintMode = "boost",
) -> QueryPlan:
    """Return the plan of a query's words; it never raises: words that fail to be understood are searched verbatim."""
    try:
        return understand(words, schema, vocabulary, verbatim=verbatim, constraints=constraints)
    except Exception as error:
        # A damaged vocabulary can raise anything, and the search is answered all the same.
        _log.warning("a query is searched verbatim: %s: %s", type(error).__name__, error)
        return QueryPlan(words, words)


def as_list(values: Any) -> list[Any]:
    """Return a list as it is and a single value as a list of one; no text at all is an empty list."""
    if isinstance(values, list):
        return values
    return [] if values is None or values == "" else [values]


def _sort_clauses(texts: Sequence[str], plan: FieldPlan) -> Sequence[Clause]:
    """Return the clauses of `price`, `-price` or `price:desc`; each text may hold several with commas."""
    known = filter_columns(plan)
    parts = [part.strip() for text in texts for part in text.split(",")]
    return parse_sort(",".join(_signed(part, known) for part in parts), plan) if parts else ()


def _signed(part: str, known: Mapping[str, Any]) -> str:
    """Return `price:desc` as `-price`; a column's own name may end with `:desc`."""
    column, _, direction = part.rpartition(":")
    if part in known or direction not in ("asc", "desc"):
        return part
    return f"-{column}" if direction == "desc" else column


def _fusion_method(name: str) -> str:
    if name not in FUSIONS:
        raise QueryError(f"there is no fusion {name!r}; choose {', '.join(FUSIONS)}")
    return name


def _weights(values: list[float] | dict[str, float] | str | None) -> Weights | None:
    if isinstance(values, dict):
        shares(values)  # refuses unknown sub-queries and weights that are not usable
        return values
    if values is None:
        return None
    return parse_weights(values if isinstance(values, str) else ",".join(map(str, values)))


def _sub_queries(values: list[str] | str | None) -> tuple[str, ...] | None:
    if values is None:
        return None
    names = [name.strip() for text in as_list(values) for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in sub_queries()]
    if unknown or not names:
        what = f"there is no sub-query {unknown[0]!r}" if unknown else "no sub-query is named"
        raise QueryError(f"{what}; choose from {', '.join(sub_queries())}")
    return tuple(names)
