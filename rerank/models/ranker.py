"""What a ranker is: a window of candidates in, one score a candidate out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rerank.arrays import BoolArray, DoubleArray, FloatArray, HashArray, id_hashes
from rerank.features.behaviour import Behaviour, ProductFacts, query_hash
from rerank.features.groups import Facts, QueryVectors, features
from rerank.features.item_table import ItemRows, ItemTable
from rerank.request import RerankRequest
from vitrine.errors import ArtifactError, RerankError
from vitrine.store import ArtifactSet, Store

from .card import FUSED, FUSION, load_model
from .fusion import SignalFusion, reciprocal_ranks, single_signals
from .served import FusedModel

HISTORY = 50  # clicks of a shopper that are looked at


class Ranker(Protocol):
    """Scores a window; knows which artifacts it is made of."""

    @property
    def artifacts(self) -> ArtifactSet: ...

    def inputs(self, request: RerankRequest) -> Any:
        """Return the features of the request's candidates, in the form that `score` reads."""
        ...

    def score(self, inputs: Any) -> FloatArray:
        """Return finite scores (n,), higher is better, aligned with the ids of the request."""
        ...

    def warm(self) -> None:
        """Touch what scoring reads, so that the first searches do not wait for the disk."""
        ...


@dataclass(frozen=True)
class FeatureRows:
    """Feature values (n, features) of some candidates, and what the columns are called."""

    names: tuple[str, ...]
    ids: list[str]
    values: FloatArray


@runtime_checkable
class HasFeatures(Protocol):
    """A ranker that can tell the features of its candidates."""

    def feature_rows(self, request: RerankRequest, places: Sequence[int]) -> FeatureRows:
        """The features of the candidates at these places of the window; those it does not know are left out."""
        ...


