"""The features of candidates, as a table of feature groups; training and serving call the same functions.

To add a feature, add one `FeatureGroup` to `GROUPS`. Names, values, dropout in training and the model card follow. A group
that needs a further value of each product adds the array to `behaviour.ARRAYS` and reads it as `products.arrays[name]`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rerank.arrays import BoolArray, CodeArray, DoubleArray, FloatArray, HashArray, IndexArray

from .history import affinity_names, affinity_values, collaborative_values, history_names, history_values
from .named_values import agreement

VERSION = 4  # of the definitions below; a model that was trained with another version is refused
PAIR_RATES = ("query_click_rate", "query_cart_rate", "query_purchase_rate")  # of a query and a product
RATES = ("click_rate", "cart_rate", "purchase_rate", "popularity", *PAIR_RATES)
COLLABORATIVE = "collaborative"
RANK, HISTORY = "rank", "history"  # signals that training drops, beside the vector spaces
# signals that explain a score, beside the vector spaces; the engine's rank is what a score starts from
ENGINE, NUMBERS, BEHAVIOUR = "engine", "numbers", "behaviour"
_RECENCY_DAYS = 30.0

# The query's unit vector (d,) in each vector space where it has one.
QueryVectors = Mapping[str, FloatArray]


@dataclass(frozen=True)
class FeaturePlan:
    """The vector spaces, numbers and keywords of an index, which name the features."""

    spaces: tuple[str, ...]
    numbers: tuple[str, ...]
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class ProductAttributes:
    """What the tables hold about n products: the candidates of a window, or a shopper's clicks."""

    hashes: HashArray  # (n,)
    vectors: Mapping[str, FloatArray]  # by vector space: (n, d), length one or zeros
    has: Mapping[str, BoolArray]  # by vector space: (n,)
    arrays: Mapping[str, npt.NDArray[Any]]  # those of the behaviour snapshot, by name: (n, ...)

    @property
    def numbers(self) -> FloatArray:
        """Scaled numbers (n, numbers), NaN where unknown."""
        return self.arrays["numbers"]

    @property
    def codes(self) -> CodeArray:
        """Keyword codes (n, keywords), 0 where unknown."""
        return self.arrays["codes"]

    @property
    def created(self) -> DoubleArray:
        """Seconds since 1970 (n,), NaN where unknown."""
        return self.arrays["created"]


@dataclass(frozen=True)
class Affinities:
    """The decayed weights of a shopper's clicks, cart additions and purchases, as n candidates see them.

    A click weighs 1, a cart addition 2, a purchase 3.
    """

    total: float
    same: FloatArray  # (n, keywords), of the actions on products with the candidate's keyword
    means: FloatArray  # (numbers,), the weighted mean of the scaled numbers
    known: FloatArray  # (numbers,), of the actions on products that have the number


@dataclass(frozen=True)
class FeatureInputs:
    """What the features of a window are computed from."""

    candidates: ProductAttributes
    ranks: IndexArray  # (n,) in the engine's order, from zero
    rates: FloatArray  # (n, 7), `RATES` as of `as_of`
    query: QueryVectors
    history: ProductAttributes | None  # the products that the shopper clicked before; None without clicks
    as_of: float  # seconds since 1970
    affinities: Affinities | None = None  # None: the shopper is unknown, or did nothing before
    named: HashArray = field(
        default_factory=lambda: np.zeros(0, np.uint64)
    )  # keys of values that the query names

    def __len__(self) -> int:
        return len(self.ranks)


@dataclass(frozen=True)
class FeatureGroup:
    """Features that are computed together.

    `compute` returns (n, k) values for the k columns of `names`. `depends_on` is the signal without which the columns are
    zero: "rank", "history" or a vector space. `flag` names the column that is 1 when that signal is missing. An explanation
    counts the columns for `signal`: a vector space, "numbers", "behaviour" or "engine". `kept` are columns that say
    what is known of a product, and stay as they are while the explanation masks the values.
    """

    names: Callable[[FeaturePlan], tuple[str, ...]]
    compute: Callable[[FeatureInputs], npt.NDArray[Any]]
    depends_on: str | None = None
    flag: str | None = None
    signal: str = BEHAVIOUR
    kept: Callable[[FeaturePlan], tuple[str, ...]] = lambda _: ()


@dataclass(frozen=True)
class DroppedColumns:
    """The columns that are zero when a signal is missing, and the column that is then 1."""

    values: tuple[int, ...]
    flag: int | None


@dataclass(frozen=True)
class SignalColumns:
    """The columns of a signal: all, and those that are 0 and 1 while it is masked."""

    all: list[int] = field(default_factory=list)
    zeros: list[int] = field(default_factory=list)
    ones: list[int] = field(default_factory=list)


def feature_groups(spaces: Mapping[str, Any] | tuple[str, ...]) -> dict[str, FeatureGroup]:
    """Return the groups by name in the order of their columns: one for each vector space, and `GROUPS`."""
    return {**{space: space_group(space) for space in spaces}, **GROUPS}


def feature_names(plan: FeaturePlan) -> tuple[str, ...]:
    """Return the names of the columns of `features`."""
    return tuple(name for group in feature_groups(plan.spaces).values() for name in group.names(plan))


def features(inputs: FeatureInputs) -> FloatArray:
    """Return the feature values of a window, (n, features)."""
    blocks = [group.compute(inputs) for group in feature_groups(inputs.candidates.vectors).values()]
    return np.concatenate(blocks, axis=1, dtype=np.float32, casting="same_kind")


