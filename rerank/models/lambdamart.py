"""LambdaMART in its served form: LightGBM's trees over the same features, in one thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rerank.arrays import DoubleArray, FloatArray
from vitrine.errors import ArtifactError

_TREES, _CALIBRATION = "lambdamart.trees", "lambdamart.calibration"


class LambdaMART:
    """Boosted trees, and the line that makes a score the log odds of a click on an examined candidate."""

    def __init__(self, booster: Any, slope: float = 1.0, intercept: float = 0.0) -> None:
        self.booster = booster
        self.slope = slope
        self.intercept = intercept

    def scores(self, x: FloatArray) -> FloatArray:
        """Return scores (n,) of features (n, f)."""
        raw = self.booster.predict(x, num_threads=1)
        return np.asarray(self.slope * raw + self.intercept, dtype=np.float32)

    def contributions(self, x: FloatArray) -> DoubleArray:
        """Return what each feature adds to the scores of features (n, f), (n, f + 1); the last column is the base."""
        values = self.slope * np.asarray(self.booster.predict(x, num_threads=1, pred_contrib=True))
        values[:, -1] += self.intercept
        return values

    def to_arrays(self) -> dict[str, FloatArray]:
        """Return the arrays of the model artifact: LightGBM's text form as bytes, and the line."""
        text = np.frombuffer(self.booster.model_to_string().encode(), dtype=np.uint8)
        return {
            _TREES: text,  # type: ignore[dict-item]
            _CALIBRATION: np.array([self.slope, self.intercept], dtype=np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> LambdaMART:
        """Return the trees that `to_arrays` wrote. Raises ArtifactError, also where LightGBM cannot be loaded."""
        try:
            import lightgbm

            booster = lightgbm.Booster(model_str=arrays[_TREES].tobytes().decode())
            slope, intercept = arrays[_CALIBRATION].tolist()
        except OSError as error:
            raise ArtifactError(
                f"LightGBM cannot be loaded ({error}); install the system's OpenMP runtime (libgomp1), or train with "
                "`vitrine train --candidates fused`"
            ) from error
        except (KeyError, ValueError, lightgbm.basic.LightGBMError) as error:
            raise ArtifactError(f"the model holds no trees ({error}); run `vitrine train`") from error
        return cls(booster, slope, intercept)
