"""The fused model in its training form; `Network.served` gives the arrays that `rerank/models/served.py` serves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rerank.arrays import FloatArray
from rerank.features.groups import Scaler
from rerank.features.item_table import MODALITIES


@dataclass(frozen=True)
class Sizes:
    """Widths of what goes in and of what is in between."""

    text: int
    image: int
    numbers: int
    features: int
    hidden: int = 64
    keys: int = 32
    tower: int = 96
    head: int = 32
    dropout: float = 0.3  # of the modality rows, in training only


@dataclass
class ItemInputs:
    """N products as the item tower takes them."""

    text: Tensor  # (N, text), zeros where missing
    image: Tensor  # (N, image), zeros where missing
    numbers: Tensor  # (N, 2 numbers): scaled values, zero where missing, then the flags of the missing


@dataclass
class Tower:
    """What the item tower makes of N products."""

    rows: Tensor  # (N, 3, hidden)
    present: Tensor  # (N, 3) bool
    gates: Tensor  # (N, 3)
    ask: Tensor  # (N, keys)
    key: Tensor  # (N, keys)
    value: Tensor  # (N, hidden)


@dataclass
class Batch:
    """B slates of L candidates and shoppers with J clicks; candidates and clicks are rows of a `Tower`."""

    x: Tensor  # (B, L, features)
    candidates: Tensor  # (B, L) int64
    clicks: Tensor  # (B, J) int64
    clicked: Tensor  # (B, J) bool, False where padded
    age_hours: Tensor  # (B, J)
    text: Tensor  # (B, text), length one
    has_text: Tensor  # (B,) bool
    image: Tensor  # (B, image), length one
    has_image: Tensor  # (B,) bool


class Network(nn.Module):
    """Gated modality rows, attention over clicks, query and features: added, then judged by a small head."""

    centre: Tensor
    width: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        hidden, modalities = sizes.hidden, len(MODALITIES)
        inputs = {"text": sizes.text, "image": sizes.image, "numbers": 2 * sizes.numbers}
        self.towers = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(size, sizes.tower), nn.ReLU(), nn.Linear(sizes.tower, hidden))
                for name, size in inputs.items()
                if size
            }
        )
        wide = modalities * hidden
        self.item_gates = nn.Linear(wide, modalities, bias=False)
        self.ask = nn.Linear(wide, sizes.keys, bias=False)
        self.key = nn.Linear(wide, sizes.keys, bias=False)
        self.value = nn.Linear(wide, hidden, bias=False)
        self.thin = nn.Dropout(sizes.dropout)
        self.fading = nn.Parameter(torch.tensor(0.1))
        # a query part's last input says that it is missing, so that "missing" is learned
        spaces = {"text": sizes.text + 1, "image": sizes.image + 1}
        self.query = nn.ModuleDict({m: nn.Linear(n, hidden, bias=False) for m, n in spaces.items()})
        self.query_gates = nn.ModuleDict({m: nn.Linear(n, modalities, bias=False) for m, n in spaces.items()})
        self.from_x = nn.Linear(sizes.features, hidden)
        self.x_gates = nn.Linear(sizes.features, modalities)
        self.head = nn.Linear(hidden, sizes.head)
        self.score = nn.Linear(sizes.head, 1, bias=False)
        self.register_buffer("centre", torch.zeros(sizes.features))
        self.register_buffer("width", torch.ones(sizes.features))

    def standardise(self, x: FloatArray) -> None:
        """Centre and scale features as they are in `x` (n, features); a constant column keeps its scale."""
        spread = x.std(axis=0)
        self.centre = torch.from_numpy(x.mean(axis=0).astype(np.float32))
        self.width = torch.from_numpy(np.where(spread > 1e-4, spread, 1.0).astype(np.float32))

    def tower(self, items: ItemInputs) -> Tower:
        known = items.numbers[:, self.sizes.numbers :] == 0
        present = torch.stack([items.text.any(1), items.image.any(1), known.any(1)], dim=1)  # (N, 3)
        inputs = {"text": items.text, "image": items.image, "numbers": items.numbers}
        empty = items.text.new_zeros(len(items.text), self.sizes.hidden)
        rows = [self.towers[m](inputs[m]) if m in self.towers else empty for m in MODALITIES]
        stacked = self.thin(torch.stack(rows, dim=1)) * present[:, :, None]  # (N, 3, hidden)
        wide = stacked.flatten(1)
        gates, ask, key, value = (f(wide) for f in (self.item_gates, self.ask, self.key, self.value))
        return Tower(stacked, present, gates, ask / self.sizes.keys**0.5, key, value)

    def forward(self, tower: Tower, batch: Batch) -> Tensor:
        """Scores (B, L)."""
        x = (batch.x - self.centre) / self.width
        query, query_gates = self._query(batch)
        present = tower.present[batch.candidates]  # (B, L, 3)
        logits = tower.gates[batch.candidates] + self.x_gates(x) + query_gates[:, None]
        gates = torch.softmax(logits.masked_fill(~present, -1e9), dim=-1) * present
        mixed = torch.einsum("blm,blmh->blh", gates, tower.rows[batch.candidates])
        h = query[:, None] + mixed + self._attention(tower, batch) + self.from_x(x)
        scores: Tensor = self.score(torch.relu(self.head(torch.relu(h))))
        return scores.squeeze(-1)

    def _query(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the query adds to h (B, hidden) and to the gates (B, 3)."""
        parts = {"text": (batch.text, batch.has_text), "image": (batch.image, batch.has_image)}
        hidden, gates = torch.zeros(()), torch.zeros(())
        for name, (vector, there) in parts.items():
            flag = there.to(vector.dtype)[:, None]
            given = torch.cat([vector * flag, 1 - flag], dim=1)
            hidden = hidden + self.query[name](given)
            gates = gates + self.query_gates[name](given)
        return hidden, gates

    def _attention(self, tower: Tower, batch: Batch) -> Tensor:
        """Dot-product attention over clicks (B, L, hidden) with a slot of nothing at logit zero."""
        logits = tower.ask[batch.candidates] @ tower.key[batch.clicks].transpose(1, 2)  # (B, L, J)
        logits = logits - self.fading * torch.log1p(batch.age_hours)[:, None]
        logits = logits.masked_fill(~batch.clicked[:, None], -1e9)
        nothing = logits.new_zeros(*logits.shape[:2], 1)
        weights = torch.softmax(torch.cat([logits, nothing], dim=-1), dim=-1)[..., :-1]
        return weights @ tower.value[batch.clicks]

    @torch.no_grad()
    def served(self, scaler: Scaler) -> dict[str, FloatArray]:
        """The arrays of `fused.FusedModel`, with the standardisation of the features folded in."""
        arrays: dict[str, Tensor] = {
            "item.gates": self.item_gates.weight.T,
            "item.ask": self.ask.weight.T / self.sizes.keys**0.5,
            "item.key": self.key.weight.T,
            "item.value": self.value.weight.T,
            "attention.fading": self.fading.reshape(1),
            "head.w1": self.head.weight.T,
            "head.b1": self.head.bias,
            "head.w2": self.score.weight[0],
        }
        for name, tower in self.towers.items():
            for layer, place in (("1", "0"), ("2", "2")):
                arrays[f"{name}.w{layer}"] = tower.get_parameter(f"{place}.weight").T
                arrays[f"{name}.b{layer}"] = tower.get_parameter(f"{place}.bias")
        for name in ("text", "image"):
            for kind, parts in (("query", self.query), ("gate", self.query_gates)):
                given = parts.get_parameter(f"{name}.weight").T
                arrays[f"{kind}.{name}"], arrays[f"{kind}.no_{name}"] = given[:-1], given[-1]
        for target, kind, part in (("x", "query", self.from_x), ("gate.x", "gate", self.x_gates)):
            arrays[target] = part.weight.T / self.width[:, None]
            arrays[f"{kind}.bias"] = part.bias - (self.centre / self.width) @ part.weight.T
        served = {name: array.contiguous().numpy().astype(np.float32) for name, array in arrays.items()}
        centre, width = (np.asarray(a, dtype=np.float32) for a in (scaler.centre, scaler.width))
        return {**served, "scaler.centre": centre, "scaler.width": width}
