"""The kinds of models as they are served: each scores a window, explains its scores, and scores without a signal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, Self

from opensearch.index.spaces import TEXT
from rerank.arrays import FloatArray
from rerank.features.groups import ENGINE, FeaturePlan, explained_signals, features, masked_features
from vitrine.errors import ArtifactError, RerankError

from .catalogue import (
    FOCUS,
    RANK,
    WORDS,
    CatalogueWeights,
    Signals,
    background_rows,
    catalogue_scores,
    catalogue_terms,
    standard_scores,
)
from .explain import MaskedModel, Parts, column_parts, neural_parts, summed_parts
from .lambdamart import LambdaMART
from .rrf import RRFSettings, explained_signal, rrf_scores, rrf_signals, rrf_terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rerank.features.item_table import ItemTable
    from rerank.models.neural.fusions import ServedModel

    from .ranker import RankerInputs


class Scorer(Protocol):
    """Scores the candidates of a window with one model; `plan` names its features."""

    @property
    def plan(self) -> FeaturePlan:
        """The plan of the features."""

    def __call__(self, inputs: RankerInputs) -> FloatArray:
        """Return scores (n,)."""

    def parts(self, inputs: RankerInputs) -> Parts:
        """Return what the scores are made of."""

    def without(self, signal: str) -> Self:
        """Return the same scorer for products of which the signal is unknown."""


@dataclass(frozen=True)
class NeuralScorer:
    """Scores by a neural fusion; `missing` are signals that it does not read."""

    model: ServedModel
    plan: FeaturePlan
    missing: frozenset[str] = frozenset()

    def __call__(self, inputs: RankerInputs) -> FloatArray:
        """Return scores (n,)."""
        if self.missing:
            known = frozenset(explained_signals(self.plan)) - self.missing
            return MaskedModel(self.model, self.plan, inputs).scores(known)
        x = features(inputs.features)
        return self.model.scores(x, inputs.rows, inputs.features.query, inputs.click_rows, inputs.age_hours)

    def parts(self, inputs: RankerInputs) -> Parts:
        """Return the Shapley values of the scores."""
        return neural_parts(self.model, self.plan, inputs)

    def without(self, signal: str) -> NeuralScorer:
        """Return the scorer that masks the signal."""
        return replace(self, missing=self.missing | {signal})


@dataclass(frozen=True)
class LambdaMARTScorer:
    """Scores by boosted trees; `missing` are signals that they do not read."""

    trees: LambdaMART
    plan: FeaturePlan
    missing: frozenset[str] = frozenset()

    def __call__(self, inputs: RankerInputs) -> FloatArray:
        """Return scores (n,)."""
        return self.trees.scores(masked_features(features(inputs.features), self.plan, self.missing))

    def parts(self, inputs: RankerInputs) -> Parts:
        """Return the trees' own contributions (Lundberg et al. 2018), grouped by signal."""
        return column_parts(self.trees.contributions(features(inputs.features)), self.plan)

    def without(self, signal: str) -> LambdaMARTScorer:
        """Return the scorer that masks the signal."""
        return replace(self, missing=self.missing | {signal})


@dataclass(frozen=True)
class RRFScorer:
    """Scores by reciprocal rank fusion of single signals."""

    settings: RRFSettings
    plan: FeaturePlan

    def __call__(self, inputs: RankerInputs) -> FloatArray:
        """Return scores (n,)."""
        return rrf_scores(rrf_signals(inputs.features, self.settings), self.settings.weights)

    def parts(self, inputs: RankerInputs) -> Parts:
        """Return the terms of the sum."""
        signals = rrf_signals(inputs.features, self.settings)
        terms = rrf_terms(signals, self.settings.weights)
        named = {explained_signal(name): terms[:, column] for column, name in enumerate(signals)}
        return summed_parts(named, self.plan, len(inputs))

    def without(self, signal: str) -> RRFScorer:
        """Return the fusion without the signal's weight."""
        return replace(self, settings=self.settings.without(signal))


@dataclass(frozen=True)
class CatalogueScorer:
    """Scores by the weights that a catalogue taught; `background` are products (m, d) that cosines are compared with."""

    weights: CatalogueWeights
    background: Mapping[str, FloatArray]
    plan: FeaturePlan

    def __call__(self, inputs: RankerInputs) -> FloatArray:
        """Return scores (n,)."""
        return catalogue_scores(self._signals(inputs), self.weights)

    def parts(self, inputs: RankerInputs) -> Parts:
        """Return the terms of the sum; the words that a product holds are part of its text."""
        terms = catalogue_terms(self._signals(inputs), self.weights)
        text = TEXT if TEXT in self.plan.spaces else ENGINE
        named = {ENGINE: terms.pop(RANK)}
        for name, values in terms.items():
            signal = text if name in (WORDS, FOCUS) else name
            named[signal] = named.get(signal, 0.0) + values
        return summed_parts(named, self.plan, len(inputs))

    def without(self, signal: str) -> CatalogueScorer:
        """Return the sum without the signal's terms."""
        return replace(self, weights=self.weights.without(signal))

    def _signals(self, inputs: RankerInputs) -> Signals:
        if inputs.coverage is None:
            raise RerankError("the query's words were not looked up in the item table")
        window = inputs.features
        products = window.candidates
        cosines = standard_scores(products.vectors, products.has, window.query, self.background)
        return Signals(inputs.coverage, window.ranks, cosines)


def catalogue_scorer(weights: CatalogueWeights, items: ItemTable, plan: FeaturePlan) -> CatalogueScorer:
    """Return the scorer over an item table. Raises ArtifactError for one that holds no words."""
    if items.words is None:
        raise ArtifactError("the item table holds no words of products; run `vitrine train`")
    background = {
        space: items.read(background_rows(items.has(space))).vectors[space] for space in items.layout.vectors
    }
    return CatalogueScorer(weights, background, plan)
