"""The ranker that a catalogue alone teaches: a weighted sum of the query's words held, cosines and the engine's rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from opensearch.index.spaces import SPACES, TEXT
from rerank.arrays import BoolArray, DoubleArray, FloatArray, IndexArray
from rerank.features.groups import ENGINE, QueryVectors
from rerank.features.words import Coverage
from vitrine.errors import ArtifactError

# the signals beside the cosines, which have the names of their vector spaces
WORDS, FOCUS, RANK = "words", "focus", "rank"
BACKGROUND = 512  # products that a cosine is compared with
_PREFIX = "catalogue.weight."
_MIN_KNOWN = 10  # candidates with a vector, to say what one without it would have
_MIN_TRUST = 0.05
# The mean of the ten highest standard scores for a query that has nothing to do with the products, and for one that has.
_CHANCE, _CERTAIN = 3.0, 5.0


@dataclass(frozen=True)
class CatalogueWeights:
    """The weights of the signals, none negative: of a word held, of the title's focus, of the engine's rank, of cosines."""

    words: float = 3.0
    focus: float = 1.5
    rank: float = 2.0
    spaces: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(SPACES, 1.0))

    def without(self, signal: str) -> CatalogueWeights:
        """Return the weights of a sum without a signal's terms; the words that a product holds are part of its text."""
        if signal == ENGINE:
            return replace(self, rank=0.0)
        weights = replace(self, spaces={**self.spaces, signal: 0.0})
        return replace(weights, words=0.0, focus=0.0) if signal == TEXT else weights

    def to_dict(self) -> dict[str, float]:
        """Return the weights by signal."""
        return {WORDS: self.words, FOCUS: self.focus, RANK: self.rank, **self.spaces}

    def to_arrays(self) -> dict[str, FloatArray]:
        """Return the arrays of the model artifact."""
        return {f"{_PREFIX}{name}": np.array([value], np.float32) for name, value in self.to_dict().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> CatalogueWeights:
        """Return the weights that `to_arrays` wrote. Raises ArtifactError."""
        values = {
            name.removeprefix(_PREFIX): float(array[0])
            for name, array in sorted(arrays.items())
            if name.startswith(_PREFIX)
        }
        try:
            words, focus, rank = (values.pop(name) for name in (WORDS, FOCUS, RANK))
        except KeyError as error:
            raise ArtifactError(f"the model lacks the weight of {error}; run `vitrine train`") from None
        return cls(words, focus, rank, values)


@dataclass(frozen=True)
class Signals:
    """What is known about n candidates; higher is better, except for ranks."""

    coverage: Coverage
    ranks: IndexArray  # (n,) of the engine, from zero
    cosines: Mapping[str, DoubleArray]  # by vector space: (n,) standard scores, NaN without a vector


def catalogue_scores(signals: Signals, weights: CatalogueWeights) -> FloatArray:
    """Return the scores (n,) of candidates: the sum of their `catalogue_terms`."""
    terms = catalogue_terms(signals, weights)
    scores: FloatArray = np.sum(list(terms.values()), axis=0).astype(np.float32)
    return scores


def catalogue_terms(signals: Signals, weights: CatalogueWeights) -> dict[str, DoubleArray]:
    """Return what each signal adds to the scores (n,) of candidates.

    score = t·(w_words·count·share + w_focus·focus - w_rank·log2(1 + rank) / 8) + t_text·w_text·text + Σ w_space·space,
    with the standard scores of the cosines. t is the square of the largest share of the query's words that one candidate
    holds: words that no product uses say little about products, and neither do their text vectors, unless some
    of these stand far out (t_text). Then images decide.

    A candidate without a vector in a space gets what the window's other candidates with the same other signals have there
    on average (linear regression), so that it is ranked neither higher nor lower for the missing vector.
    """
    coverage = signals.coverage
    trust = max(float(coverage.share.max(initial=0.0)) ** 2, _MIN_TRUST)
    terms: dict[str, DoubleArray] = {
        WORDS: trust * weights.words * coverage.count * coverage.share.astype(np.float64),
        FOCUS: trust * weights.focus * coverage.focus.astype(np.float64),
        RANK: -trust * weights.rank * np.log2(1.0 + signals.ranks) / 8.0,
    }
    scores = terms[WORDS] + terms[FOCUS] + terms[RANK]
    for space, values in signals.cosines.items():  # text comes first
        weight = weights.spaces.get(space, 0.0)
        weight *= max(trust, _confidence(values)) if space == TEXT else 1.0
        terms[space] = weight * _filled(values, scores)
        scores = scores + terms[space]
    return terms


def standard_scores(
    vectors: Mapping[str, FloatArray],
    has: Mapping[str, BoolArray],
    query: QueryVectors,
    background: Mapping[str, FloatArray],
) -> dict[str, DoubleArray]:
    """Return the cosines (n,) of candidates as standard scores among those of `background` (m, d), by vector space.

    The cosines of two encoders, or of two queries, are not comparable; how far they stand out among those of any
    products is.
    """
    scores: dict[str, DoubleArray] = {}
    for space, candidates in vectors.items():
        vector, others = query.get(space), background.get(space)
        if vector is None or others is None or len(others) < 2:
            continue
        direction = vector / np.float32(max(float(np.linalg.norm(vector)), 1e-12))
        cosines = others @ direction
        values = (candidates @ direction - cosines.mean()) / max(float(cosines.std()), 1e-6)
        scores[space] = np.where(has[space], values, np.nan).astype(np.float64)
    return scores


def background_rows(has: BoolArray) -> IndexArray:
    """Return up to `BACKGROUND` rows of the products (N,) that have a vector, evenly spaced."""
    rows = np.flatnonzero(has)
    if len(rows) <= BACKGROUND:
        return rows
    return rows[np.linspace(0, len(rows) - 1, BACKGROUND).astype(np.int64)]


def _confidence(values: DoubleArray) -> float:
    """Return in [0, 1] how far the ten highest standard scores (n,) are above those of chance."""
    known = values[np.isfinite(values)]
    highest = float(np.sort(known)[-10:].mean()) if len(known) else 0.0
    return min(max((highest - _CHANCE) / (_CERTAIN - _CHANCE), 0.0), 1.0)


def _filled(values: DoubleArray, others: DoubleArray) -> DoubleArray:
    """Return values (n,) with each missing one replaced by what `others` (n,) say about it."""
    known = np.isfinite(values)
    if known.all():
        return values
    if known.sum() < _MIN_KNOWN:
        return np.where(known, values, values[known].mean() if known.any() else 0.0)
    mean, spread = others[known].mean(), others[known].var()
    slope = max(float(np.mean((others[known] - mean) * (values[known] - values[known].mean()))), 0.0)
    expected = values[known].mean() + slope / max(float(spread), 1e-9) * (others - mean)
    return np.where(known, values, expected)
