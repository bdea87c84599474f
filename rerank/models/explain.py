"""What a score is made of: exact Shapley values of the signals for a neural fusion, and the parts of a sum for the others.

Every explanation has one form, `Parts`: what the engine's rank alone gives, and what text, image, numbers and behaviour
add to it. A masked signal is what the model reads of a product that lacks it: no vector in the space, each known number
at the catalogue's median, no behaviour and no history. The query is never masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rerank.arrays import DoubleArray, FloatArray
from rerank.features.groups import (
    BEHAVIOUR,
    ENGINE,
    NUMBERS,
    FeaturePlan,
    explained_signals,
    features,
    masked_features,
    signal_columns,
)
from rerank.features.item_table import ItemRows

if TYPE_CHECKING:
    from rerank.models.neural.fusions import ServedModel

    from .ranker import RankerInputs

Known = frozenset[str]


@dataclass(frozen=True)
class Parts:
    """What the scores of n candidates are made of: score = base + the sum of its values.

    `base` (n,) is the score of a product in the engine's rank of which nothing else is known; `values` (n, signals) is
    what each signal adds.
    """

    signals: tuple[str, ...]
    base: DoubleArray
    values: DoubleArray

    @property
    def scores(self) -> DoubleArray:
        """The scores (n,)."""
        return np.asarray(self.base + self.values.sum(axis=1))


def shapley(value: Callable[[Known], npt.ArrayLike], signals: Sequence[str]) -> Parts:
    """Return the exact Shapley values of k signals; `value` returns scores (n,) for a set of known ones.

    `value` is called 2^k times. φ_i = Σ_S |S|! (k - |S| - 1)! / k! · (v(S ∪ i) - v(S)), over the sets
    S without i (Shapley 1953, eq. 12).
    """
    count = len(signals)
    coalitions = [frozenset(known) for size in range(count + 1) for known in combinations(signals, size)]
    scores = {known: np.asarray(value(known), dtype=np.float64) for known in coalitions}
    values = np.zeros((len(scores[frozenset()]), count))
    for column, signal in enumerate(signals):
        for known in coalitions:
            if signal not in known:
                weight = factorial(len(known)) * factorial(count - len(known) - 1) / factorial(count)
                values[:, column] += weight * (scores[known | {signal}] - scores[known])
    return Parts(tuple(signals), scores[frozenset()], values)


class MaskedModel:
    """A neural fusion's scores of one window when only some signals are known."""

    def __init__(self, model: ServedModel, plan: FeaturePlan, inputs: RankerInputs) -> None:
        self.signals = explained_signals(plan)
        self._model = model
        self._plan = plan
        self._inputs = inputs
        self._x = features(inputs.features)
        self._rows: dict[Known, ItemRows] = {}

    def scores(self, known: Known) -> FloatArray:
        """Return scores (n,); with all signals known they are the scores that are served."""
        inputs = self._inputs
        missing = frozenset(self.signals) - known
        return self._model.scores(
            masked_features(self._x, self._plan, missing),
            self._item_rows(missing - {BEHAVIOUR}),
            inputs.features.query,
            None if BEHAVIOUR in missing else inputs.click_rows,
            inputs.age_hours,
        )

    def _item_rows(self, missing: Known) -> ItemRows:
        if missing not in self._rows:
            self._rows[missing] = self._masked_rows(missing)
        return self._rows[missing]

    def _masked_rows(self, missing: Known) -> ItemRows:
        """Return the rows as the item tower computes them without some vectors, and with the numbers at their medians.

        The row of a product that lacks these modalities anyway stays as it is stored.
        """
        stored, scaler = self._inputs.rows, self._model.scaler
        masked = np.array([modality in missing for modality in stored.layout.modalities])
        affected = stored.present[:, masked].any(axis=1)
        if not affected.any():
            return stored
        numbers = self._inputs.features.candidates.numbers[affected]
        vectors = {
            space: np.zeros_like(values[affected]) if space in missing else values[affected]
            for space, values in stored.vectors.items()
        }
        tower = self._model.rows(vectors, scaler.unscale(numbers * 0 if NUMBERS in missing else numbers))
        values = stored.values.copy()
        half = tower.astype(np.float16)  # the precision of the table
        values[affected] = np.concatenate([*vectors.values(), half], axis=1)
        lost = masked & (np.array(stored.layout.modalities) != NUMBERS)
        return ItemRows(stored.layout, values, stored.present & ~lost)


def neural_parts(model: ServedModel, plan: FeaturePlan, inputs: RankerInputs) -> Parts:
    """Return the Shapley values of the scores of a neural fusion."""
    masked = MaskedModel(model, plan, inputs)
    return shapley(masked.scores, masked.signals)


def summed_parts(terms: Mapping[str, npt.ArrayLike], plan: FeaturePlan, count: int) -> Parts:
    """Return the parts of scores (n,) that are a sum of one term (n,) a signal; the engine's rank gives the base."""
    signals = explained_signals(plan)
    zeros = np.zeros(count)
    values = np.column_stack([np.asarray(terms.get(signal, zeros), dtype=np.float64) for signal in signals])
    return Parts(signals, np.asarray(terms.get(ENGINE, zeros), dtype=np.float64), values)


def column_parts(contributions: DoubleArray, plan: FeaturePlan) -> Parts:
    """Return the parts of contributions (n, features + 1) of a tree model, the last one that of no feature."""
    columns = signal_columns(plan)
    terms = {signal: contributions[:, of.all].sum(axis=1) for signal, of in columns.items()}
    terms[ENGINE] = terms[ENGINE] + contributions[:, -1]
    return summed_parts(terms, plan, len(contributions))
