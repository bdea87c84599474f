"""The similarity floor of an index: how near two pictures must be for the products to count as one.

Learned from the index's own vectors. Every sampled picture, a product's second and third too, is searched for among all
other products (other groups, other pictures), and the floor lies just above the nearest of them but for a given share:
that many pictures in a hundred let a foreign product pass. Pictures of one product, and of one group of variants, tell
what the floor lets through of those.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from opensearch.index.scan import sample
from opensearch.index.spaces import SPACES, has_vector
from opensearch.search.query import Page, Query, hybrid_body
from opensearch.search.retrieve import retrieve
from rerank.arrays import FloatArray, unit
from rerank.cheapest import cosine_of
from vitrine.errors import RerankError

if TYPE_CHECKING:
    from opensearch.client import OpenSearch
    from opensearch.index.fields import IndexSchema

PICTURES = 1000
_SEED = 20_261
STRAYS = 0.05
_LOOKED_AT = (
    20  # neighbours of each picture: the engine's search is exact enough from here, and copies are skipped
)
_ALIKE = 0.9999  # above this no floor tells a product from another: the engine's cosines have seven digits


@dataclass(frozen=True)
class Pictures:
    """A sampled product: its group, and its pictures' content hashes and unit vectors."""

    id: str
    group: str | None
    hashes: tuple[str, ...]
    vectors: tuple[FloatArray, ...]


@dataclass(frozen=True)
class Pairs:
    """Cosines of pairs of pictures that ought to be near: how many, the median, and the share that the floor lets pass."""

    count: int
    median: float
    true_accept_rate: float


@dataclass(frozen=True)
class Calibration:
    """The floor, from how many pictures, and the share of nearest foreign products that pass it."""

    similarity_threshold: float
    pictures: int
    impostor_similarity: float  # median cosine
    false_accept_rate: float
    same_product: Pairs | None  # None: the sample holds no product with two pictures
    same_group: Pairs | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def calibrate(
    client: OpenSearch,
    alias: str,
    schema: IndexSchema,
    *,
    count: int = PICTURES,
    false_accept_rate: float = STRAYS,
    tell: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Learn the threshold at which at most the share `false_accept_rate` of images accepts another product.

    Raises RerankError for an index without image vectors.
    """
    if "image" not in schema.vectors:
        raise RerankError(
            f"index {alias} holds no picture vectors, so there is nothing to calibrate: index the catalogue "
            "again with --image-encoder"
        )
    sampled = list(_sampled(client, alias, count))
    shown = [(product, vector) for product in sampled for vector in product.vectors]
    if len(shown) > count:
        shown = Random(_SEED).sample(shown, count)
    nearest = []
    for number, (product, vector) in enumerate(shown, start=1):
        cosine = _nearest_other(client, alias, schema, product, vector)
        if cosine is not None:
            nearest.append(cosine)
        if tell:
            tell(number, len(shown))
    similarity_threshold = floor_of(nearest, false_accept_rate)
    return Calibration(
        similarity_threshold=similarity_threshold,
        pictures=len(nearest),
        impostor_similarity=round(float(np.median(nearest)), 4),
        false_accept_rate=round(float(np.mean(np.array(nearest) >= similarity_threshold)), 4),
        same_product=_pairs(_within_products(sampled), similarity_threshold),
        same_group=_pairs(_within_groups(sampled), similarity_threshold),
    )


def floor_of(nearest: Sequence[float], false_accept_rate: float) -> float:
    """The lowest cosine, to five digits, that at most the share `false_accept_rate` of these reach. Raises RerankError."""
    needed = math.ceil(1 / false_accept_rate)
    if len(nearest) < needed:
        raise RerankError(
            f"the index has {len(nearest)} pictures that can be compared with those of other products, and a floor "
            f"for {100 * false_accept_rate:g} % needs at least {needed}"
        )
    edge = sorted(nearest, reverse=True)[
        int(len(nearest) * false_accept_rate)
    ]  # the first that must not pass
    if edge >= _ALIKE:
        raise RerankError(
            f"more than {100 * false_accept_rate:g} % of the products have a picture vector that another product has too "
            f"(cosine {edge:.5f}), so no floor tells them apart: index with an image encoder that sees more, or "
            "join variants by a `group` column"
        )
    return math.floor(edge * 1e5 + 1) / 1e5


def _sampled(client: OpenSearch, alias: str, count: int) -> Iterator[Pictures]:
    # `images` alone would give 1 in place of each vector (OpenSearch 3.6.0)
    includes = ["images.vec", "images.hash", "group"]
    for id_, source in sample(client, alias, count, includes=includes, query=has_vector(SPACES["image"])):
        held = {p["hash"]: p["vec"] for p in source.get("images") or () if p.get("vec")}
        if held:
            vectors = tuple(unit(np.asarray(vector, dtype=np.float32)) for vector in held.values())
            yield Pictures(id_, source.get("group"), tuple(held), vectors)


def _nearest_other(
    client: OpenSearch, alias: str, schema: IndexSchema, product: Pictures, vector: FloatArray
) -> float | None:
    """The cosine of a product's picture and the nearest of a product that is not the same; None: there is none."""
    same: list[dict[str, Any]] = [{"term": {"id": product.id}}]
    if product.group:
        same.append({"term": {"group": product.group}})
    query = Query(vectors={"image": vector}, filters=[{"bool": {"must_not": same}}], has_image=True)
    body = hybrid_body(query, schema, window=_LOOKED_AT, page=Page(source=("images.hash",)))
    own = set(product.hashes)
    for candidate in retrieve(client, alias, body).candidates:
        if not own & {picture["hash"] for picture in candidate.source.get("images") or ()}:
            return cosine_of(candidate)
    return None


def _within_products(sampled: Iterable[Pictures]) -> Iterator[float]:
    for product in sampled:
        for one, other in combinations(product.vectors, 2):
            yield float(one @ other)


def _within_groups(sampled: Iterable[Pictures]) -> Iterator[float]:
    groups = defaultdict(list)
    for product in sampled:
        if product.group:
            groups[product.group].append(product)
    for members in groups.values():
        for one, other in combinations(members, 2):
            yield max(float(a @ b) for a in one.vectors for b in other.vectors)


def _pairs(cosines: Iterable[float], similarity_threshold: float) -> Pairs | None:
    values = np.array(list(cosines))
    if not len(values):
        return None
    return Pairs(
        len(values),
        round(float(np.median(values)), 4),
        round(float(np.mean(values >= similarity_threshold)), 4),
    )
