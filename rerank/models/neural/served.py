"""The neural fusions in their served form: plain arrays, numpy only. `mixing.py` holds the same functions as torch modules.

h = Wq·query + Σ_m g_m·row_m(item) + interest(history, item) + Wx·x, score = head(relu(h)). The classes differ in the
weights g of the modality rows; that of a missing modality is zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from rerank.arrays import BoolArray, DoubleArray, FloatArray, unit
from rerank.features.groups import NUMBERS, QueryVectors
from rerank.features.item_table import ItemRows, RowLayout
from rerank.features.scaler import Scaler

from .losses import expected_gain
from .served_interest import DEFAULT_INTEREST, INTERESTS


class ServedFusion(ABC):
    """Scores from features and item rows, and the item tower; `spaces` are the vector spaces in the order of training."""

    def __init__(
        self, weights: Mapping[str, FloatArray], spaces: Sequence[str], interest: str = DEFAULT_INTEREST
    ) -> None:
        self.weights = weights
        self.scaler = Scaler(weights["scaler.centre"].astype(float), weights["scaler.width"].astype(float))
        self._interest = INTERESTS[interest]
        vectors = {name: len(weights[f"query.space.{name}"]) for name in spaces}
        self.layout = RowLayout(
            vectors=vectors,
            hidden=len(weights["query.bias"]),
            keys=weights["item.key"].shape[1],
            gates=self.gate_width(len(vectors) + 1),
        )

    @abstractmethod
    def gate_width(self, modalities: int) -> int:
        """Return how many values the gates read of each item row."""

    @abstractmethod
    def item_gates(self, rows: FloatArray) -> FloatArray:
        """Return those values (n, gate width) from modality rows (n, modalities, hidden)."""

    @abstractmethod
    def gates(self, x: FloatArray, items: ItemRows, query: QueryVectors) -> FloatArray:
        """Return the weight of each modality row of the candidates (n, modalities)."""

    def rows(self, vectors: Mapping[str, FloatArray], numbers: DoubleArray) -> FloatArray:
        """Return the item tower's rows (n, tower's width); see `ItemTower.rows`."""
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
        wide = np.concatenate(modality_rows, axis=1)  # (n, modalities * hidden)
        gates = self.item_gates(wide.reshape(len(wide), len(modality_rows), self.layout.hidden))
        parts = [wide @ self.weights[f"item.{name}"] for name in ("query", "key", "value")]
        return np.concatenate([wide, gates, *parts], axis=1)

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
        gates = self.gates(x, items, query)
        rows = items.part("modalities").reshape(len(x), gates.shape[1], -1)
        mixed = np.matmul(gates[:, None, :], rows)[:, 0]  # (n, hidden)
        h = mixed + x @ w["x"] + self.of_query("query", query)
        if clicks is not None and len(clicks.values):
            h += self._interest(w, items.part("query"), clicks, age_hours)
        inner = np.maximum(np.maximum(h, 0) @ w["head.w1"] + w["head.b1"], 0)
        outputs = inner @ w["head.w2"] + w["head.b2"]
        scores = outputs[:, 0] if outputs.shape[1] == 1 else expected_gain(outputs)
        return np.asarray(scores, dtype=np.float32)

    def of_query(self, kind: str, query: QueryVectors) -> FloatArray:
        """Return the query's contribution to h ("query") or to the gates ("gate"), with its bias."""
        w = self.weights
        total = w[f"{kind}.bias"].copy()
        for space in self.layout.vectors:
            vector = query.get(space)
            missing, weight = w[f"{kind}.no_space.{space}"], w[f"{kind}.space.{space}"]
            total += missing if vector is None else unit(vector) @ weight
        return np.asarray(total)


class ConcatModel(ServedFusion):
    """The served form of `ConcatNetwork`."""

    def gate_width(self, modalities: int) -> int:
        """Return zero."""
        return 0

    def item_gates(self, rows: FloatArray) -> FloatArray:
        """Return nothing, (n, 0)."""
        return np.zeros((len(rows), 0), dtype=np.float32)

    def gates(self, x: FloatArray, items: ItemRows, query: QueryVectors) -> FloatArray:
        """Return one for each row that is present."""
        return items.present.astype(np.float32)


class WeightedSumModel(ConcatModel):
    """The served form of `WeightedSumNetwork`."""

    def gates(self, x: FloatArray, items: ItemRows, query: QueryVectors) -> FloatArray:
        """Return the softmax of the learned weights over the rows that are present."""
        return masked_softmax(np.broadcast_to(self.weights["gate.bias"], items.present.shape), items.present)


class GatedModel(ServedFusion):
    """The served form of `GatedNetwork`."""

    def gate_width(self, modalities: int) -> int:
        """Return one value for each modality."""
        return modalities

    def item_gates(self, rows: FloatArray) -> FloatArray:
        """Return G(item), (n, modalities)."""
        return np.asarray(rows.reshape(len(rows), -1) @ self.weights["item.gates"])

    def gates(self, x: FloatArray, items: ItemRows, query: QueryVectors) -> FloatArray:
        """Return softmax(Gq·query + G(item) + Gx·x) over the rows that are present."""
        logits = items.part("gates") + x @ self.weights["gate.x"] + self.of_query("gate", query)
        return masked_softmax(logits, items.present)


class CrossModalModel(ServedFusion):
    """The served form of `CrossModalNetwork`."""

    def gate_width(self, modalities: int) -> int:
        """Return one key for each modality."""
        return int(modalities * self.weights["item.row_keys"].shape[1])

    def item_gates(self, rows: FloatArray) -> FloatArray:
        """Return the keys of the modality rows, (n, modalities · keys)."""
        return np.asarray((rows @ self.weights["item.row_keys"]).reshape(len(rows), -1))

    def gates(self, x: FloatArray, items: ItemRows, query: QueryVectors) -> FloatArray:
        """Return the attention of query and features over the rows that are present."""
        asked = x @ self.weights["gate.x"] + self.of_query("gate", query)  # (n, keys)
        keys = items.part("gates").reshape(len(x), -1, asked.shape[1])
        return masked_softmax(np.matmul(keys, asked[:, :, None])[:, :, 0], items.present)


def masked_softmax(logits: FloatArray, mask: BoolArray) -> FloatArray:
    """Return the softmax over the present modalities (n, modalities); zeros for a product that has none."""
    masked = np.where(mask, logits, np.float32(-1e9))
    masked -= masked.max(axis=1, keepdims=True)
    exponentials = np.exp(masked) * mask
    return np.asarray(
        exponentials / np.maximum(exponentials.sum(axis=1, keepdims=True), 1e-9), dtype=np.float32
    )
