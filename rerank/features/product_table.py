"""The products of an index as the ranker sees them: vectors, numbers, keyword codes, by id hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from opensearch.index.fields import IndexSchema
from rerank.arrays import (
    BoolArray,
    CodeArray,
    DoubleArray,
    FloatArray,
    HalfArray,
    HashArray,
    hash_text,
    id_hashes,
    unit,
)
from vitrine.errors import RerankError


@dataclass(frozen=True)
class Catalogue:
    """N products. Vectors have length one; missing: a vector is zeros, a number NaN, a keyword 0."""

    ids: list[str]
    hashes: HashArray  # (N,) sorted
    text: HalfArray  # (N, text dimension)
    image: HalfArray  # (N, image dimension), the mean of a product's pictures
    numbers: DoubleArray  # (N, numbers), as the catalogue has them
    codes: CodeArray  # (N, keywords)
    created: DoubleArray  # (N,) seconds since 1970
    number_names: tuple[str, ...]
    keyword_names: tuple[str, ...]

    @property
    def has_text(self) -> BoolArray:
        return np.asarray(self.text.any(axis=1))

    @property
    def has_image(self) -> BoolArray:
        return np.asarray(self.image.any(axis=1))


def read_catalogue(documents: Iterable[Mapping[str, Any]], schema: IndexSchema) -> Catalogue:
    """Read indexed documents (their `_source`, vectors included) into arrays."""
    plan = schema.plan
    dimensions = {name: vector.dimension for name, vector in schema.vectors.items()}
    text_dimension, image_dimension = dimensions.get("text", 0), dimensions.get("image", 0)
    ids: list[str] = []
    text: list[HalfArray] = []
    image: list[HalfArray] = []
    numbers: list[list[float]] = []
    codes: list[list[int]] = []
    created: list[float] = []
    for document in documents:
        ids.append(str(document["id"]))
        text.append(_vector([document.get("text_vec")], text_dimension))
        image.append(_vector([p.get("vec") for p in _listed(document.get("images"))], image_dimension))
        values = document.get("numbers") or {}
        numbers.append([_number(values.get(name)) for name in plan.numbers])
        words = document.get("keywords") or {}
        codes.append([keyword_code(words.get(name)) for name in plan.keywords])
        created.append(seconds_of(document.get("created")))
    hashes = id_hashes(ids)
    order = np.argsort(hashes)
    if len(ids) > 1 and (np.diff(hashes[order]) == 0).any():
        raise RerankError("two products of the index have one id hash; index the catalogue with unique ids")
    count = len(ids)
    return Catalogue(
        ids=[ids[i] for i in order],
        hashes=hashes[order],
        text=_stack(text, text_dimension)[order],
        image=_stack(image, image_dimension)[order],
        numbers=np.array(numbers, dtype=np.float64).reshape(count, len(plan.numbers))[order],
        codes=np.array(codes, dtype=np.uint32).reshape(count, len(plan.keywords))[order],
        created=np.array(created, dtype=np.float64)[order],
        number_names=plan.numbers,
        keyword_names=plan.keywords,
    )


def keyword_code(value: Any) -> int:
    """32 bits that are equal for equal keywords, whatever order a list has; 0 for none."""
    words = sorted(str(word) for word in _listed(value))
    return (hash_text("\0".join(words)) & 0xFFFFFFFF) or 1 if words else 0


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _vector(found: list[Any], dimension: int) -> HalfArray:
    """The mean of the vectors that are there, at length one, (dimension,)."""
    there = [np.asarray(v, dtype=np.float32) for v in found if v is not None]
    if not there or not dimension:
        return np.zeros(dimension, dtype=np.float16)
    if any(v.shape != (dimension,) for v in there):
        raise RerankError(
            f"a product has a vector of {there[0].size} values, the index says {dimension}; "
            "index the catalogue again with one encoder"
        )
    mean: FloatArray = np.mean(unit(np.stack(there)), axis=0, dtype=np.float32)
    return unit(mean).astype(np.float16)


def _stack(vectors: list[HalfArray], dimension: int) -> HalfArray:
    return np.stack(vectors) if vectors else np.zeros((0, dimension), dtype=np.float16)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else float("nan")


def seconds_of(value: Any) -> float:
    """Seconds since 1970 of an ISO date (UTC unless it says otherwise) or of epoch milliseconds, else NaN."""
    if isinstance(value, (int, float)):
        return float(value) / 1000.0
    if not isinstance(value, str):
        return float("nan")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return float("nan")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
