"""What all neural fusions share in their training form; `fusions.FUSIONS` names the architectures.

h = Wq·query + Σ_m g_m·row_m(item) + interest(history, item) + Wx·x, outputs = head(relu(h)). An architecture decides how
the modality rows are mixed (`mixing.py`), and `interest.py` what a shopper's clicks add. `FusionNetwork.served` returns the
arrays that `served.py` serves.
"""

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

from .interest import INTEREST_NETWORKS, InterestNetwork


@dataclass(frozen=True)
class NetworkSizes:
    """The widths of a network's inputs and layers, and which interest it has.

    `dropout` is of the modality rows, in training only. `outputs` is 2 for a loss that reads clicks and conversions.
    """

    vectors: Mapping[str, int]  # by vector space
    numbers: int
    features: int
    hidden: int = 64
    keys: int = 32
    tower: int = 96
    head: int = 32
    dropout: float = 0.3
    outputs: int = 1
    interest: str = "attention"


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
    gates: Tensor  # (N, gates), what the fusion's gates read of the item
    query: Tensor  # (N, keys), of the interest
    key: Tensor  # (N, keys)
    value: Tensor  # (N, hidden)


@dataclass
class Batch:
    """B slates of L candidates and shoppers with J clicks; candidates and clicks are rows of `TowerRows`."""

    x: Tensor  # (B, L, features)
    candidates: Tensor  # (B, L) int64
    clicks: Tensor  # (B, J) int64, oldest first
    click_mask: Tensor  # (B, J) bool, False where padded
    age_hours: Tensor  # (B, J)
    query: dict[str, Tensor]  # by vector space: (B, d), length one
    has_query: dict[str, Tensor]  # by vector space: (B,) bool
    mask: Tensor  # (B, L) bool, False where padded

    def query_inputs(self, space: str) -> Tensor:
        """Return the query's vector in a space and whether it is missing, (B, d + 1), so that "missing" is learned."""
        vector = self.query[space]
        flag = self.has_query[space].to(vector.dtype)[:, None]
        return torch.cat([vector * flag, 1 - flag], dim=1)


def space_layers(vectors: Mapping[str, int], width: int) -> nn.ModuleDict:
    """Return one linear layer to `width` outputs for the query's inputs in each vector space."""
    return nn.ModuleDict({space: nn.Linear(size + 1, width, bias=False) for space, size in vectors.items()})


