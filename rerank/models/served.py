"""The gated fusion in its served form: plain arrays, numpy only.

h = Wq·query + Σ_m g_m·row_m(item) + attention(history, item) + Wx·x, score = head(relu(h)), with gates
g = softmax(Gq·query + G(item) + Gx·x), in which the gate of a missing modality is closed. `network.py` holds the same
function as a torch module; `GatedNetwork.served` returns the arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rerank.arrays import BoolArray, DoubleArray, FloatArray, unit
from rerank.features.groups import NUMBERS, QueryVectors
from rerank.features.item_table import ItemRows, RowLayout
from rerank.features.scaler import Scaler


class GatedModel:
    """Scores from features and item rows, and the item tower; `spaces` are the vector spaces in the order of training."""

    def __init__(self, weights: Mapping[str, FloatArray], spaces: Sequence[str]) -> None:
        self.weights = weights
        self.scaler = Scaler(weights["scaler.centre"].astype(float), weights["scaler.width"].astype(float))
        self.layout = RowLayout(
            vectors={name: len(weights[f"query.space.{name}"]) for name in spaces},
            hidden=len(weights["query.bias"]),
            keys=weights["item.key"].shape[1],
        )

    def rows(self, vectors: Mapping[str, FloatArray], numbers: DoubleArray) -> FloatArray:
        """Return the item tower's rows (n, tower's width); see `ItemTower.rows`."""
        w = self.weights
        scaled = self.scaler.scale(numbers)
        known = np.isfinite(scaled)
        inputs: dict[str, tuple[FloatArray, BoolArray]] = {
            space: (vectors[space], np.asarray(vectors[space].any(axis=1))) for space in self.layout.vectors
        }
        inputs[NUMBERS] = (
            np.concatenate([np.where(known, scaled, 0), ~known], axis=1, dtype=np.float32),
            np.asarray(known.any(axis=1)),
        )
        modality_rows = [self._tower(name, *inputs[name]) for name in self.layout.modalities]
        rows = np.concatenate(modality_rows, axis=1)  # (n, modalities * hidden)
        parts = [rows @ w[f"item.{name}"] for name in ("gates", "query", "key", "value")]
        return np.concatenate([rows, *parts], axis=1)

    def _tower(self, name: str, values: FloatArray, mask: BoolArray) -> FloatArray:
        w = self.weights
        if f"tower.{name}.w1" not in w:
            return np.zeros((len(values), self.layout.hidden), dtype=np.float32)
        inner = np.maximum(values @ w[f"tower.{name}.w1"] + w[f"tower.{name}.b1"], 0)
        rows = (inner @ w[f"tower.{name}.w2"] + w[f"tower.{name}.b2"]) * mask[:, None]
        return np.asarray(rows, dtype=np.float32)

    def scores(
        self,
        x: FloatArray,
        items: ItemRows,
        query: QueryVectors,
        clicks: ItemRows | None,
        age_hours: DoubleArray,
    ) -> FloatArray:
        """Return scores (n,) of candidates with features `x` (n, f); `clicks` are j rows, `age_hours` (j,) their ages."""
        w = self.weights
        hidden, gate = self._query(query)
        gates = _masked_softmax(items.part("gates") + x @ w["gate.x"] + gate, items.present)
        rows = items.part("modalities").reshape(len(x), gates.shape[1], -1)
        mixed = np.matmul(gates[:, None, :], rows)[:, 0]  # (n, hidden)
        h = mixed + x @ w["x"] + hidden
        if clicks is not None and len(clicks.values):
            h += self._attention(items.part("query"), clicks, age_hours)
        inner = np.maximum(np.maximum(h, 0) @ w["head.w1"] + w["head.b1"], 0)
        return np.asarray(inner @ w["head.w2"], dtype=np.float32)

    def _query(self, query: QueryVectors) -> tuple[FloatArray, FloatArray]:
        """Return the query's contribution to h (hidden,) and to the gates (modalities,)."""
        w = self.weights
        hidden, gate = w["query.bias"].copy(), w["gate.bias"].copy()
        for space in self.layout.vectors:
            vector = query.get(space)
            hidden += (
                w[f"query.no_space.{space}"] if vector is None else unit(vector) @ w[f"query.space.{space}"]
            )
            gate += w[f"gate.no_space.{space}"] if vector is None else unit(vector) @ w[f"gate.space.{space}"]
        return hidden, gate

    def _attention(self, queries: FloatArray, clicks: ItemRows, age_hours: DoubleArray) -> FloatArray:
        """Return dot-product attention (n, hidden) over clicks, with an empty slot of logit zero."""
        fading = self.weights["attention.fading"] * np.log1p(age_hours).astype(np.float32)
        logits = queries @ clicks.part("key").T - fading  # (n, j)
        top = np.maximum(logits.max(axis=1, keepdims=True), 0)
        logits -= top
        np.exp(logits, out=logits)
        total = logits.sum(axis=1, keepdims=True) + np.exp(-top)
        return np.asarray((logits @ clicks.part("value")) / total, dtype=np.float32)


def _masked_softmax(logits: FloatArray, mask: BoolArray) -> FloatArray:
    """Return the softmax over the present modalities (n, modalities); zeros for a product that has none."""
    masked = np.where(mask, logits, np.float32(-1e9))
    masked -= masked.max(axis=1, keepdims=True)
    exponentials = np.exp(masked) * mask
    return np.asarray(
        exponentials / np.maximum(exponentials.sum(axis=1, keepdims=True), 1e-9), dtype=np.float32
    )
