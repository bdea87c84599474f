"""Rankers: one score for each candidate of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rerank.arrays import BoolArray, DoubleArray, FloatArray, HashArray, id_hashes
from rerank.features.behaviour import BehaviourSnapshot, SnapshotArrays, query_hash
from rerank.features.clicks import MAX_HISTORY
from rerank.features.groups import (
    FeatureInputs,
    ProductAttributes,
    QueryVectors,
    explained_signals,
    features,
)
from rerank.features.item_table import ItemRows, ItemTable
from rerank.features.words import Coverage
from rerank.models.neural.fusions import FUSIONS
from rerank.models.neural.served_interest import DEFAULT_INTEREST
from rerank.request import RerankRequest
from vitrine.errors import ArtifactError, RerankError
from vitrine.store import ArtifactSet, Store

from .card import CATALOGUE, LAMBDAMART, NEURAL, RRF, ModelCard, load_model
from .catalogue import CatalogueWeights
from .explain import Parts
from .lambdamart import LambdaMART
from .rrf import RRFSettings
from .scorers import LambdaMARTScorer, NeuralScorer, RRFScorer, Scorer, catalogue_scorer


class Ranker(Protocol):
    """Scores a window; `artifacts` names what the scores come from."""

    @property
    def artifacts(self) -> ArtifactSet:
        """The artifacts that the ranker was loaded from."""

    def inputs(self, request: RerankRequest) -> Any:
        """Return the features of the request's candidates, in the form that `score` reads."""
        ...

    def score(self, inputs: Any) -> FloatArray:
        """Return finite scores (n,), higher is better, aligned with the ids of the request."""
        ...

    def warm(self) -> None:
        """Read what scoring reads once, so that the first searches do not wait for the disk."""
        ...


@dataclass(frozen=True)
class FeatureRows:
    """Feature values (n, features) of n candidates, and the names of the columns."""

    names: tuple[str, ...]
    ids: list[str]
    values: FloatArray


@runtime_checkable
class HasFeatures(Protocol):
    """A ranker that returns the features of its candidates."""

    def feature_rows(self, request: RerankRequest, positions: Sequence[int]) -> FeatureRows:
        """Return the features of the candidates at these positions of the window, without unknown candidates."""
        ...


