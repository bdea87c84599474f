"""The similarity threshold of an index: the cosine from which two images show one product.

It is learned from the vectors of the index. Each sampled image is searched for among all other products (other groups,
other images). The threshold is the lowest cosine that at most the false-accept rate of the nearest other products reach.
Pairs of images of one product, and of one group of variants, give the true-accept rate.
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
from opensearch.index.spaces import IMAGE, SPACES, has_vector
from opensearch.search.query import Page, Query, hybrid_body
from opensearch.search.retrieve import retrieve
from rerank.arrays import FloatArray, unit
from rerank.cheapest import cosine_of
from vitrine.errors import RerankError

if TYPE_CHECKING:
    from opensearch.client import OpenSearch
    from opensearch.index.fields import IndexSchema

IMAGES = 1000
_SEED = 20_261
FALSE_ACCEPT_RATE = 0.05
# Neighbours of each image: the engine's search is exact enough from here, and copies of the image are skipped.
_NEIGHBOURS = 20
# Above this no threshold separates two products: the engine's cosines have seven digits.
_IDENTICAL = 0.9999


@dataclass(frozen=True)
class ProductImages:
    """A sampled product: its group, and the content hashes and unit vectors of its images."""

    id: str
    group: str | None
    hashes: tuple[str, ...]
    vectors: tuple[FloatArray, ...]


@dataclass(frozen=True)
class PairStatistics:
    """Cosines of pairs of images that show one product: count, median, and the share that reaches the threshold."""

    count: int
    median: float
    true_accept_rate: float


@dataclass(frozen=True)
class Calibration:
    """The threshold, the number of images it was learned from, and the share of nearest other products that reach it."""

    similarity_threshold: float
    images: int
    impostor_similarity: float  # median cosine of the nearest other products
    false_accept_rate: float
    same_product: PairStatistics | None  # None: the sample holds no product with two images
    same_group: PairStatistics | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def calibrate_threshold(
    client: OpenSearch,
    alias: str,
    schema: IndexSchema,
    *,
    count: int = IMAGES,
    false_accept_rate: float = FALSE_ACCEPT_RATE,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Calibration:
    """Learn the threshold at which at most the share `false_accept_rate` of images accepts another product.

    Raises RerankError for an index without image vectors.
    """
    if IMAGE not in schema.vectors:
        raise RerankError(
            f"index {alias} holds no image vectors, so there is nothing to calibrate: index the catalogue "
            "again with --image-encoder"
        )
    sampled = list(_sampled(client, alias, count))
    images = [(product, vector) for product in sampled for vector in product.vectors]
    if len(images) > count:
        images = Random(_SEED).sample(images, count)
    nearest = []
    for number, (product, vector) in enumerate(images, start=1):
        cosine = _nearest_other(client, alias, schema, product, vector)
        if cosine is not None:
            nearest.append(cosine)
        on_progress(number, len(images))
    similarity_threshold = threshold_for(nearest, false_accept_rate)
    return Calibration(
        similarity_threshold=similarity_threshold,
        images=len(nearest),
        impostor_similarity=round(float(np.median(nearest)), 4),
        false_accept_rate=round(float(np.mean(np.array(nearest) >= similarity_threshold)), 4),
        same_product=_pairs(_within_products(sampled), similarity_threshold),
        same_group=_pairs(_within_groups(sampled), similarity_threshold),
    )


def threshold_for(nearest: Sequence[float], false_accept_rate: float) -> float:
    """Return the lowest cosine, to five digits, that at most the share `false_accept_rate` of `nearest` reach.

    Raises RerankError for too few cosines and when too many of them are 1.
    """
    needed = math.ceil(1 / false_accept_rate)
    if len(nearest) < needed:
        raise RerankError(
            f"the index has {len(nearest)} images that can be compared with those of other products, and a threshold "
            f"for a false-accept rate of {100 * false_accept_rate:g} % needs at least {needed}"
        )
    first_rejected = sorted(nearest, reverse=True)[int(len(nearest) * false_accept_rate)]
    if first_rejected >= _IDENTICAL:
        raise RerankError(
            f"more than {100 * false_accept_rate:g} % of the products have an image vector that another product has too "
            f"(cosine {first_rejected:.5f}), so no threshold separates them: index with a larger image encoder, or "
            "join variants by a `group` column"
        )
    return math.floor(first_rejected * 1e5 + 1) / 1e5


def _sampled(client: OpenSearch, alias: str, count: int) -> Iterator[ProductImages]:
    # `images` alone would give 1 in place of each vector (OpenSearch 3.6.0)
    includes = ["images.vec", "images.hash", "group"]
    for id_, source in sample(client, alias, count, includes=includes, query=has_vector(SPACES[IMAGE])):
        images = {image["hash"]: image["vec"] for image in source.get("images") or () if image.get("vec")}
        if images:
            vectors = tuple(unit(np.asarray(vector, dtype=np.float32)) for vector in images.values())
            yield ProductImages(id_, source.get("group"), tuple(images), vectors)


def _nearest_other(
    client: OpenSearch, alias: str, schema: IndexSchema, product: ProductImages, vector: FloatArray
) -> float | None:
    """Return the cosine of a product's image and the nearest image of another product; None without another product."""
    same: list[dict[str, Any]] = [{"term": {"id": product.id}}]
    if product.group:
        same.append({"term": {"group": product.group}})
    query = Query(vectors={IMAGE: vector}, filters=[{"bool": {"must_not": same}}], has_image=True)
    body = hybrid_body(query, schema, window=_NEIGHBOURS, page=Page(source=("images.hash",)))
    own = set(product.hashes)
    for candidate in retrieve(client, alias, body).candidates:
        if not own & {image["hash"] for image in candidate.source.get("images") or ()}:
            return cosine_of(candidate)
    return None


def _within_products(sampled: Iterable[ProductImages]) -> Iterator[float]:
    for product in sampled:
        for one, other in combinations(product.vectors, 2):
            yield float(one @ other)


def _within_groups(sampled: Iterable[ProductImages]) -> Iterator[float]:
    groups = defaultdict(list)
    for product in sampled:
        if product.group:
            groups[product.group].append(product)
    for members in groups.values():
        for one, other in combinations(members, 2):
            yield max(float(a @ b) for a in one.vectors for b in other.vectors)


def _pairs(cosines: Iterable[float], similarity_threshold: float) -> PairStatistics | None:
    values = np.array(list(cosines))
    if not len(values):
        return None
    return PairStatistics(
        len(values),
        round(float(np.median(values)), 4),
        round(float(np.mean(values >= similarity_threshold)), 4),
    )
