"""Bootstrap confidence intervals of a mean over queries, or of the paired difference of two runs.

Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13: the percentile interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rerank.arrays import DoubleArray

RESAMPLES = 10_000
SEED = 20_261
_BATCH_VALUES = 4_000_000  # resampled values held at once: 32 MB of indices and 32 MB of values


@dataclass(frozen=True)
class Interval:
    """A mean over queries with the bounds of its confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether both bounds lie on the same side of zero."""
        return self.low > 0 or self.high < 0


def bootstrap(
    values: DoubleArray, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """Return the percentile interval of the mean of `values` (queries,).

    For a paired comparison of two runs, pass the differences query by query. One value has an interval of width
    zero. Raises ValueError for no values.
    """
    from scipy import stats

    if values.size == 0:
        raise ValueError("the mean of no values has no interval; pass the value of at least one query")
    mean = float(values.mean())
    if values.size == 1:  # scipy refuses a sample of one, whose every resample is the sample itself
        return Interval(mean, mean, mean)
    bounds = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, _BATCH_VALUES // values.size),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(bounds.low), float(bounds.high))
