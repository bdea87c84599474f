"""The line that turns a ranker's scores into log odds of a click."""

from __future__ import annotations

import numpy as np

from rerank.arrays import DoubleArray, FloatArray

from .examples import Examples
from .propensity import DEPTH, PositionBias


def calibrate(scores: FloatArray, examples: Examples, positions: PositionBias) -> tuple[float, float]:
    """Return slope and intercept such that sigmoid(slope · score + intercept) is the probability of a click.

    The probability is that of an examined candidate: P(click) = examination probability of the position · sigmoid(...) on
    the examined candidates of `examples`. Platt (1999), fitted by maximum likelihood. Scores that say nothing, or the
    opposite, keep their order and scale: (1, 0).
    """
    from scipy.optimize import minimize

    examined = examples.mask & (examples.position >= 0)
    clicked = examples.gains[examined] > 0
    log_examined = np.log(positions.propensity[np.clip(examples.position[examined], 0, DEPTH - 1)])
    raw = scores[examined].astype(np.float64)
    centre, spread = float(raw.mean()), max(float(raw.std()), 1e-9)
    standard = (raw - centre) / spread

    def loss(line: DoubleArray) -> float:
        logs = np.minimum(log_examined - np.logaddexp(0.0, -(line[0] * standard + line[1])), -1e-6)
        return float(-np.where(clicked, logs, np.log1p(-np.exp(logs))).mean())

    fitted = minimize(loss, np.array([1.0, -2.0]), method="L-BFGS-B", bounds=[(0.0, 50.0), (-20.0, 20.0)])
    slope, intercept = fitted.x
    if not np.isfinite(fitted.x).all() or slope < 1e-3:
        return 1.0, 0.0
    return float(slope / spread), float(intercept - slope * centre / spread)
