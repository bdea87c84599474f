"""The ranker that needs no training: weighted reciprocal rank fusion (RRF) of single signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from opensearch.index.spaces import IMAGE, SPACES, TEXT
from rerank.arrays import DoubleArray, FloatArray
from rerank.features.groups import BEHAVIOUR, RATES, FeatureInputs
from vitrine.errors import ArtifactError

# the signals beside the cosines, which are named after their vector spaces
ENGINE, POPULARITY = "engine", "popularity"
OFFSET = 60.0  # Cormack, Clarke, Büttcher 2009
_WEIGHT, _CORRECTION = "rrf.weight.", "rrf.missing_image_correction"


def explained_signal(name: str) -> str:
    """Return the explained signal of a signal of the fusion: popularity is behaviour."""
    return BEHAVIOUR if name == POPULARITY else name


@dataclass(frozen=True)
class RRFSettings:
    """The weights of an RRF by signal: the engine's order, the cosine in each vector space, popularity.

    The engine's rank of a candidate without image is divided by `missing_image_correction`.
    """

    weights: Mapping[str, float]
    missing_image_correction: float = 1.0

    def without(self, signal: str) -> RRFSettings:
        """Return the settings without the weight of an explained signal; popularity is behaviour."""
        weights = {name: weight for name, weight in self.weights.items() if explained_signal(name) != signal}
        return replace(self, weights=weights)

    def to_arrays(self) -> dict[str, FloatArray]:
        """Return the arrays of the model artifact."""
        values = {f"{_WEIGHT}{signal}": weight for signal, weight in self.weights.items()}
        values[_CORRECTION] = self.missing_image_correction
        return {name: np.array([value], dtype=np.float32) for name, value in values.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> RRFSettings:
        """Return the settings that `to_arrays` wrote. Raises ArtifactError."""
        weights = {
            name.removeprefix(_WEIGHT): float(array[0])
            for name, array in sorted(arrays.items())
            if name.startswith(_WEIGHT)
        }
        if not weights or _CORRECTION not in arrays:
            raise ArtifactError(
                "the model holds no weights of a reciprocal rank fusion; run `vitrine train --fusion rrf`"
            )
        return cls(weights, float(arrays[_CORRECTION][0]))


# Hybrid retrieval already used the vectors, so their cosines have no weight.
RRF_AFTER_HYBRID = RRFSettings({ENGINE: 1.0, POPULARITY: 0.3})


def rrf_after_bm25() -> RRFSettings:
    """Return the settings for an engine order of BM25 alone, which used no vectors: each cosine has a weight."""
    spaces = {space: 0.5 if space == TEXT else 0.3 for space in SPACES}
    return RRFSettings({ENGINE: 1.0, **spaces, POPULARITY: 0.3})


def rrf_signals(inputs: FeatureInputs, settings: RRFSettings) -> dict[str, DoubleArray]:
    """Return the values (n,) of each signal that has a weight; NaN where a candidate has none, higher is better."""
    signals: dict[str, DoubleArray] = {}
    for signal in settings.weights:
        if signal == ENGINE:
            signals[signal] = -_engine_ranks(inputs, settings.missing_image_correction)
        elif signal == POPULARITY:
            popularity = inputs.rates[:, RATES.index("popularity")]
            signals[signal] = np.where(popularity.any(), popularity, np.nan).astype(np.float64)
        elif signal in inputs.query and signal in inputs.candidates.vectors:
            cosines = inputs.candidates.vectors[signal] @ inputs.query[signal]
            signals[signal] = np.where(inputs.candidates.has[signal], cosines, np.nan)
    return signals


def rrf_scores(
    signals: Mapping[str, DoubleArray | FloatArray], weights: Mapping[str, float], offset: float = OFFSET
) -> FloatArray:
    """Return the fused scores (n,) of signals (n,), NaN where missing: the sums of `rrf_terms`."""
    return np.asarray(rrf_terms(signals, weights, offset).sum(axis=1), dtype=np.float32)


def rrf_terms(
    signals: Mapping[str, DoubleArray | FloatArray], weights: Mapping[str, float], offset: float = OFFSET
) -> DoubleArray:
    """Return what each signal (n,) adds to the fused scores, (n, signals); zero where it is missing (NaN).

    score = Σ w / (offset + rank) / Σ w, both over the signals that a candidate has (Cormack, Clarke, Büttcher 2009, with
    the mean in place of the sum so that a product without image is not ranked lower for it).
    """
    values = np.column_stack(list(signals.values()))  # (n, signals)
    weight = np.array([weights[signal] for signal in signals])
    mask = np.isfinite(values)
    ranks = _ranks(np.where(mask, values, -np.inf))
    terms = np.where(mask, weight / (offset + 1.0 + ranks), 0.0)
    return np.asarray(terms / np.maximum((mask * weight).sum(axis=1, keepdims=True), 1e-9))


Signals = Mapping[str, "DoubleArray | FloatArray"]


def borda_scores(signals: Signals, weights: Mapping[str, float]) -> FloatArray:
    """Return the weighted Borda votes (n,) of signals (n,), NaN where missing.

    Each signal gives its candidates 1 down to 1 / n by rank. score = Σ w · vote / Σ w, over the signals that a candidate
    has.
    """
    values = np.column_stack(list(signals.values()))  # (n, signals)
    weight = np.array([weights[signal] for signal in signals])
    mask = np.isfinite(values)
    ranks = _ranks(np.where(mask, values, -np.inf))
    votes = np.where(mask, weight * (1.0 - ranks / max(len(values), 1)), 0.0).sum(axis=1)
    return np.asarray(votes / np.maximum((mask * weight).sum(axis=1), 1e-9), dtype=np.float32)


# Fusions of the orders by single signals (n,), with a weight for each, that learn nothing: the baselines of a comparison.
DECISION_FUSIONS: dict[str, Callable[[Signals, Mapping[str, float]], FloatArray]] = {
    "votes": lambda signals, _: borda_scores(signals, dict.fromkeys(signals, 1.0)),
    "weighted votes": borda_scores,
    "reciprocal rank fusion": rrf_scores,
}


def _ranks(values: DoubleArray) -> DoubleArray:
    """Return the ranks (n, signals) from zero, by falling value; equal values keep their order."""
    return np.argsort(np.argsort(-values, axis=0, kind="stable"), axis=0, kind="stable").astype(np.float64)


def _engine_ranks(inputs: FeatureInputs, correction: float) -> DoubleArray:
    """Return the engine's ranks (n,) from one, corrected where the image sub-query ranked products without image down."""
    ranks: DoubleArray = 1.0 + inputs.ranks.astype(np.float64)
    if IMAGE not in inputs.query or IMAGE not in inputs.candidates.has:
        return ranks
    return np.where(inputs.candidates.has[IMAGE], ranks, ranks / correction)
