"""The gated fusion in its training form; `GatedNetwork.served` returns the arrays that `served.py` serves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rerank.arrays import FloatArray
from rerank.features.groups import NUMBERS
from rerank.features.item_table import modalities
from rerank.features.scaler import Scaler


@dataclass(frozen=True)
class NetworkSizes:
    """The widths of a network's inputs and layers; `dropout` is of the modality rows, in training only."""

    vectors: Mapping[str, int]  # by vector space
    numbers: int
    features: int
    hidden: int = 64
    keys: int = 32
    tower: int = 96
    head: int = 32
    dropout: float = 0.3


@dataclass
class ItemInputs:
    """N products as the item tower reads them."""

    vectors: dict[str, Tensor]  # by vector space: (N, d), zeros where missing
    numbers: Tensor  # (N, 2 numbers): scaled values, zero where missing, then the missing flags


@dataclass
class TowerRows:
    """The item tower's output for N products."""

    rows: Tensor  # (N, modalities, hidden)
    present: Tensor  # (N, modalities) bool
    gates: Tensor  # (N, modalities)
    query: Tensor  # (N, keys), of the attention
    key: Tensor  # (N, keys)
    value: Tensor  # (N, hidden)


@dataclass
class Batch:
    """B slates of L candidates and shoppers with J clicks; candidates and clicks are rows of `TowerRows`."""

    x: Tensor  # (B, L, features)
    candidates: Tensor  # (B, L) int64
    clicks: Tensor  # (B, J) int64
    click_mask: Tensor  # (B, J) bool, False where padded
    age_hours: Tensor  # (B, J)
    query: dict[str, Tensor]  # by vector space: (B, d), length one
    has_query: dict[str, Tensor]  # by vector space: (B,) bool


class FusionNetwork(nn.Module, ABC):
    """The interface of a neural fusion in its training form."""

    @abstractmethod
    def standardise(self, x: FloatArray) -> None:
        """Centre and scale features as they are in `x` (n, features)."""

    @abstractmethod
    def tower(self, items: ItemInputs) -> TowerRows:
        """Return the item tower's rows."""

    @abstractmethod
    def forward(self, tower: TowerRows, batch: Batch) -> Tensor:
        """Return scores (B, L)."""

    @abstractmethod
    def served(self, scaler: Scaler) -> dict[str, FloatArray]:
        """Return the arrays of the served form."""