@runtime_checkable
class Explains(Protocol):
    """A ranker that explains its scores, and scores without a signal."""

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that the scores are explained by."""

    def parts(self, inputs: Any) -> Parts:
        """Return what the scores (n,) of `score` are made of."""
        ...

    def without(self, signal: str) -> Ranker:
        """Return the ranker that does not know the signal of any candidate."""
        ...


def order_of(scores: npt.ArrayLike) -> list[int]:
    """Return positions by falling score; equal scores keep their order."""
    return [int(i) for i in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")]


def pin_unknown(scores: FloatArray, known: BoolArray) -> FloatArray:
    """Return scores (n,) that rank the known candidates and leave each unknown one at its engine position."""
    if known.all():
        return scores
    count = len(scores)
    order = np.arange(count)
    positions = np.flatnonzero(known)
    order[positions] = positions[order_of(scores[positions])]
    by_position = np.empty(count, dtype=np.float32)
    by_position[order] = -np.arange(count, dtype=np.float32)
    if not len(positions):
        return by_position
    # an unknown candidate scores between its neighbours where float32 allows it, so that scores stay comparable
    ranks = np.flatnonzero(known[order])
    values = np.interp(np.arange(count), ranks, scores[order[ranks]].astype(np.float64))
    interpolated = np.empty(count, dtype=np.float32)
    interpolated[order] = values
    return interpolated if order_of(interpolated) == order.tolist() else by_position


@dataclass(frozen=True)
class RankerInputs:
    """Item rows, features and history looked up for one request with n candidates and j earlier clicks."""

    known: BoolArray  # (n,) which candidates the item table holds
    rows: ItemRows
    features: FeatureInputs
    click_rows: ItemRows | None
    age_hours: DoubleArray  # (j,) of the clicks
    coverage: Coverage | None = None  # of the query's words; None where the item table holds no words

    def __len__(self) -> int:
        return len(self.known)


def count_unknown(inputs: Any) -> int:
    """Return the number of candidates that the item table does not hold; 0 for the inputs of another kind of ranker."""
    return int(np.count_nonzero(~inputs.known)) if isinstance(inputs, RankerInputs) else 0


class FeatureStore:
    """Looks up the item table and the behaviour snapshot; `names` are the names of the features."""

    def __init__(self, items: ItemTable, behaviour: BehaviourSnapshot, names: tuple[str, ...] = ()) -> None:
        self.items = items
        self.behaviour = behaviour
        self.names = names

    def inputs(self, request: RerankRequest) -> RankerInputs:
        """Return the inputs of a ranker. Raises RerankError for a query vector of another dimension."""
        count, recent = len(request.ids), list(request.history)[-MAX_HISTORY:]
        # one search and one read for candidates and clicks: small calls cost as much as large ones
        hashes = id_hashes([*request.ids, *(click.id for click in recent)])
        item_rows, known = self.items.find(hashes)
        clicked = np.flatnonzero(known[count:])  # a click on an unknown product is left out
        if len(clicked) < len(recent):
            kept = np.concatenate([np.arange(count), count + clicked])
            hashes, item_rows = hashes[kept], item_rows[kept]
        rows, arrays = self.items.read(item_rows), self.behaviour.arrays(hashes)
        of_candidates, of_clicks = slice(count), slice(count, None)
        candidates = _attributes(hashes, rows, arrays, of_candidates)
        inputs = FeatureInputs(
            candidates=candidates,
            ranks=np.arange(count),
            rates=self.behaviour.rates(
                candidates.hashes, query_hash(request.query), request.as_of, arrays.slice(of_candidates)
            ),
            query=self._query_vectors(request.vectors or {}),
            history=_attributes(hashes, rows, arrays, of_clicks) if len(clicked) else None,
            as_of=request.as_of,
            affinities=self.behaviour.affinities(request.shopper, candidates.codes, request.as_of),
            named=self.behaviour.value_table.named_by(request.query),
        )
        ages = [max(0.0, request.as_of - recent[click].at) / 3600.0 for click in clicked.tolist()]
        words = self.items.words
        return RankerInputs(
            known=known[:count],
            rows=rows.slice(of_candidates),
            features=inputs,
            click_rows=rows.slice(of_clicks) if len(clicked) else None,
            age_hours=np.array(ages, dtype=np.float64),
            coverage=words.coverage(item_rows[of_candidates], request.query) if words else None,
        )

    def feature_rows(self, request: RerankRequest, positions: Sequence[int]) -> FeatureRows:
        """Return the features of the known candidates at these positions; a row does not depend on other candidates."""
        _, known = self.items.find(id_hashes([request.ids[position] for position in positions]))
        ranks = np.array(positions, dtype=np.int64)[known]
        ids = [request.ids[rank] for rank in ranks]
        if not ids:
            return FeatureRows(self.names, [], np.zeros((0, len(self.names)), dtype=np.float32))
        inputs = self.inputs(replace(request, ids=ids)).features
        return FeatureRows(self.names, ids, features(replace(inputs, ranks=ranks)))

    def _query_vectors(self, vectors: QueryVectors) -> QueryVectors:
        """Return the query's vectors in the spaces of the item table."""
        dimensions = self.items.layout.vectors
        for space, vector in vectors.items():
            if space not in dimensions:
                continue
            if vector.shape != (dimensions[space],) or not np.isfinite(vector).all():
                raise RerankError(
                    f"the query's {space} vector has shape {vector.shape} or holds values that are not finite; the item "
                    f"table holds {dimensions[space]} values for each product: use the encoder of the index"
                )
        return {space: vectors[space] for space in dimensions if space in vectors}


def _attributes(
    hashes: HashArray, rows: ItemRows, arrays: SnapshotArrays, products: slice
) -> ProductAttributes:
    """Return what the tables hold about some of the products that were looked up together."""
    part = rows.slice(products)
    return ProductAttributes(hashes[products], part.vectors, part.has, arrays.slice(products))


