"""The floor of each vector space: the cosine from which a neighbour of a query counts as a match.

It is learned from the index. Phrases of the products' own titles have a product that fits them; nonsense has none. The
cosine of each query and its nearest product shows how near products must be to mean something in this catalogue, with
this encoder. For queries by image, the nearest image of another product stands for an image that fits, and drawn patterns
for one that does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opensearch.index.fields import IndexSchema
from opensearch.index.scan import sample
from opensearch.index.spaces import IMAGE, SPACES, TEXT, has_vector
from opensearch.search.matches import FOREIGN, PHOTO
from opensearch.search.query import Fusion, Page, Query, hybrid_body, supports_language
from opensearch.search.retrieve import retrieve
from vitrine.errors import WeightsError

from .nonsense import FOREIGN_LANGUAGE, foreign_nonsense, nonsense_queries, title_phrases

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

QUERIES = 200  # of each kind
MIN_QUERIES = 30
KEPT = 0.95  # of the queries that a product fits
REJECTED = 0.95  # of the nonsense
_TITLES = 2000
_NEIGHBOURS = 20  # the engine's search is exact enough from here
# Title phrases are nearer to their product than what shoppers type, so a floor stays near the nonsense where it can.
_STEP = 0.1

Embed = Callable[[Sequence[str]], Sequence[Mapping[str, ArrayLike]]]  # texts -> vectors by space
Cosines = NDArray[np.float64]  # (queries,), of each query and its nearest product


@dataclass(frozen=True)
class Floor:
    """A floor, and the shares of nonsense that is below it and of fitting queries that reach it (None: none were tried)."""

    cosine: float
    rejected: float
    kept: float | None = None

    def __str__(self) -> str:
        kept = "" if self.kept is None else f", {100 * self.kept:.0f} % of title phrases reach it"
        return f"{self.cosine:g} ({100 * self.rejected:.0f} % of nonsense is below{kept})"

    def to_dict(self) -> dict[str, float | None]:
        """Return the floor as JSON values."""
        return asdict(self)


def learn_floors(
    client: OpenSearch,
    index: str,
    schema: IndexSchema,
    embed: Embed,
    *,
    patterns: Sequence[ArrayLike] = (),
    seconds: float | None = None,
) -> dict[str, Floor]:
    """Learn the floors of an index or alias from its products; nothing is written.

    `patterns` are the image vectors of `drawn_patterns`, which teach the floor for queries by image. After `seconds` no
    further query runs. Raises WeightsError when fewer than `MIN_QUERIES` queries of a kind can be made or are answered.
    """
    if not schema.vectors:
        return {}
    deadline = None if seconds is None else time.monotonic() + seconds
    titles = _titles(client, index, schema)
    kinds = title_phrases(titles, QUERIES), nonsense_queries(titles, QUERIES)
    fitting, nonsense = (
        _nearest(client, index, schema, _by_words(queries, embed), deadline) for queries in kinds
    )
    floors = choose_floors(fitting, nonsense)
    floors |= _foreign_floors(client, index, schema, embed, deadline)
    if IMAGE in schema.vectors and len(patterns):
        photos = _nearest(client, index, schema, _other_products(client, index), deadline)
        drawn = [Query(vectors={IMAGE: vector}, has_image=True) for vector in patterns]
        unlike = _nearest(client, index, schema, drawn, deadline)
        floors[PHOTO] = choose_floors(photos, unlike)[IMAGE]
    return floors


def cosines_of(floors: Mapping[str, Floor]) -> dict[str, float]:
    """Return the cosines alone, as an index stores them."""
    return {name: floor.cosine for name, floor in floors.items()}


def choose_floors(fitting: Mapping[str, Cosines], nonsense: Mapping[str, Cosines]) -> dict[str, Floor]:
    """Return the floor of each space by the cosines of fitting queries and of nonsense, aligned over the spaces.

    A query matches when it reaches the floor of any space. So each floor rejects 95 % of the nonsense, and where together
    they would keep less than 95 % of the fitting queries, the space that keeps most of them gets a lower floor.
    """
    count = min(min((len(cosines) for cosines in kind.values()), default=0) for kind in (fitting, nonsense))
    if count < MIN_QUERIES:
        raise WeightsError(
            f"{count} queries of a kind could be made of the titles and answered in time, and at least {MIN_QUERIES} "
            "are needed: no floor is set"
        )
    cosines = {}
    for name in fitting:
        upper, lower = np.quantile(nonsense[name], REJECTED), np.quantile(fitting[name], 1 - KEPT)
        cosines[name] = float(upper + _STEP * max(lower - upper, 0.0))
    lead = max(fitting, key=lambda name: float(np.mean(fitting[name] >= cosines[name])))
    others = [fitting[name] >= cosines[name] for name in fitting if name != lead]
    kept = np.any(others, axis=0) if others else np.zeros(len(fitting[lead]), dtype=bool)
    missing = int(np.ceil(KEPT * len(kept))) - int(kept.sum())
    if missing > 0:
        cosines[lead] = min(cosines[lead], float(np.sort(fitting[lead][~kept])[::-1][missing - 1]))
    return {
        name: Floor(
            cosine := math.floor(max(cosines[name], 0.0) * 1e4) / 1e4,
            round(float(np.mean(nonsense[name] < cosine)), 3),
            round(float(np.mean(fitting[name] >= cosine)), 3),
        )
        for name in fitting
    }


def foreign_spaces(schema: IndexSchema) -> list[str]:
    """Return the spaces in which words in another script than the catalogue's can match a product.

    Their encoder knows the language of the words and that of the titles. Without the second a title's vector means nothing,
    so the space gets no floor and its neighbours are no matches.
    """
    foreign = "en" if schema.plan.language == FOREIGN_LANGUAGE else FOREIGN_LANGUAGE
    return [
        name
        for name, field in schema.vectors.items()
        if supports_language(field, foreign) and supports_language(field, schema.plan.language)
    ]


def _foreign_floors(
    client: OpenSearch, index: str, schema: IndexSchema, embed: Embed, deadline: float | None
) -> dict[str, Floor]:
    """Return the floors for words in another script than the catalogue's, in `foreign_spaces`.

    No query that fits can be made in a language that the titles are not written in, so nonsense alone decides.
    """
    spaces = foreign_spaces(schema)
    if not spaces:
        return {}
    queries = _by_words(foreign_nonsense(schema.plan.language, QUERIES), embed)
    cosines = _nearest(client, index, schema, queries, deadline)
    return {
        FOREIGN + name: Floor(math.ceil(1e4 * np.quantile(cosines[name], REJECTED)) / 1e4, REJECTED)
        for name in spaces
        if len(cosines.get(name, ())) >= MIN_QUERIES
    }


def drawn_patterns(size: int = 224, count: int = 60, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return pictures (size, size, 3) of nothing that a shop sells: noise at several scales, stripes and plain fields."""
    generator = np.random.default_rng(seed)
    return [_pattern(generator, size, number % 4) for number in range(count)]