def order_of(scores: npt.ArrayLike) -> list[int]:
    """Positions by falling score; equal scores keep the order that they came in."""
    return [int(i) for i in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")]


def pin_unknown(scores: FloatArray, known: BoolArray) -> FloatArray:
    """Scores (n,) that rank the known ones as given and leave each unknown one at its engine position."""
    if known.all():
        return scores
    count = len(scores)
    order = np.arange(count)
    places = np.flatnonzero(known)
    order[places] = places[order_of(scores[places])]
    settled = np.empty(count, dtype=np.float32)
    settled[order] = -np.arange(count, dtype=np.float32)
    if not len(places):
        return settled
    # between the scores of its neighbours where float32 can tell them apart, so that scores stay comparable
    ranks = np.flatnonzero(known[order])
    between = np.interp(np.arange(count), ranks, scores[order[ranks]].astype(np.float64))
    smooth = np.empty(count, dtype=np.float32)
    smooth[order] = between
    return smooth if order_of(smooth) == order.tolist() else settled


class Named(Protocol):
    """Anything that names the three artifacts; the pointer of an alias does."""

    @property
    def model(self) -> str: ...

    @property
    def items(self) -> str: ...

    @property
    def behaviour(self) -> str: ...


@dataclass(frozen=True)
class RankerInputs:
    """What the tables know of a request: its candidates (n,) and the shopper's clicks (j,)."""

    known: BoolArray  # (n,) which candidates the item table knows
    rows: ItemRows
    window: Facts
    rates: FloatArray  # (n, 4)
    query: QueryVectors
    click_rows: ItemRows | None
    clicks: Facts | None
    age_hours: DoubleArray  # (j,)
    as_of: float


class FeatureStore:
    """The item table and the behaviour snapshot, asked together."""

    def __init__(self, items: ItemTable, behaviour: Behaviour, names: tuple[str, ...] = ()) -> None:
        self.items = items
        self.behaviour = behaviour
        self.names = names  # of the features

    def feature_rows(self, request: RerankRequest, places: Sequence[int]) -> FeatureRows:
        """What `features` makes of the candidates at these places; a row does not depend on the other candidates."""
        _, known = self.items.find(id_hashes([request.ids[place] for place in places]))
        there = [place for place, found in zip(places, known, strict=True) if found]
        ids = [request.ids[place] for place in there]
        if not ids:
            return FeatureRows(self.names, [], np.zeros((0, len(self.names)), dtype=np.float32))
        sight = self.look(replace(request, ids=ids))
        x = features(sight.window, np.array(there), sight.rates, sight.query, sight.clicks, request.as_of)
        return FeatureRows(self.names, ids, x)

    def look(self, request: RerankRequest) -> RankerInputs:
        query, layout = query_hash(request.query), self.items.layout
        hashes = id_hashes(request.ids)
        at, known = self.items.find(hashes)
        rows = self.items.read(at)
        facts = self.behaviour.of(hashes, query, request.as_of)
        dimensions = {"text": layout.text, "image": layout.image}
        vectors = {
            name: vector
            for name, dimension in dimensions.items()
            if (vector := _fitting(name, (request.vectors or {}).get(name), dimension)) is not None
        }
        click_rows, clicks, ages = self._clicks(request)
        return RankerInputs(
            known,
            rows,
            _facts(hashes, rows, facts),
            facts.rates,
            vectors,
            click_rows,
            clicks,
            ages,
            request.as_of,
        )

    def _clicks(self, request: RerankRequest) -> tuple[ItemRows | None, Facts | None, DoubleArray]:
        recent = list(request.history)[-HISTORY:]
        ages = np.array([max(0.0, request.as_of - click.at) / 3600.0 for click in recent])
        hashes = id_hashes([click.id for click in recent])
        at, known = self.items.find(hashes)
        if not known.any():
            return None, None, np.zeros(0)
        rows = self.items.read(at[known])
        facts = self.behaviour.of(hashes[known], 0, request.as_of)
        return rows, _facts(hashes[known], rows, facts), ages[known]


class FusedRanker:
    """The trained model over text, picture, numbers and behaviour."""

    def __init__(self, artifacts: ArtifactSet, model: FusedModel, tables: FeatureStore) -> None:
        self.artifacts = artifacts
        self._model = model
        self._tables = tables

    def inputs(self, request: RerankRequest) -> RankerInputs:
        return self._tables.look(request)

    def scores(self, request: RerankRequest) -> FloatArray:
        return self.score(self.inputs(request))

    def score(self, inputs: RankerInputs) -> FloatArray:
        if not len(inputs.known):
            return np.zeros(0, dtype=np.float32)
        ranks = np.arange(len(inputs.known))
        x = features(inputs.window, ranks, inputs.rates, inputs.query, inputs.clicks, inputs.as_of)
        scores = self._model.scores(x, inputs.rows, inputs.query, inputs.click_rows, inputs.age_hours)
        return pin_unknown(_finite(scores, self.artifacts), inputs.known)

    def feature_rows(self, request: RerankRequest, places: Sequence[int]) -> FeatureRows:
        return self._tables.feature_rows(request, places)

    def warm(self) -> None:
        self._tables.items.warm()


class FusionRanker:
    """Weighted reciprocal rank fusion of engine rank, text cosine, picture cosine and popularity.

    score = Σ w / (60 + rank) over Σ w, both over the signals that a candidate has (Cormack, Clarke, Büttcher
    2009, with the mean in place of the sum so that a product without picture is not pushed down for it). Where the query
    asked pictures, the engine's rank of a product without one is divided by the fusion's allowance before.
    """

    def __init__(self, artifacts: ArtifactSet, fusion: SignalFusion, tables: FeatureStore) -> None:
        self.artifacts = artifacts
        self.fusion = fusion
        self._tables = tables

    def inputs(self, request: RerankRequest) -> RankerInputs:
        return self._tables.look(request)

    def scores(self, request: RerankRequest) -> FloatArray:
        return self.score(self.inputs(request))

    def score(self, inputs: RankerInputs) -> FloatArray:
        if not len(inputs.known):
            return np.zeros(0, dtype=np.float32)
        signals = single_signals(inputs.window, inputs.rates, inputs.query)
        if "image" in inputs.query:  # else the engine had no picture leg to lose by
            ranks = np.arange(1, len(signals) + 1)
            signals[:, 0] = -np.where(
                inputs.window.has_image, ranks, ranks / self.fusion.missing_image_correction
            )
        scores = reciprocal_ranks(signals, np.array(self.fusion.weights))
        return pin_unknown(_finite(scores, self.artifacts), inputs.known)

    def feature_rows(self, request: RerankRequest, places: Sequence[int]) -> FeatureRows:
        return self._tables.feature_rows(request, places)

    def warm(self) -> None:
        self._tables.items.warm()


def load_ranker(store: Store, pointer: Named) -> Ranker:
    """Load what a pointer names; raises ArtifactError when the three artifacts do not belong together."""
    names = ArtifactSet(pointer.model, pointer.items, pointer.behaviour)
    card, weights = load_model(store.get("models", names.model))
    items = ItemTable.open(store.get("items", names.items))
    behaviour = Behaviour.open(store.get("behaviour", names.behaviour))
    for what, facts in (("item table", items.facts), ("behaviour snapshot", behaviour.facts)):
        if facts.get("model") != names.model:
            raise ArtifactError(
                f"the {what} was made for model {facts.get('model')}, the pointer names {names.model}; "
                "run `vitrine train`, or `vitrine model use` with a model of the list"
            )
    tables = FeatureStore(items, behaviour, card.features)
    if card.kind == FUSION:
        return FusionRanker(names, SignalFusion.from_arrays(weights), tables)
    if card.kind == FUSED:
        return FusedRanker(names, FusedModel(weights), tables)
    raise ArtifactError(
        f"model {names.model} is of kind {card.kind!r}; this release serves {FUSED} and {FUSION}"
    )


def _facts(hashes: HashArray, rows: ItemRows, facts: ProductFacts) -> Facts:
    return Facts(
        hashes=hashes,
        text=rows.part("text"),
        image=rows.part("image"),
        has_text=rows.present[:, 0],
        has_image=rows.present[:, 1],
        numbers=facts.numbers,
        codes=facts.codes,
        created=facts.created,
    )


def _fitting(space: str, vector: FloatArray | None, dimension: int) -> FloatArray | None:
    if vector is None or not dimension:
        return None
    if vector.shape != (dimension,) or not np.isfinite(vector).all():
        raise RerankError(
            f"the query's {space} vector has shape {vector.shape} or holds values that are no numbers; "
            f"the item table holds {dimension} values a product: use the encoder of the index"
        )
    return vector


def _finite(scores: FloatArray, artifacts: ArtifactSet) -> FloatArray:
    if not np.isfinite(scores).all():
        raise RerankError(
            f"model {artifacts.model} gave scores that are no numbers; run `vitrine model rollback`"
        )
    return scores
