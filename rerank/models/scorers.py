"""The kinds of models as they are served: each scores a window, explains its scores, and scores without a signal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, Self

from rerank.arrays import FloatArray
from rerank.features.groups import FeaturePlan, explained_signals, features, masked_features

from .explain import MaskedModel, Parts, column_parts, neural_parts, summed_parts
from .lambdamart import LambdaMART
from .rrf import RRFSettings, explained_signal, rrf_scores, rrf_signals, rrf_terms

if TYPE_CHECKING:
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
