"""How sure a mean or a difference is: the paired bootstrap over queries (Efron, Tibshirani 1993, ch. 13)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
SEED = 20_261


@dataclass(frozen=True)
class Interval:
    """A mean over queries and the bounds that hold it with the asked-for confidence."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def bootstrap(
    values: npt.NDArray[np.float64], confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """Percentile interval of the mean of `values` (queries,); pass paired differences to compare two runs."""
    if values.size == 0:
        raise ValueError("no values to resample")
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, 4_000_000 // values.size)  # bounds the memory of one block of drawn indices to 32 MB
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.integers(0, values.size, size=(count, values.size))
        means[start : start + count] = values[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(values.mean()), float(low), float(high))