class FusionNetwork(nn.Module, ABC):
    """A neural fusion in its training form; a subclass says how the modality rows are mixed."""

    centre: Tensor
    width: Tensor

    sizes: NetworkSizes

    def __init__(self, sizes: NetworkSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.modalities = modalities(sizes.vectors)
        hidden = sizes.hidden
        inputs = {**sizes.vectors, NUMBERS: 2 * sizes.numbers}
        self.towers = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(size, sizes.tower), nn.ReLU(), nn.Linear(sizes.tower, hidden))
                for name, size in inputs.items()
                if size
            }
        )
        wide = len(self.modalities) * hidden
        self.interest_query = nn.Linear(wide, sizes.keys, bias=False)
        self.interest_key = nn.Linear(wide, sizes.keys, bias=False)
        self.interest_value = nn.Linear(wide, hidden, bias=False)
        self.interest: InterestNetwork = INTEREST_NETWORKS[sizes.interest](hidden, sizes.keys)
        self.row_dropout = nn.Dropout(sizes.dropout)
        self.query = space_layers(sizes.vectors, hidden)
        self.from_x = nn.Linear(sizes.features, hidden)
        self.head = nn.Linear(hidden, sizes.head)
        self.outputs = nn.Linear(sizes.head, sizes.outputs)
        nn.init.zeros_(self.outputs.bias)
        self.register_buffer("centre", torch.zeros(sizes.features))
        self.register_buffer("width", torch.ones(sizes.features))

    @abstractmethod
    def item_gates(self, rows: Tensor) -> Tensor:
        """Return what `gates` reads of N products (N, gates), from their modality rows (N, modalities, hidden)."""

    @abstractmethod
    def gates(self, item: Tensor, present: Tensor, x: Tensor, batch: Batch) -> Tensor:
        """Return the weight of each modality row (B, L, modalities), zero where it is missing.

        `item` (B, L, gates) and `present` (B, L, modalities) are the candidates' parts of `TowerRows`, `x` is standardised.
        """

    @abstractmethod
    def served_gates(self) -> dict[str, Tensor]:
        """Return the arrays that the served form computes the gates with, for features that are not standardised."""

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
            gates=self.item_gates(stacked),
            query=self.interest_query(wide) / self.sizes.keys**0.5,
            key=self.interest_key(wide),
            value=self.interest_value(wide),
        )

    def hidden(self, tower: TowerRows, batch: Batch) -> Tensor:
        """Return h (B, L, hidden)."""
        x = (batch.x - self.centre) / self.width
        present = tower.present[batch.candidates]  # (B, L, modalities)
        gates = self.gates(tower.gates[batch.candidates], present, x, batch)
        mixed = torch.einsum("blm,blmh->blh", gates, tower.rows[batch.candidates])
        query = torch.stack([self.query[s](batch.query_inputs(s)) for s in self.sizes.vectors]).sum(0)
        h: Tensor = query[:, None] + mixed + self.interest(tower, batch) + self.from_x(x)
        return h

    def forward(self, tower: TowerRows, batch: Batch) -> Tensor:
        """Return the outputs (B, L, outputs), which a loss of `losses.LOSSES` reads."""
        outputs: Tensor = self.outputs(torch.relu(self.head(torch.relu(self.hidden(tower, batch)))))
        return outputs

    @torch.no_grad()
    def served(self, scaler: Scaler) -> dict[str, FloatArray]:
        """Return the arrays of the served form, with the standardisation of the features folded in."""
        arrays: dict[str, Tensor] = {
            "item.query": self.interest_query.weight.T / self.sizes.keys**0.5,
            "item.key": self.interest_key.weight.T,
            "item.value": self.interest_value.weight.T,
            "head.w1": self.head.weight.T,
            "head.b1": self.head.bias,
            "head.w2": self.outputs.weight.T,
            "head.b2": self.outputs.bias,
            **self.served_x("x", "query.bias", self.from_x),
            **self.served_spaces("query", self.query),
            **self.served_gates(),
            **self.interest.served(),
        }
        for name, tower in self.towers.items():
            for layer, module in (("1", "0"), ("2", "2")):
                arrays[f"tower.{name}.w{layer}"] = tower.get_parameter(f"{module}.weight").T
                arrays[f"tower.{name}.b{layer}"] = tower.get_parameter(f"{module}.bias")
        served = {name: array.contiguous().numpy().astype(np.float32) for name, array in arrays.items()}
        centre, width = (np.asarray(a, dtype=np.float32) for a in (scaler.centre, scaler.width))
        return {**served, "scaler.centre": centre, "scaler.width": width}

    def served_x(self, weight: str, bias: str, layer: nn.Linear) -> dict[str, Tensor]:
        """Return weight and bias of a layer over standardised features as one over the features themselves."""
        return {
            weight: layer.weight.T / self.width[:, None],
            bias: layer.bias - (self.centre / self.width) @ layer.weight.T,
        }

    def served_spaces(self, kind: str, layers: nn.ModuleDict) -> dict[str, Tensor]:
        """Return the weights of `space_layers`: for a query with a vector in the space, and for one without."""
        arrays = {}
        for space in self.sizes.vectors:
            weight = layers.get_parameter(f"{space}.weight").T
            arrays[f"{kind}.space.{space}"], arrays[f"{kind}.no_space.{space}"] = weight[:-1], weight[-1]
        return arrays