def _pattern(generator: np.random.Generator, size: int, kind: int) -> NDArray[np.uint8]:
    if kind == 0:
        return np.full((size, size, 3), generator.integers(0, 256, 3), dtype=np.uint8)
    if kind == 1:
        return generator.integers(0, 256, (size, size, 3), dtype=np.uint8)
    cells = int(generator.integers(2, 12))
    colours = generator.integers(0, 256, (cells, 1 if kind == 2 else cells, 3), dtype=np.uint8)
    rows = np.arange(size) * cells // size
    columns = np.zeros(size, dtype=int) if kind == 2 else rows
    field: NDArray[np.uint8] = colours[np.ix_(rows, columns)]
    return field


def _titles(client: OpenSearch, index: str, schema: IndexSchema) -> list[str]:
    """Return titles of a sample of the index, in the languages that its text encoder supports."""
    text = schema.vectors.get(TEXT)
    languages = text.languages if text else ()
    query = {"terms": {"language": list(languages)}} if languages else None
    documents = sample(client, index, _TITLES, includes=["title"], query=query)
    return [str(source["title"]) for _, source in documents if source.get("title")]


def _by_words(queries: Sequence[str], embed: Embed) -> list[Query]:
    return [
        Query(words, vectors)
        for words, vectors in zip(queries, embed(queries) if queries else [], strict=True)
    ]


def _other_products(client: OpenSearch, index: str) -> Iterator[Query]:
    """Yield a query by an image of each sampled product that finds other products only, not its variants."""
    includes = ["images.vec", "images.hash", "group"]
    for id_, source in sample(client, index, QUERIES, includes=includes, query=has_vector(SPACES[IMAGE])):
        same: list[dict[str, Any]] = [{"term": {"id": id_}}]
        same += [{"term": {"group": source["group"]}}] if source.get("group") else []
        vector = next((image["vec"] for image in source.get("images") or () if image.get("vec")), None)
        if vector is not None:
            yield Query(vectors={IMAGE: vector}, filters=[{"bool": {"must_not": same}}], has_image=True)


def _nearest(
    client: OpenSearch,
    index: str,
    schema: IndexSchema,
    queries: Sequence[Query] | Iterator[Query],
    deadline: float | None,
) -> dict[str, Cosines]:
    """Return the cosine of each query and its nearest product in each space; -1 where a query finds none there."""
    spaces: list[str] = []
    rows: list[list[float]] = []
    for query in queries:
        if deadline is not None and time.monotonic() > deadline:
            break
        spaces = [IMAGE] if query.has_image else list(schema.vectors)
        rows.append([_cosine(client, index, schema, query, name) for name in spaces])
    return {name: np.array([row[place] for row in rows]) for place, name in enumerate(spaces)}


def _cosine(client: OpenSearch, index: str, schema: IndexSchema, query: Query, name: str) -> float:
    body = hybrid_body(
        query, schema, window=_NEIGHBOURS, page=Page(source=()), fusion=Fusion(sub_queries=(name,))
    )
    candidates = retrieve(client, index, body).candidates
    return max(
        (2 * c.sub_query_scores[name] - 1 for c in candidates if name in c.sub_query_scores), default=-1.0
    )
