"""Robust scaling of a catalogue's numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rerank.arrays import DoubleArray, FloatArray

_LIMIT = 6.0


@dataclass(frozen=True)
class Scaler:
    """Scales numbers to asinh((value - median) / (half the interquartile range)), clipped to [-6, 6]."""

    centre: DoubleArray  # (numbers,)
    width: DoubleArray  # (numbers,)

    def scale(self, numbers: DoubleArray) -> FloatArray:
        """Return scaled numbers (n, numbers); NaN stays NaN, and outliers keep their order below the limit."""
        scaled = np.arcsinh((numbers - self.centre) / self.width)
        return np.clip(scaled, -_LIMIT, _LIMIT).astype(np.float32)

    def unscale(self, scaled: FloatArray) -> DoubleArray:
        """Return numbers (n, numbers) whose scaled values these are; NaN stays NaN."""
        return np.asarray(self.centre + self.width * np.sinh(scaled.astype(np.float64)))


def fit_scaler(numbers: DoubleArray) -> Scaler:
    """Return the scaler of numbers (n, numbers); a column without spread or without values has width one."""
    centre = np.zeros(numbers.shape[1])
    width = np.ones(numbers.shape[1])
    for column in range(numbers.shape[1]):
        known = numbers[:, column][np.isfinite(numbers[:, column])]
        if not len(known):
            continue
        low, centre[column], high = np.percentile(known, [25, 50, 75])
        spread = (high - low) / 2 or float(known.std())
        width[column] = spread if spread > 0 else 1.0
    return Scaler(centre, width)