def dropped_columns(plan: FeaturePlan) -> dict[str, DroppedColumns]:
    """Return, for each signal that a group depends on, the columns that change when the signal is missing."""
    column = {name: number for number, name in enumerate(feature_names(plan))}
    values: dict[str, list[int]] = {}
    flags: dict[str, int] = {}
    for group in feature_groups(plan.spaces).values():
        if group.depends_on is None:
            continue
        names = [name for name in group.names(plan) if name != group.flag]
        values.setdefault(group.depends_on, []).extend(column[name] for name in names)
        if group.flag:
            flags[group.depends_on] = column[group.flag]
    return {signal: DroppedColumns(tuple(values[signal]), flags.get(signal)) for signal in values}


def explained_signals(plan: FeaturePlan) -> tuple[str, ...]:
    """Return the signals whose parts of a score are explained: the vector spaces, numbers and behaviour."""
    return (*plan.spaces, NUMBERS, BEHAVIOUR)


def signal_columns(plan: FeaturePlan) -> dict[str, SignalColumns]:
    """Return the columns of each explained signal and of the engine's rank."""
    signals = {signal: SignalColumns() for signal in (ENGINE, *explained_signals(plan))}
    column = 0
    for group in feature_groups(plan.spaces).values():
        columns, kept = signals[group.signal], group.kept(plan)
        for name in group.names(plan):
            columns.all.append(column)
            if name == group.flag:
                columns.ones.append(column)
            elif name not in kept:
                columns.zeros.append(column)
            column += 1
    return signals


def masked_features(x: FloatArray, plan: FeaturePlan, missing: Collection[str]) -> FloatArray:
    """Return features (n, features) as they are when signals are missing: zeros, and the flags of training's dropout."""
    masked = x.copy()
    columns = signal_columns(plan)
    for signal in missing:
        masked[:, columns[signal].zeros] = 0.0
        masked[:, columns[signal].ones] = 1.0
    return masked


def space_group(space: str) -> FeatureGroup:
    """Return the group of a vector space: the cosine of query and product, and whether one of both is missing."""
    flag = f"{space}_missing"

    def compute(inputs: FeatureInputs) -> FloatArray:
        values = np.zeros((len(inputs), 2), dtype=np.float32)
        query = inputs.query.get(space)
        if query is None:
            values[:, 1] = 1.0
            return values
        length = max(float(np.linalg.norm(query)), 1e-12)
        values[:, 0] = inputs.candidates.vectors[space] @ (query / np.float32(length))
        values[:, 1] = ~inputs.candidates.has[space]
        return values

    return FeatureGroup(lambda _: (f"{space}_cosine", flag), compute, space, flag, space)


def _rank(inputs: FeatureInputs) -> DoubleArray:
    """Return -log2(1 + rank) / 8 and zeros: the engine's rank is always known in serving."""
    values = np.zeros((len(inputs), 2))
    values[:, 0] = -np.log2(1.0 + inputs.ranks) / 8.0
    return values


def _recency(inputs: FeatureInputs) -> DoubleArray:
    """Return exp(-age / 30 days), zero where the date is unknown, and whether it is unknown."""
    days = np.maximum(inputs.as_of - inputs.candidates.created, 0.0) / 86400.0
    unknown = ~np.isfinite(days)
    return np.column_stack([np.where(unknown, 0.0, np.exp(-days / _RECENCY_DAYS)), unknown])


def _numbers(inputs: FeatureInputs) -> FloatArray:
    """Return scaled numbers, zero where unknown, and whether each is unknown, (n, 2 numbers)."""
    numbers = inputs.candidates.numbers
    known = np.isfinite(numbers)
    values = np.empty((len(inputs), 2 * numbers.shape[1]), dtype=np.float32)
    values[:, : numbers.shape[1]] = np.where(known, numbers, np.float32(0))
    np.logical_not(known, out=values[:, numbers.shape[1] :])
    return values


def _named_value_names(plan: FeaturePlan) -> tuple[str, ...]:
    return tuple(f"{kind}:{name}" for name in plan.keywords for kind in ("named", "not_named"))


def _named_values(inputs: FeatureInputs) -> FloatArray:
    """Return for each keyword column whether the candidate has a value that the query names, and whether others only."""
    values = agreement(inputs.candidates.arrays["values"], inputs.named)
    return values.reshape(len(inputs), -1).astype(np.float32)


def _number_names(plan: FeaturePlan) -> tuple[str, ...]:
    return (*(f"number:{name}" for name in plan.numbers), *_number_flags(plan))


def _number_flags(plan: FeaturePlan) -> tuple[str, ...]:
    return tuple(f"missing:{name}" for name in plan.numbers)


# The groups beside those of the vector spaces.
GROUPS: dict[str, FeatureGroup] = {
    "rank": FeatureGroup(lambda _: ("rank", "rank_missing"), _rank, RANK, "rank_missing", ENGINE),
    "rates": FeatureGroup(lambda _: RATES, lambda inputs: inputs.rates),
    "recency": FeatureGroup(
        lambda _: ("recency", "age_missing"), _recency, signal=NUMBERS, kept=lambda _: ("age_missing",)
    ),
    "named_values": FeatureGroup(_named_value_names, _named_values, signal=NUMBERS),
    "numbers": FeatureGroup(_number_names, _numbers, signal=NUMBERS, kept=_number_flags),
    "history": FeatureGroup(history_names, history_values, HISTORY, "history_missing"),
    "affinities": FeatureGroup(affinity_names, affinity_values, HISTORY),
    "collaborative": FeatureGroup(lambda _: (COLLABORATIVE,), collaborative_values, HISTORY),
}
