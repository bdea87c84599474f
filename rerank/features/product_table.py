"""The products of an index as arrays: vectors, numbers and keyword codes, sorted by id hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from opensearch.index.fields import IndexSchema
from opensearch.index.spaces import SPACES, VectorSpace
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

from .groups import FeaturePlan
from .named_values import MAX_VALUES, ValueTable, value_codes, value_keys


@dataclass(frozen=True)
class ProductTable:
    """N products. Vectors have length one; a missing vector is zeros, a missing number NaN, a missing keyword 0."""

    ids: list[str]
    hashes: HashArray  # (N,) sorted
    vectors: Mapping[str, HalfArray]  # by vector space: (N, d), the mean of a product's vectors
    numbers: DoubleArray  # (N, numbers), not scaled
    codes: CodeArray  # (N, keywords)
    values: CodeArray  # (N, keywords, values), codes of single values as queries name them
    created: DoubleArray  # (N,) seconds since 1970
    number_names: tuple[str, ...]
    keyword_names: tuple[str, ...]
    language: str = "en"

    @property
    def dimensions(self) -> dict[str, int]:
        """The length of a vector in each vector space."""
        return {name: vectors.shape[1] for name, vectors in self.vectors.items()}

    @property
    def plan(self) -> FeaturePlan:
        """The plan that names the features of these products."""
        return FeaturePlan(tuple(self.vectors), self.number_names, self.keyword_names)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each product, by id."""
        return {product: row for row, product in enumerate(self.ids)}

    @cached_property
    def value_table(self) -> ValueTable:
        """The values of the keyword columns."""
        return ValueTable(np.unique(value_keys(self.values)[self.values != 0]), self.language)

    @cached_property
    def has(self) -> dict[str, BoolArray]:
        """Which products (N,) have a vector, by vector space."""
        return {name: np.asarray(vectors.any(axis=1)) for name, vectors in self.vectors.items()}


def read_products(documents: Iterable[Mapping[str, Any]], schema: IndexSchema) -> ProductTable:
    """Return the table of indexed documents (their `_source`, vectors included).

    Raises RerankError for a vector of another length than the schema's and for two ids with one hash.
    """
    plan = schema.plan
    ids: list[str] = []
    vectors: dict[str, list[HalfArray]] = {name: [] for name in schema.vectors}
    numbers: list[list[float]] = []
    codes: list[list[int]] = []
    single: list[list[list[int]]] = []
    created: list[float] = []
    for document in documents:
        ids.append(str(document["id"]))
        for name, field in schema.vectors.items():
            vectors[name].append(_mean_vector(_vectors_of(document, SPACES[name]), field.dimension))
        values = document.get("numbers") or {}
        numbers.append([_number(values.get(name)) for name in plan.numbers])
        words = document.get("keywords") or {}
        codes.append([keyword_code(words.get(name)) for name in plan.keywords])
        texts = [[str(word) for word in _as_list(words.get(name))] for name in plan.keywords]
        single.append([value_codes(values, plan.language) for values in texts])
        created.append(seconds_of(document.get("created")))
    hashes = id_hashes(ids)
    order = np.argsort(hashes)
    if len(ids) > 1 and (np.diff(hashes[order]) == 0).any():
        raise RerankError("two products of the index have one id hash; index the catalogue with unique ids")
    count = len(ids)
    return ProductTable(
        ids=[ids[i] for i in order],
        hashes=hashes[order],
        vectors={name: _stack(vectors[name], f.dimension)[order] for name, f in schema.vectors.items()},
        numbers=np.array(numbers, dtype=np.float64).reshape(count, len(plan.numbers))[order],
        codes=np.array(codes, dtype=np.uint32).reshape(count, len(plan.keywords))[order],
        values=np.array(single, dtype=np.uint32).reshape(count, len(plan.keywords), MAX_VALUES)[order],
        created=np.array(created, dtype=np.float64)[order],
        number_names=plan.numbers,
        keyword_names=plan.keywords,
        language=plan.language,
    )


def keyword_code(value: Any) -> int:
    """Return 32 bits that are equal for equal keywords, in any order of a list; 0 for none."""
    words = sorted(str(word) for word in _as_list(value))
    return (hash_text("\0".join(words)) & 0xFFFFFFFF) or 1 if words else 0


def seconds_of(value: Any) -> float:
    """Return seconds since 1970 of an ISO date (UTC without a zone) or of epoch milliseconds; NaN for anything else."""
    if isinstance(value, (int, float)):
        return float(value) / 1000.0
    if not isinstance(value, str):
        return float("nan")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return float("nan")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _vectors_of(document: Mapping[str, Any], space: VectorSpace) -> list[Any]:
    if space.nested is None:
        return [document.get(space.path)]
    leaf = space.path.rpartition(".")[2]
    return [nested.get(leaf) for nested in _as_list(document.get(space.nested))]


def _mean_vector(vectors: Sequence[Any], dimension: int) -> HalfArray:
    """Return the mean (dimension,) of the vectors that are not None, at length one; zeros without any."""
    present = [np.asarray(v, dtype=np.float32) for v in vectors if v is not None]
    if not present:
        return np.zeros(dimension, dtype=np.float16)
    for vector in present:
        if vector.shape != (dimension,):
            raise RerankError(
                f"a product has a vector of {vector.size} values, the schema of the index names {dimension}; "
                "index the catalogue again with one encoder"
            )
    mean: FloatArray = np.mean(unit(np.stack(present)), axis=0, dtype=np.float32)
    return unit(mean).astype(np.float16)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _stack(vectors: list[HalfArray], dimension: int) -> HalfArray:
    return np.stack(vectors) if vectors else np.zeros((0, dimension), dtype=np.float16)


def _number(value: Any) -> float:
    """Return a number, or the lowest of several (a price range, the prices of variants); NaN for none."""
    if isinstance(value, list):
        return min((_number(part) for part in value), default=float("nan"))
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else float("nan")