class ArtifactRanker:
    """A ranker over an artifact set; a candidate that the item table does not hold keeps its engine position."""

    def __init__(self, artifacts: ArtifactSet, scorer: Scorer, tables: FeatureStore) -> None:
        self.artifacts = artifacts
        self._scorer = scorer
        self._tables = tables

    def inputs(self, request: RerankRequest) -> RankerInputs:
        """Return the features of the request's candidates."""
        return self._tables.inputs(request)

    def score(self, inputs: RankerInputs) -> FloatArray:
        """Return scores (n,). Raises RerankError when one is not finite."""
        if not len(inputs):
            return np.zeros(0, dtype=np.float32)
        scores = self._scorer(inputs)
        if not np.isfinite(scores).all():
            raise RerankError(
                f"model {self.artifacts.model} computed scores that are not finite; run `vitrine model rollback`"
            )
        return pin_unknown(scores, inputs.known)

    def parts(self, inputs: RankerInputs) -> Parts:
        """Return what `score` is made of; the whole score of an unknown candidate is its base."""
        parts = self._scorer.parts(inputs)
        values = np.where(inputs.known[:, None], parts.values, 0.0)
        return Parts(parts.signals, self.score(inputs) - values.sum(axis=1), values)

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that the scores are explained by."""
        return explained_signals(self._scorer.plan)

    def without(self, signal: str) -> ArtifactRanker:
        """Return the ranker that does not know the signal of any candidate."""
        return ArtifactRanker(self.artifacts, self._scorer.without(signal), self._tables)

    def scores(self, request: RerankRequest) -> FloatArray:
        """Return the scores (n,) of a request's candidates."""
        return self.score(self.inputs(request))

    def feature_rows(self, request: RerankRequest, positions: Sequence[int]) -> FeatureRows:
        """Return the features of the known candidates at these positions of the window."""
        return self._tables.feature_rows(request, positions)

    def warm(self) -> None:
        """Read the item table once."""
        self._tables.items.warm()


def load_ranker(store: Store, artifacts: ArtifactSet) -> ArtifactRanker:
    """Return the ranker of an artifact set. Raises ArtifactError when its artifacts do not belong together."""
    card, weights = load_model(store.get("models", artifacts.model))
    items = ItemTable.open(store.get("items", artifacts.items))
    behaviour = BehaviourSnapshot.open(store.get("behaviour", artifacts.behaviour))
    for artifact, metadata in (("item table", items.metadata), ("behaviour snapshot", behaviour.metadata)):
        if metadata.get("model") != artifacts.model:
            raise ArtifactError(
                f"the {artifact} was built for model {metadata.get('model')}, the pointer names {artifacts.model}; "
                "run `vitrine train`, or `vitrine model use` with a model of the list"
            )
    scorer = _scorer(card, weights, artifacts.model, items)
    return ArtifactRanker(artifacts, scorer, FeatureStore(items, behaviour, card.features))


def _scorer(card: ModelCard, weights: dict[str, FloatArray], name: str, items: ItemTable) -> Scorer:
    if card.kind == CATALOGUE:
        return catalogue_scorer(CatalogueWeights.from_arrays(weights), items, card.plan)
    if card.kind == RRF:
        return RRFScorer(RRFSettings.from_arrays(weights), card.plan)
    if card.kind == NEURAL and card.fusion in FUSIONS:
        interest = card.interest or DEFAULT_INTEREST
        model = FUSIONS[card.fusion].served(weights, tuple(card.dimensions), interest)
        return NeuralScorer(model, card.plan)
    if card.kind == LAMBDAMART:
        return LambdaMARTScorer(LambdaMART.from_arrays(weights), card.plan)
    raise ArtifactError(
        f"model {name} is of kind {card.kind!r} with fusion {card.fusion!r}; this release serves {CATALOGUE}, {RRF}, "
        f"{LAMBDAMART}, and {NEURAL} with {', '.join(FUSIONS)}: run `vitrine train`"
    )
