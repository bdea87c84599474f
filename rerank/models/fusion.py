"""How signals become one score where nothing was learned from clicks: weighted reciprocal ranks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rerank.arrays import DoubleArray, FloatArray
from rerank.features.groups import RATES, Facts, QueryVectors
from vitrine.errors import ArtifactError

from .served import Weights


@dataclass(frozen=True)
class SignalFusion:
    """How a ranker that learned from no click fuses its signals."""

    weights: tuple[float, float, float, float]  # of engine order, text cosine, picture cosine and popularity
    missing_image_correction: float = (
        1.0  # the engine's rank of a candidate without picture is divided by this
    )

    def arrays(self) -> dict[str, FloatArray]:
        """What its model artifact holds."""
        return {
            "fusion.weights": np.array(self.weights, dtype=np.float32),
            "fusion.allowance": np.array([self.missing_image_correction], dtype=np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Weights) -> SignalFusion:
        """Read what `arrays` gave. Raises ArtifactError."""
        try:
            engine, text, image, popularity = arrays["fusion.weights"].tolist()
            return cls((engine, text, image, popularity), float(arrays["fusion.allowance"][0]))
        except (KeyError, ValueError, IndexError) as error:
            raise ArtifactError(
                f"the model does not say how it fuses ({error}); run `vitrine train --fusion`"
            ) from None


OFFSET = 60.0  # Cormack, Clarke, Büttcher 2009

# Vitrine's own search has asked the vectors already: what is left is what its engine cannot do. An order that words alone
# made has not, and both vectors are worth their say.
RRF_AFTER_HYBRID = SignalFusion((1.0, 0.0, 0.0, 0.3))
RRF_AFTER_BM25 = SignalFusion((1.0, 0.5, 0.3, 0.3))


def single_signals(window: Facts, rates: FloatArray, query: QueryVectors) -> FloatArray:
    """Engine order, text cosine, picture cosine and popularity (n, 4), NaN where a candidate has none."""
    count = len(window.hashes)
    absent = np.full(count, np.nan, dtype=np.float32)
    text = np.where(window.has_text, window.text @ query["text"], np.nan) if "text" in query else absent
    image = np.where(window.has_image, window.image @ query["image"], np.nan) if "image" in query else absent
    popularity = rates[:, RATES.index("popularity")]
    popular = popularity if popularity.any() else absent
    return np.column_stack([-np.arange(count), text, image, popular]).astype(np.float32)


def reciprocal_ranks(signals: FloatArray, weights: DoubleArray, offset: float = OFFSET) -> FloatArray:
    """Fuse signals (n, s), NaN where missing, by rank into scores (n,)."""
    there = np.isfinite(signals)
    filled = np.where(there, signals, -np.inf)
    ranks = np.argsort(np.argsort(-filled, axis=0, kind="stable"), axis=0, kind="stable")
    shares = np.where(there, weights / (offset + 1.0 + ranks), 0.0).sum(axis=1)
    return np.asarray(shares / np.maximum((there * weights).sum(axis=1), 1e-9), dtype=np.float32)