class GatedNetwork(FusionNetwork):
    """Gated modality rows, attention over clicks, query and features are added; a small head scores the sum."""

    centre: Tensor
    width: Tensor

    def __init__(self, sizes: NetworkSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.modalities = modalities(sizes.vectors)
        hidden, count = sizes.hidden, len(self.modalities)
        inputs = {**sizes.vectors, NUMBERS: 2 * sizes.numbers}
        self.towers = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(size, sizes.tower), nn.ReLU(), nn.Linear(sizes.tower, hidden))
                for name, size in inputs.items()
                if size
            }
        )
        wide = count * hidden
        self.item_gates = nn.Linear(wide, count, bias=False)
        self.attention_query = nn.Linear(wide, sizes.keys, bias=False)
        self.attention_key = nn.Linear(wide, sizes.keys, bias=False)
        self.attention_value = nn.Linear(wide, hidden, bias=False)
        self.row_dropout = nn.Dropout(sizes.dropout)
        self.fading = nn.Parameter(torch.tensor(0.1))
        # the last input is 1 when the query has no vector in the space, so that the effect of "missing" is learned
        self.query = nn.ModuleDict(
            {m: nn.Linear(n + 1, hidden, bias=False) for m, n in sizes.vectors.items()}
        )
        self.query_gates = nn.ModuleDict(
            {m: nn.Linear(n + 1, count, bias=False) for m, n in sizes.vectors.items()}
        )
        self.from_x = nn.Linear(sizes.features, hidden)
        self.x_gates = nn.Linear(sizes.features, count)
        self.head = nn.Linear(hidden, sizes.head)
        self.score = nn.Linear(sizes.head, 1, bias=False)
        self.register_buffer("centre", torch.zeros(sizes.features))
        self.register_buffer("width", torch.ones(sizes.features))

    def standardise(self, x: FloatArray) -> None:
        """Centre and scale features as they are in `x` (n, features); a constant column keeps its scale."""
        spread = x.std(axis=0)
        self.centre = torch.from_numpy(x.mean(axis=0).astype(np.float32))
        self.width = torch.from_numpy(np.where(spread > 1e-4, spread, 1.0).astype(np.float32))

    def tower(self, items: ItemInputs) -> TowerRows:
        """Return the item tower's rows of N products."""
        known = items.numbers[:, self.sizes.numbers :] == 0
        present = torch.stack([*(items.vectors[m].any(1) for m in self.sizes.vectors), known.any(1)], dim=1)
        inputs = {**items.vectors, NUMBERS: items.numbers}
        empty = items.numbers.new_zeros(len(items.numbers), self.sizes.hidden)
        rows = [self.towers[m](inputs[m]) if m in self.towers else empty for m in self.modalities]
        stacked = self.row_dropout(torch.stack(rows, dim=1)) * present[:, :, None]  # (N, modalities, hidden)
        wide = stacked.flatten(1)
        return TowerRows(
            rows=stacked,
            present=present,
            gates=self.item_gates(wide),
            query=self.attention_query(wide) / self.sizes.keys**0.5,
            key=self.attention_key(wide),
            value=self.attention_value(wide),
        )

    def forward(self, tower: TowerRows, batch: Batch) -> Tensor:
        """Return scores (B, L)."""
        x = (batch.x - self.centre) / self.width
        query, query_gates = self._query(batch)
        present = tower.present[batch.candidates]  # (B, L, modalities)
        logits = tower.gates[batch.candidates] + self.x_gates(x) + query_gates[:, None]
        gates = torch.softmax(logits.masked_fill(~present, -1e9), dim=-1) * present
        mixed = torch.einsum("blm,blmh->blh", gates, tower.rows[batch.candidates])
        h = query[:, None] + mixed + self._attention(tower, batch) + self.from_x(x)
        scores: Tensor = self.score(torch.relu(self.head(torch.relu(h))))
        return scores.squeeze(-1)

    def _query(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the query's contribution to h (B, hidden) and to the gates (B, modalities)."""
        hidden = batch.x.new_zeros(len(batch.x), self.sizes.hidden)
        gates = batch.x.new_zeros(len(batch.x), len(self.modalities))
        for space in self.sizes.vectors:
            vector = batch.query[space]
            flag = batch.has_query[space].to(vector.dtype)[:, None]
            inputs = torch.cat([vector * flag, 1 - flag], dim=1)
            hidden = hidden + self.query[space](inputs)
            gates = gates + self.query_gates[space](inputs)
        return hidden, gates

    def _attention(self, tower: TowerRows, batch: Batch) -> Tensor:
        """Return dot-product attention over clicks (B, L, hidden), with an empty slot of logit zero."""
        logits = tower.query[batch.candidates] @ tower.key[batch.clicks].transpose(1, 2)  # (B, L, J)
        logits = logits - self.fading * torch.log1p(batch.age_hours)[:, None]
        logits = logits.masked_fill(~batch.click_mask[:, None], -1e9)
        empty_slot = logits.new_zeros(*logits.shape[:2], 1)
        weights = torch.softmax(torch.cat([logits, empty_slot], dim=-1), dim=-1)[..., :-1]
        return weights @ tower.value[batch.clicks]

    @torch.no_grad()
    def served(self, scaler: Scaler) -> dict[str, FloatArray]:
        """Return the arrays of `served.GatedModel`, with the standardisation of the features folded in."""
        arrays: dict[str, Tensor] = {
            "item.gates": self.item_gates.weight.T,
            "item.query": self.attention_query.weight.T / self.sizes.keys**0.5,
            "item.key": self.attention_key.weight.T,
            "item.value": self.attention_value.weight.T,
            "attention.fading": self.fading.reshape(1),
            "head.w1": self.head.weight.T,
            "head.b1": self.head.bias,
            "head.w2": self.score.weight[0],
        }
        for name, tower in self.towers.items():
            for layer, module in (("1", "0"), ("2", "2")):
                arrays[f"tower.{name}.w{layer}"] = tower.get_parameter(f"{module}.weight").T
                arrays[f"tower.{name}.b{layer}"] = tower.get_parameter(f"{module}.bias")
        for space in self.sizes.vectors:
            for kind, parts in (("query", self.query), ("gate", self.query_gates)):
                weight = parts.get_parameter(f"{space}.weight").T
                arrays[f"{kind}.space.{space}"], arrays[f"{kind}.no_space.{space}"] = weight[:-1], weight[-1]
        for target, kind, part in (("x", "query", self.from_x), ("gate.x", "gate", self.x_gates)):
            arrays[target] = part.weight.T / self.width[:, None]
            arrays[f"{kind}.bias"] = part.bias - (self.centre / self.width) @ part.weight.T
        served = {name: array.contiguous().numpy().astype(np.float32) for name, array in arrays.items()}
        centre, width = (np.asarray(a, dtype=np.float32) for a in (scaler.centre, scaler.width))
        return {**served, "scaler.centre": centre, "scaler.width": width}
