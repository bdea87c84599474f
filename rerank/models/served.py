"""The fused model as it is served: plain arrays, numpy only.

h = Wq·query + Σ_m g_m·row_m(item) + attention(history, item) + Wx·x, score = head(relu(h)), with gates
g = softmax(Gq·query + G(item) + Gx·x) in which a missing modality is closed. `model/network.py` is the same
function as a torch module; `Network.served` gives the arrays.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rerank.arrays import BoolArray, DoubleArray, FloatArray, unit
from rerank.features.groups import QueryVectors, Scaler
from rerank.features.item_table import MODALITIES, ItemRows, RowLayout

Weights = Mapping[str, FloatArray]


class FusedModel:
    """Scores from features and item rows, and the item tower that makes those rows."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.scaler = Scaler(weights["scaler.centre"].astype(float), weights["scaler.width"].astype(float))
        self.layout = RowLayout(
            text=len(weights["query.text"]),
            image=len(weights["query.image"]),
            hidden=len(weights["query.bias"]),
            keys=weights["item.key"].shape[1],
        )

    def rows(self, text: FloatArray, image: FloatArray, numbers: DoubleArray) -> FloatArray:
        """Vectors (n, d), missing as zeros, and raw numbers (n, m), missing as NaN -> (n, tower's width)."""
        w = self.weights
        scaled = self.scaler.scale(numbers)
        known = np.isfinite(scaled)
        inputs: dict[str, tuple[FloatArray, BoolArray]] = {
            "text": (text, np.asarray(text.any(axis=1))),
            "image": (image, np.asarray(image.any(axis=1))),
            "numbers": (
                np.concatenate([np.where(known, scaled, 0), ~known], axis=1, dtype=np.float32),
                np.asarray(known.any(axis=1)),
            ),
        }
        modalities = [self._tower(name, *inputs[name]) for name in MODALITIES]
        rows = np.concatenate(modalities, axis=1)  # (n, 3 hidden)
        made = [rows @ w[f"item.{name}"] for name in ("gates", "ask", "key", "value")]
        return np.concatenate([rows, *made], axis=1)

    def _tower(self, name: str, values: FloatArray, there: BoolArray) -> FloatArray:
        w = self.weights
        if f"{name}.w1" not in w:
            return np.zeros((len(values), self.layout.hidden), dtype=np.float32)
        inner = np.maximum(values @ w[f"{name}.w1"] + w[f"{name}.b1"], 0)
        return np.asarray((inner @ w[f"{name}.w2"] + w[f"{name}.b2"]) * there[:, None], dtype=np.float32)

    def scores(
        self,
        x: FloatArray,
        items: ItemRows,
        query: QueryVectors,
        clicks: ItemRows | None,
        age_hours: DoubleArray,
    ) -> FloatArray:
        """Scores (n,) of candidates with features `x` (n, f); `clicks` are j rows, `age_hours` (j,) old."""
        w = self.weights
        hidden, gate = self._query(query)
        gates = _softmax(items.part("gates") + x @ w["gate.x"] + gate, items.present)  # (n, 3)
        rows = items.part("modalities").reshape(len(x), len(MODALITIES), -1)
        mixed = np.matmul(gates[:, None, :], rows)[:, 0]  # (n, hidden)
        h = mixed + x @ w["x"] + hidden
        if clicks is not None and len(clicks.values):
            h += self._attention(items.part("ask"), clicks, age_hours)
        inner = np.maximum(np.maximum(h, 0) @ w["head.w1"] + w["head.b1"], 0)
        return np.asarray(inner @ w["head.w2"], dtype=np.float32)

    def _query(self, query: QueryVectors) -> tuple[FloatArray, FloatArray]:
        """What the query adds to h (hidden,) and to the gates (3,)."""
        w = self.weights
        hidden, gate = w["query.bias"].copy(), w["gate.bias"].copy()
        for name, vector in ((name, query.get(name)) for name in ("text", "image")):
            hidden += w[f"query.no_{name}"] if vector is None else unit(vector) @ w[f"query.{name}"]
            gate += w[f"gate.no_{name}"] if vector is None else unit(vector) @ w[f"gate.{name}"]
        return hidden, gate

    def _attention(self, ask: FloatArray, clicks: ItemRows, age_hours: DoubleArray) -> FloatArray:
        """Dot-product attention (n, hidden) over clicks; a slot of nothing has logit zero."""
        fading = self.weights["attention.fading"] * np.log1p(age_hours).astype(np.float32)
        logits = ask @ clicks.part("key").T - fading  # (n, j)
        top = np.maximum(logits.max(axis=1, keepdims=True), 0)
        logits -= top
        np.exp(logits, out=logits)
        total = logits.sum(axis=1, keepdims=True) + np.exp(-top)
        return np.asarray((logits @ clicks.part("value")) / total, dtype=np.float32)


def _softmax(logits: FloatArray, there: BoolArray) -> FloatArray:
    """Softmax over the open modalities (n, 3); all zeros for a product that has none."""
    masked = np.where(there, logits, np.float32(-1e9))
    masked -= masked.max(axis=1, keepdims=True)
    grown = np.exp(masked) * there
    return np.asarray(grown / np.maximum(grown.sum(axis=1, keepdims=True), 1e-9), dtype=np.float32)
